//! The TOML as it stands: a tree of values, each with its place, `${NAME}` filled in.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::interpolate;
use super::review::{At, Review};
use super::text::Span;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// `None`: too large for any use.
    Whole(Option<i64>),
    Fraction(f64),
    Boolean(bool),
    Time(String),
    List(Vec<Node>),
    Table(Table),
    /// Something is wrong with it that has been told already.
    Broken,
}

/// The keys of a table; a file's root is one, too.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key_span: Span,
    pub(super) node: Node,
}

impl Value {
    /// What it is, in the words of a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) => "a whole number",
            Self::Fraction(_) => "a number with a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Time(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Broken => "something broken",
        }
    }
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[name]` or `[[name]]`.
    Header,
    /// `{ … }`.
    Inline,
    /// Only implied by a longer key.
    Implied,
}

/// How the table of this span is written.
pub(super) fn form(review: &Review<'_>, span: Span) -> Form {
    match review.text(span.file).text.as_bytes().get(span.start) {
        Some(b'[') => Form::Header,
        Some(b'{') => Form::Inline,
        Some(_) | None => Form::Implied,
    }
}

/// The tree of one parsed file; variables that cannot be filled in are told.
pub(super) fn tree(review: &Review<'_>, file: usize, parsed: &DeTable<'_>) -> Table {
    Planter { review, file }.table(parsed, "")
}

struct Planter<'r, 'a> {
    review: &'r Review<'a>,
    file: usize,
}

impl Planter<'_, '_> {
    fn table(&self, parsed: &DeTable<'_>, path: &str) -> Table {
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let node = self.node(value, &child_path(path, name));
            (name.to_string(), Entry { key_span: self.span(key.span()), node })
        };
        Table { entries: parsed.iter().map(entry).collect() }
    }

    fn node(&self, parsed: &toml::Spanned<DeValue<'_>>, path: &str) -> Node {
        let span = self.span(parsed.span());
        let value = match parsed.get_ref() {
            DeValue::String(text) => self.text(text, span, path),
            DeValue::Integer(number) => Value::Whole(i64::from_str_radix(number.as_str(), number.radix()).ok()),
            DeValue::Float(number) => number.as_str().parse().map_or(Value::Broken, Value::Fraction),
            DeValue::Boolean(yes) => Value::Boolean(*yes),
            DeValue::Datetime(time) => Value::Time(time.to_string()),
            DeValue::Array(items) => {
                let item = |(at, item)| self.node(item, &format!("{path}[{at}]"));
                Value::List(items.iter().enumerate().map(item).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table, path)),
        };
        Node { value, span }
    }

    fn text(&self, text: &str, span: Span, path: &str) -> Value {
        if self.review.is_literal() {
            return Value::Text(text.into());
        }
        match interpolate::expand(text, self.review.outside.env) {
            Ok(text) => Value::Text(text.into_owned()),
            Err(errors) => {
                let at = At { span, key: path.into() };
                for error in errors {
                    self.review.error_with(&at, "bad-variable", error.to_string(), error.help());
                }
                Value::Broken
            }
        }
    }

    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span { file: self.file, start: range.start, end: range.end }
    }
}

/// `key` behind `path`, quoted where TOML asks for it.
pub(super) fn child_path(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let key = if bare { key.to_owned() } else { format!("\"{}\"", key.escape_debug()) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
