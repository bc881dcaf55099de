//! Reads one file's TOML. A file that is broken is read as far as it goes, so that its other problems are told, too.

use toml::de::DeTable;

use super::raw::{self, Table};
use super::review::{At, Broken, Review};
use super::text::{SourceText, Span};

/// Most syntax errors told of one file.
const ERRORS_MAX: usize = 50;

/// The tree of `file`, and everything that is no TOML told.
pub(super) fn parse(review: &Review<'_>, file: usize) -> Table {
    let source = review.text(file);
    let (parsed, errors) = DeTable::parse_recoverable(&source.text);
    let tree = raw::tree(review, file, parsed.get_ref());
    let mut errors: Vec<SyntaxError> = errors.iter().map(|error| SyntaxError::new(&source, error)).collect();
    errors.sort_by_key(|error| error.start);
    if errors.iter().any(|error| error.is_unclosed)
        && let Some(opening) = first_unclosed(&source.text)
    {
        errors.retain(|error| error.start < opening);
        errors.push(SyntaxError::never_closed(&source, opening));
    }
    errors.dedup_by_key(|error| source.line_range(error.start).start);
    for error in errors.iter().take(ERRORS_MAX) {
        error.report(review, file, &source, &tree);
    }
    tree
}

struct SyntaxError {
    start: usize,
    end: usize,
    code: &'static str,
    message: String,
    help: Option<String>,
    is_unclosed: bool,
    is_header: bool,
}

impl SyntaxError {
    fn new(source: &SourceText, error: &toml::de::Error) -> Self {
        let said = error.message();
        let span = error.span().unwrap_or(0..0);
        let end_of_text = source.text.trim_end().len();
        let start = span.start.min(end_of_text);
        let part = source.text.get(span.clone()).unwrap_or_default();
        let (code, message, help) = in_our_words(said, part);
        Self {
            start,
            end: span.end.clamp(start, end_of_text.max(start)),
            code,
            message,
            help: help.map(Into::into),
            is_unclosed: ["unclosed array", "unclosed inline", "multi-line"].iter().any(|sign| said.contains(sign)),
            is_header: said.contains("unclosed table") || said.contains("missing table"),
        }
    }

    fn never_closed(source: &SourceText, start: usize) -> Self {
        let opening = &source.text[start..];
        let mark = ["\"\"\"", "'''", "[", "{"].into_iter().find(|mark| opening.starts_with(mark)).unwrap_or("[");
        Self {
            start,
            end: start + mark.len(),
            code: "syntax",
            message: format!("this `{mark}` is never closed"),
            help: Some("what follows in this file was not understood".into()),
            is_unclosed: true,
            is_header: false,
        }
    }

    fn report(&self, review: &Review<'_>, file: usize, source: &SourceText, tree: &Table) {
        let at = At {
            span: Span { file, start: self.start, end: self.end },
            key: raw::key_before(tree, self.start),
        };
        review.error_with(&at, self.code, self.message.clone(), self.help.clone());
        if self.code == "syntax" {
            review.mark_broken(self.broken(file, source));
        }
    }

    /// A value that is never closed spoils the rest of the file, a header its table, anything else the line and
    /// perhaps the next.
    fn broken(&self, file: usize, source: &SourceText) -> Broken {
        let line = source.line_range(self.start);
        let length = source.text.len();
        let end = match (self.is_unclosed, self.is_header) {
            (true, _) => length,
            (false, true) => source.text[line.end..].find("\n[").map_or(length, |next| line.end + next),
            (false, false) => source.line_range((line.end + 2).min(length)).end.max(line.end),
        };
        let silent_end = if self.is_unclosed { length } else { line.end };
        Broken {
            silent: Span { file, start: line.start, end: silent_end },
            hides: Span { file, start: line.start, end },
        }
    }
}

/// The parser's words for the usual slips, said so that one knows what to do. Never shows the value: it may be secret.
fn in_our_words(said: &str, part: &str) -> (&'static str, String, Option<&'static str>) {
    if said.starts_with("duplicate key") {
        return ("duplicate-key", format!("`{}` is there twice", part.trim()), Some("a key or table may be written once"));
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
