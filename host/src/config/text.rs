//! `SourceText`: one configuration file as read, and how a place in it is shown to people.
//!
//! Invariant: no value of a secret leaves through an excerpt.

use std::ops::Range;
use std::path::PathBuf;

use super::Excerpt;

/// Longest line that is shown at all; longer ones are made by programs.
const SHOWN_LINE_BYTES_MAX: usize = 64 * 1024;
/// Most characters of a line that are shown.
const SHOWN_CHARS_MAX: usize = 160;
const MASK: &str = "***";
/// A key with one of these in its name holds a secret as far as excerpts are concerned. They are short, so that slips
/// of the finger are caught, too.
const SECRET_WORDS: [&str; 7] = ["pass", "word", "token", "secret", "credential", "api_key", "apikey"];

/// A range of bytes in one of the files that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One configuration file as read.
#[derive(Debug)]
pub(super) struct SourceText {
    /// As given with `-c`, joined with `/` to what is inside it.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) text: String,
    line_starts: Vec<usize>,
}

impl SourceText {
    pub(super) fn new(name: String, path: PathBuf, text: String) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        Self { name, path, text, line_starts }
    }

    /// Line and column of a byte, both from 1, columns in characters. A byte past the end stands behind the last
    /// character.
    pub(super) fn line_and_column(&self, at: usize) -> (usize, usize) {
        let at = self.boundary(at);
        let line = self.line_at(at);
        let column = self.text[self.line_starts[line]..at].chars().count() + 1;
        (line + 1, column)
    }

    /// The bytes of the line that holds `at`, without its line break.
    pub(super) fn line_range(&self, at: usize) -> Range<usize> {
        let line = self.line_at(self.boundary(at));
        let start = self.line_starts[line];
        let end = self.line_starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let content = self.text[start..end].trim_end_matches('\r');
        start..start + content.len()
    }

    /// The line of `span` with `masks` and whatever looks like a secret hidden.
    pub(super) fn excerpt(&self, span: Span, masks: &[Range<usize>]) -> Excerpt {
        let line = self.line_range(span.start);
        if line.len() > SHOWN_LINE_BYTES_MAX {
            return Excerpt { line: "(a line too long to show)".into(), column: 1, width: 1 };
        }
        let text = &self.text[line.clone()];
        let mut hidden = looks_secret(text);
        let overlapping = masks.iter().filter(|mask| mask.start < line.end && mask.end > line.start);
        hidden.extend(overlapping.map(|mask| clip(mask, &line)));
        let marked = clip(&(span.start..span.end.max(span.start)), &line);
        shortened(&masked(text, &hidden, &marked))
    }

    fn line_at(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    fn boundary(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at.min(self.text.len()))
    }
}

fn clip(range: &Range<usize>, line: &Range<usize>) -> Range<usize> {
    range.start.clamp(line.start, line.end) - line.start..range.end.clamp(line.start, line.end) - line.start
}

/// `text` with the hidden ranges as stars; the underline follows its characters.
fn masked(text: &str, hidden: &[Range<usize>], marked: &Range<usize>) -> Excerpt {
    let mut line = String::new();
    let (mut shown, mut before, mut until) = (0, 0, 0);
    let mut in_mask = false;
    for (at, character) in text.char_indices() {
        let hide = hidden.iter().any(|range| range.contains(&at));
        let width = match (hide, in_mask) {
            (true, true) => 0,
            (true, false) => push_text(&mut line, MASK),
            (false, _) => push_text(&mut line, printable(character).encode_utf8(&mut [0; 4])),
        };
        in_mask = hide;
        before += if at < marked.start { width } else { 0 };
        until += if at < marked.end { width } else { 0 };
        shown += width;
    }
    let begins = if marked.start >= text.len() { shown } else { before };
    Excerpt { line, column: begins + 1, width: until.saturating_sub(begins).max(1) }
}

fn push_text(line: &mut String, text: &str) -> usize {
    line.push_str(text);
    text.chars().count()
}

/// Control characters would move the cursor of a terminal or change its colours.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

fn shortened(excerpt: &Excerpt) -> Excerpt {
    let total = excerpt.line.chars().count();
    if total <= SHOWN_CHARS_MAX {
        return excerpt.clone();
    }
    let first = (excerpt.column - 1).saturating_sub(SHOWN_CHARS_MAX / 3);
    let last = (first + SHOWN_CHARS_MAX).min(total);
    let part: String = excerpt.line.chars().skip(first).take(last - first).collect();
    let (head, tail) = (if first > 0 { "…" } else { "" }, if last < total { "…" } else { "" });
    let column = excerpt.column - first + head.chars().count();
    let width = excerpt.width.min((last - first + 1).saturating_sub(column)).max(1);
    Excerpt { line: format!("{head}{part}{tail}"), column, width }
}

/// What stands behind `password =` and its like. Works on lines that are no TOML, too.
fn looks_secret(line: &str) -> Vec<Range<usize>> {
    let lower = line.to_ascii_lowercase();
    let mut hidden = Vec::new();
    for word in SECRET_WORDS {
        for (at, _) in lower.match_indices(word) {
            let after_key = lower[at..].find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
            let Some(value) = after_key.and_then(|length| value_after(line, at + length)) else { continue };
            hidden.push(value);
        }
    }
    hidden.extend(user_info(line));
    hidden
}

/// The value that begins behind a key's last character: without quotes, tables left alone. The `=` may be missing or
/// be a `:` where the line is broken.
fn value_after(line: &str, key_end: usize) -> Option<Range<usize>> {
    let behind_key = &line[key_end..];
    let behind_key = behind_key.strip_prefix(['"', '\'']).unwrap_or(behind_key).trim_start();
    let value = behind_key.trim_start_matches(['=', ':', ' ', '\t']);
    let start = line.len() - value.len();
    match value.chars().next()? {
        '[' | ']' | ',' | '}' | '.' => None,
        '{' => None,
        quote @ ('"' | '\'') => {
            let quotes = value.len() - value.trim_start_matches(quote).len();
            let inner = start + quotes;
            Some(inner..inner + closing(&line[inner..], quote))
        }
        _ => Some(start..start + value.find([',', '}', ' ', '#']).unwrap_or(value.len())),
    }
}

fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if character == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// `user:password` of `scheme://user:password@host`, once or more.
fn user_info(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(|(at, _)| {
        let start = at + 3;
        let authority = line[start..].find(['"', '\'', ' ', ',']).map_or(&line[start..], |end| &line[start..][..end]);
        authority.rfind('@').map(|length| start..start + length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> SourceText {
        SourceText::new("t.toml".into(), PathBuf::from("t.toml"), content.into())
    }

    fn excerpt_of(content: &str, marked: &str) -> Excerpt {
        let start = content.find(marked).unwrap();
        text(content).excerpt(Span { file: 0, start, end: start + marked.len() }, &[])
    }

    fn check_shown(content: &str, marked: &str, line: &str, column: usize, width: usize) {
        assert_eq!(excerpt_of(content, marked), Excerpt { line: line.into(), column, width }, "{content}");
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = text("ä = 1\r\nbé = 2\n");
        assert_eq!(text.line_and_column(0), (1, 1));
        assert_eq!(text.line_and_column(3), (1, 3));
        assert_eq!(text.line_and_column(8), (2, 1));
        assert_eq!(text.line_and_column(12), (2, 4));
        assert_eq!(text.line_and_column(9999), (3, 1));
    }

    #[test]
    fn secrets_are_stars_and_the_underline_follows() {
        check_shown("password = \"hunter2\" # x", "# x", "password = \"***\" # x", 18, 3);
        check_shown("password = 'hunter2', b = 1", "b", "password = '***', b = 1", 19, 1);
        check_shown(
            "a = 1 \nsasl = { password = \"a\\\"b\", x = 2 }",
            "x",
            "sasl = { password = \"***\", x = 2 }",
            28,
            1,
        );
        check_shown("passwort = 1\npasswordd = \"pw", "pw", "passwordd = \"***", 14, 3);
        check_shown("api_token=abc", "abc", "api_token=***", 11, 3);
        check_shown("\"sasl.password\" = \"pw\"", "pw", "\"sasl.password\" = \"***\"", 20, 3);
        check_shown("url = \"mqtt://u:p@h\"", "url", "url = \"mqtt://***@h\"", 1, 3);
        check_shown("password = { env = \"X\" }", "env", "password = { env = \"X\" }", 14, 3);
    }

    #[test]
    fn masks_from_outside_hide_part_of_a_line() {
        let shown =
            text("a = '''x\ny''' # c").excerpt(Span { file: 0, start: 9, end: 10 }, std::slice::from_ref(&(7..10)));
        assert_eq!(shown.line, "***''' # c");
    }

    #[test]
    fn control_characters_are_not_printed() {
        check_shown("a\t= \u{1b}[31m", "=", "a = \u{fffd}[31m", 3, 1);
    }

    #[test]
    fn long_lines_are_cut_around_the_underline() {
        let long = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = excerpt_of(&long, "X");
        assert_eq!(shown.line.chars().nth(shown.column - 1), Some('X'));
        assert!(shown.line.starts_with('…') && shown.line.ends_with('…') && shown.line.chars().count() < 170);
    }
}
