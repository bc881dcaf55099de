//! One value of the configuration, taken as what the settings say it is.

use std::time::Duration;

use super::nearest::nearest;
use super::raw::{Form, Node, Table, Value, child_path, form};
use super::reader::{Section, shown};
use super::review::{At, Review};
use super::settings::{Kind, Setting};
use super::units::{self, UnitError};

/// A value with its place, and what the settings say about it.
#[derive(Clone)]
pub(super) struct Item<'r, 'a> {
    pub(super) review: &'r Review<'a>,
    pub(super) node: &'r Node,
    pub(super) path: String,
    pub(super) kind: &'static Kind,
}

impl<'r, 'a> Item<'r, 'a> {
    pub(super) fn at(&self) -> At {
        At { span: self.node.span, key: self.path.clone() }
    }

    pub(super) fn error(&self, code: &'static str, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.review.error_with(&self.at(), code, message, help);
    }

    pub(super) fn text(&self) -> Option<&'r str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => self.wrong_type("a text in quotes", None),
        }
    }

    /// A text that says something: not empty, no control characters.
    pub(super) fn filled_text(&self) -> Option<&'r str> {
        let text = self.text()?;
        if text.is_empty() {
            self.error("empty-value", format!("`{}` is empty", self.path), None);
            return None;
        }
        if text.chars().any(char::is_control) {
            self.error("bad-value", format!("`{}` holds a control character", self.path), None);
            return None;
        }
        Some(text)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.node.value {
            Value::Boolean(yes) => Some(*yes),
            _ => self.wrong_type("`true` or `false` without quotes", None),
        }
    }

    pub(super) fn whole(&self) -> Option<i64> {
        let Kind::Whole(min, max) = *self.kind else { return None };
        let number = match &self.node.value {
            Value::Whole(number) => *number,
            _ => return self.wrong_type("a whole number without quotes", None),
        };
        match number {
            Some(number) if (min..=max).contains(&number) => Some(number),
            Some(_) | None => {
                self.error("out-of-range", format!("`{}` must be from {min} to {max}", self.path), None);
                None
            }
        }
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        let Kind::Duration(min, max) = *self.kind else { return None };
        let units = "write a whole number with `ms`, `s`, `m`, `h` or `d`, in quotes: `\"30s\"`";
        let duration = self.measured("a duration", "bad-duration", units, units::parse_duration)?;
        self.within(duration, min, max, units::show_duration)
    }

    pub(super) fn size(&self) -> Option<u64> {
        let Kind::Size(min, max) = *self.kind else { return None };
        let units = "write a whole number with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, in quotes: `\"64MiB\"`";
        let size = self.measured("a size", "bad-size", units, units::parse_size)?;
        self.within(size, min, max, units::show_size)
    }

    pub(super) fn choice(&self) -> Option<&'static str> {
        let Kind::Choice(names) = *self.kind else { return None };
        let all = names.iter().map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(", ");
        let Value::Text(text) = &self.node.value else {
            return self.wrong_type(&format!("one of {all}"), None);
        };
        let known = names.iter().find(|name| *name == text).copied();
        if known.is_none() {
            let near = nearest(text, names.iter().copied()).map(|near| format!("did you mean `\"{near}\"`? "));
            let message = format!("`{}` may not be `{}`", self.path, shown(text));
            self.error("unknown-value", message, format!("{}it is one of {all}", near.unwrap_or_default()));
        }
        known
    }

    /// The entries of a list.
    pub(super) fn list(&self) -> Option<Vec<Item<'r, 'a>>> {
        let (Kind::List(inner) | Kind::OneOrMany(inner)) = *self.kind else { return None };
        match &self.node.value {
            Value::List(nodes) => Some(self.entries(nodes, inner)),
            _ => self.wrong_type("a list", Some("put it in square brackets: `[ … ]`")),
        }
    }

    /// The entries of a list; one value alone is a list of itself.
    pub(super) fn one_or_many(&self) -> Option<Vec<Item<'r, 'a>>> {
        let Kind::OneOrMany(inner) = *self.kind else { return None };
        match &self.node.value {
            Value::List(_) => self.list(),
            _ => Some(vec![Item { kind: inner, ..self.clone() }]),
        }
    }

    /// The table with the keys that the settings know.
    pub(super) fn section(&self) -> Option<Section<'r, 'a>> {
        let settings = match self.kind {
            Kind::Table(settings) | Kind::Either(_, Kind::Table(settings)) => *settings,
            _ => return None,
        };
        let table = self.table()?;
        Some(Section::of(self.review, table, settings, self.path.clone(), self.node.span))
    }

    pub(super) fn table(&self) -> Option<&'r Table> {
        match &self.node.value {
            Value::Table(table) => Some(table),
            Value::List(items) if items.first().is_some_and(|item| form(self.review, item.span) == Form::Header) => {
                self.wrong_type("one table", Some("write its header with single brackets"))
            }
            _ => self.wrong_type("a table", None),
        }
    }

    /// The tables of a `Kind::Named` with their names.
    pub(super) fn named(&self) -> Vec<(&'r str, Section<'r, 'a>)> {
        let Kind::Named(settings) = *self.kind else { return Vec::new() };
        let Some(table) = self.table() else { return Vec::new() };
        if self.tell_unnamed(table, settings) {
            return Vec::new();
        }
        let section = |(name, item): (&'r str, Item<'r, 'a>)| {
            let table = item.table_of(&format!("a table: `[{}]`", item.path))?;
            let path = item.path.clone();
            Some((name, Section::of(self.review, table, settings, path, item.node.span)))
        };
        self.children(table).filter_map(section).collect()
    }

    /// The names of the tables of a `Kind::Named`, for references; none where the names themselves are missing.
    pub(super) fn names(&self) -> Vec<&'r str> {
        let (Kind::Named(settings), Value::Table(table)) = (self.kind, &self.node.value) else { return Vec::new() };
        if table.entries.iter().any(|(name, entry)| is_unnamed(name, &entry.node, settings)) {
            return Vec::new();
        }
        let tables = table.entries.iter().filter(|(_, entry)| matches!(entry.node.value, Value::Table(_)));
        tables.map(|(name, _)| name.as_str()).collect()
    }

    /// The entries of a table with free names.
    pub(super) fn children(&self, table: &'r Table) -> impl Iterator<Item = (&'r str, Item<'r, 'a>)> {
        table.entries.iter().map(|(name, entry)| {
            let path = child_path(&self.path, name);
            (name.as_str(), Item { review: self.review, node: &entry.node, path, kind: self.kind })
        })
    }

    /// Tells that `expected` was wanted; nothing where the value is broken, which has been told.
    pub(super) fn wrong_type<T>(&self, expected: &str, help: Option<&str>) -> Option<T> {
        if !matches!(self.node.value, Value::Broken) {
            let message = format!("`{}` must be {expected}, this is {}", self.path, self.node.value.kind());
            self.error("wrong-type", message, help.map(str::to_owned));
        }
        None
    }

    fn table_of(&self, expected: &str) -> Option<&'r Table> {
        match &self.node.value {
            Value::Table(table) => Some(table),
            _ => self.wrong_type(expected, None),
        }
    }

    /// `[mqtt]` with the keys of `[mqtt.NAME]`.
    fn tell_unnamed(&self, table: &'r Table, settings: &[Setting]) -> bool {
        let is_key = |(name, item): &(&str, Item<'_, '_>)| is_unnamed(name, item.node, settings);
        let Some((name, item)) = self.children(table).find(is_key) else { return false };
        let at = match form(self.review, self.node.span) {
            Form::Header | Form::Inline => self.at(),
            Form::Implied => item.at(),
        };
        let message = format!("`{name}` belongs in a table with a name: `[{}.NAME]`", self.path);
        let help = format!("give it a name of your choice, as `[{}.main]`; rules refer to it by that name", self.path);
        self.review.error_with(&at, "missing-name", message, help);
        true
    }

    /// Places count within their own file, so that they lead to what a person sees there.
    fn entries(&self, nodes: &'r [Node], kind: &'static Kind) -> Vec<Item<'r, 'a>> {
        let (mut file, mut place) = (usize::MAX, 0);
        let entry = |node: &'r Node| {
            place = if node.span.file == file { place + 1 } else { 0 };
            file = node.span.file;
            Item { review: self.review, node, path: format!("{}[{place}]", self.path), kind }
        };
        nodes.iter().map(entry).collect()
    }

    fn measured<T>(
        &self,
        what: &str,
        code: &'static str,
        units: &str,
        parse: fn(&str) -> Result<T, UnitError>,
    ) -> Option<T> {
        match &self.node.value {
            Value::Text(text) => match parse(text) {
                Ok(value) => Some(value),
                Err(error) => {
                    self.error(code, format!("`{}` is not {what}: {error}", shown(text)), units.to_owned());
                    None
                }
            },
            Value::Whole(_) | Value::Fraction(_) => {
                self.error(
                    "no-unit",
                    format!("`{}` must be {what} with its unit, not a bare number", self.path),
                    units.to_owned(),
                );
                None
            }
            _ => self.wrong_type(what, Some(units)),
        }
    }

    fn within<T: PartialOrd + Copy>(&self, value: T, min: T, max: T, show: fn(T) -> String) -> Option<T> {
        if (min..=max).contains(&value) {
            return Some(value);
        }
        self.error("out-of-range", format!("`{}` must be from {} to {}", self.path, show(min), show(max)), None);
        None
    }
}

/// Whether this is a key of the table itself where a name was to be.
fn is_unnamed(name: &str, node: &Node, settings: &[Setting]) -> bool {
    !matches!(node.value, Value::Table(_)) && settings.iter().any(|setting| setting.name == name)
}
