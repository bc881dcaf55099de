//! Reads one file's TOML. What is broken is told, blanked out, and the rest is read anew, so that the other problems of
//! the file are told, too.

use std::ops::Range;

use toml::de::DeTable;

use super::raw::{self, Table};
use super::review::{At, Broken, Review};
use super::text::{SourceText, Span};

/// Most syntax errors told of one file; each costs one more parse.
const ERRORS_MAX: usize = 20;

/// The tree of `file`, and everything that is no TOML told.
pub(super) fn parse(review: &Review<'_>, file: usize) -> Table {
    let source = review.text(file);
    let mut text = source.text.clone();
    for _ in 0..ERRORS_MAX {
        let (parsed, errors) = DeTable::parse_recoverable(&text);
        let mut errors: Vec<SyntaxError> = errors.iter().map(|error| SyntaxError::new(&text, error)).collect();
        errors.sort_by_key(|error| error.start);
        let Some(error) = first_to_blank(&text, &errors) else {
            errors.iter().for_each(|duplicate| duplicate.report(review, file, &source, 0..0));
            return raw::tree(review, file, parsed.get_ref());
        };
        let spoilt = error.spoilt(&text);
        error.report(review, file, &source, spoilt.clone());
        if text[spoilt.clone()].trim().is_empty() {
            break;
        }
        text = blanked(&text, &spoilt);
    }
    give_up(review, file, &source);
    Table::default()
}

/// Too much is broken: nothing else is told of this file, and any name may be defined in it.
fn give_up(review: &Review<'_>, file: usize, source: &SourceText) {
    let whole = Span { file, start: 0, end: source.text.len() };
    review.mark_broken(Broken { silent: whole, hides: whole });
}

/// The same text with blanks in `spoilt`, so that all other places stay as they are.
fn blanked(text: &str, spoilt: &Range<usize>) -> String {
    let blank = |character: char| match character {
        '\n' => "\n".to_owned(),
        _ => " ".repeat(character.len_utf8()),
    };
    let blanks: String = text[spoilt.clone()].chars().map(blank).collect();
    [&text[..spoilt.start], &blanks, &text[spoilt.end..]].concat()
}

/// The first error that hinders reading on. Where something is never closed, the parser stumbles somewhere behind it,
/// so its beginning is told. A key that is there twice hinders nothing.
fn first_to_blank(text: &str, errors: &[SyntaxError]) -> Option<SyntaxError> {
    let first = errors.iter().find(|error| error.code == "syntax")?;
    let opening = first_unclosed(text).filter(|opening| *opening <= first.start);
    match opening {
        Some(opening) if errors.iter().any(|error| error.is_unclosed) => Some(SyntaxError::never_closed(text, opening)),
        Some(_) | None => Some(first.clone()),
    }
}

#[derive(Clone)]
struct SyntaxError {
    start: usize,
    end: usize,
    code: &'static str,
    message: String,
    help: Option<&'static str>,
    is_unclosed: bool,
}

impl SyntaxError {
    fn new(text: &str, error: &toml::de::Error) -> Self {
        let said = error.message();
        let span = error.span().unwrap_or(0..0);
        let end_of_text = text.trim_end().len();
        let start = span.start.min(end_of_text);
        let (code, message, help) = in_our_words(said, text.get(span.clone()).unwrap_or_default());
        let is_unclosed = ["unclosed array", "unclosed inline", "multi-line"].iter().any(|sign| said.contains(sign));
        Self { start, end: span.end.clamp(start, end_of_text.max(start)), code, message, help, is_unclosed }
    }

    fn never_closed(text: &str, start: usize) -> Self {
        let opening = &text[start..];
        let mark = ["\"\"\"", "'''", "[", "{"].into_iter().find(|mark| opening.starts_with(mark)).unwrap_or("[");
        let message = format!("this `{mark}` is never closed");
        Self { start, end: start + mark.len(), code: "syntax", message, help: None, is_unclosed: true }
    }

    fn report(&self, review: &Review<'_>, file: usize, source: &SourceText, spoilt: Range<usize>) {
        let span = Span { file, start: self.start, end: self.end };
        let at = At { span, key: key_at(&source.text, source.line_range(self.start)) };
        review.error_with(&at, self.code, self.message.clone(), self.help.map(str::to_owned));
        let line = source.line_range(self.start);
        let silent = Span { file, start: line.start, end: line.end.max(spoilt.end) };
        review.mark_broken(Broken { silent, hides: Span { file, start: spoilt.start, end: spoilt.end } });
    }

    /// The lines that cannot be read: those of a value that is never closed, those below a broken header, else one.
    fn spoilt(&self, text: &str) -> Range<usize> {
        let start = text[..self.start].rfind('\n').map_or(0, |at| at + 1);
        let is_header = !self.is_unclosed && begins_header(&text[start..]);
        let goes_on = |line: &str| match (self.is_unclosed, is_header) {
            (true, _) => !begins_header(line) && !begins_key(line),
            (false, true) => !begins_header(line),
            (false, false) => false,
        };
        let lines = text[start..].split_inclusive('\n').enumerate();
        let spoilt = lines.take_while(|(number, line)| *number == 0 || goes_on(line));
        start..start + spoilt.map(|(_, line)| line.len()).sum::<usize>()
    }
}

fn begins_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

fn begins_key(line: &str) -> bool {
    !leading_key(line).is_empty() && line.trim_start()[leading_key(line).len()..].trim_start().starts_with('=')
}

/// The bare or dotted key that a line begins with.
fn leading_key(line: &str) -> &str {
    let line = line.trim_start();
    let length =
        line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(line.len());
    &line[..length]
}

/// The dotted key of a line, from its own beginning and the headers above it: the tree of a broken file lacks it.
fn key_at(text: &str, line: Range<usize>) -> String {
    let (mut table, mut lists) = (String::new(), std::collections::HashMap::<&str, usize>::new());
    let own = &text[line.clone()];
    for above in text[..line.end].lines().filter(|line| begins_header(line)) {
        let header = above.trim_start();
        let name = header.trim_start_matches('[').split([']', '#']).next().unwrap_or_default().trim();
        let first = name.split('.').next().unwrap_or_default();
        if header.starts_with("[[") && first == name {
            lists.entry(first).and_modify(|count| *count += 1).or_insert(0);
        }
        table = match lists.get(first) {
            Some(place) => format!("{first}[{place}]{}", &name[first.len()..]),
            None => name.to_owned(),
        };
    }
    match leading_key(own) {
        "" => table,
        key if table.is_empty() => key.to_owned(),
        key => format!("{table}.{key}"),
    }
}

/// The parser's words for the usual slips, said so that one knows what to do. Never shows the value: it may be secret.
fn in_our_words(said: &str, part: &str) -> (&'static str, String, Option<&'static str>) {
    if said.starts_with("duplicate key") {
        let help = match part.trim() {
            "rule" => "rules are written with double brackets: `[[rule]]`",
            _ => "a key or table may be written once",
        };
        return ("duplicate-key", format!("`{}` is there twice", part.trim()), Some(help));
    }
    let (message, help) = if said.starts_with("string values must be quoted") || said.starts_with("invalid boolean") {
        ("a value is missing here, or it is a text without quotes", Some("write texts, durations and sizes as `\"…\"`"))
    } else if said.starts_with("invalid basic string, expected `\"`") {
        ("this text is not closed with `\"` before the line ends", None)
    } else if said.starts_with("invalid literal string, expected") {
        ("this text is not closed with `'` before the line ends", None)
    } else if said.starts_with("missing escaped value") {
        ("an unknown escape behind `\\`", Some("write `\\\\` for a backslash, or put the text in single quotes"))
    } else if said.starts_with("key with no value") {
        ("`=` and a value are missing behind this key", None)
    } else if said.starts_with("unclosed table") {
        ("this table header is not closed with `]`", None)
    } else {
        return ("syntax", format!("not TOML: {said}"), None);
    };
    ("syntax", message.into(), help)
}

/// Where the first bracket or multi-line text begins that the file never closes. Strings and comments are skipped,
/// headers are not brackets.
fn first_unclosed(text: &str) -> Option<usize> {
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    let mut line_is_new = true;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        let step = match character {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '[' if line_is_new && open.is_empty() => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => string_length(rest, character).unwrap_or(usize::MAX),
            _ => character.len_utf8(),
        };
        if step == usize::MAX {
            return open.first().copied().or(Some(at));
        }
        match character {
            '[' | '{' if step == 1 => open.push(at),
            ']' | '}' => drop(open.pop()),
            _ => {}
        }
        line_is_new = character == '\n' || (line_is_new && character.is_whitespace());
        at += step;
    }
    open.first().copied()
}

/// Bytes of the string that `text` begins with; `None` where a multi-line one is never closed. A plain one ends with
/// its line at the latest.
fn string_length(text: &str, quote: char) -> Option<usize> {
    let triple = String::from_iter([quote; 3]);
    let (opening, closing) = match text.starts_with(&triple) {
        true => (3, triple.as_str()),
        false => (1, &triple[..1]),
    };
    let mut at = opening;
    while let Some(character) = text[at..].chars().next() {
        match character {
            '\\' if quote == '"' => {
                let escaped = text[at + 1..].chars().next().filter(|escaped| *escaped != '\n');
                at += 1 + escaped.map_or(0, char::len_utf8);
            }
            '\n' if opening == 1 => return Some(at),
            _ if text[at..].starts_with(closing) => return Some(at + closing.len()),
            _ => at += character.len_utf8(),
        }
    }
    if opening == 1 { Some(text.len()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_opening_without_an_end_is_found() {
        let check = |text: &str, expected: Option<usize>| assert_eq!(first_unclosed(text), expected, "{text}");
        check("a = [1, 2]\n[b]\nc = { d = 1 }", None);
        check("a = [1,\n2\n[c]\nd = 1", Some(4));
        check("a = \"[\"\nb = { c = 1\n", Some(12));
        check("a = \"\"\"x\ny", Some(4));
        check("a = '''x[\n'''\n# [\nb = 'it[", None);
        check("a = [\"x\\\"]\", [2]\n", Some(4));
        check("a = \"\\", None);
    }
}
