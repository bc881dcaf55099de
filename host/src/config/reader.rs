//! Takes typed values out of the tree. Whatever is wrong is told and reading goes on, so that all is told at once.

use std::time::Duration;

use super::nearest::{nearest, suggestion};
use super::raw::{Form, Node, Table, Value, child_path, form};
use super::review::{At, Review};
use super::settings::{Kind, Setting};
use super::text::Span;
use super::units::{self, UnitError};

/// A value with its place, and what the settings say about it.
#[derive(Clone)]
pub(super) struct Item<'r, 'a> {
    pub(super) review: &'r Review<'a>,
    pub(super) node: &'r Node,
    pub(super) path: String,
    pub(super) kind: &'static Kind,
}

/// A table whose keys are known.
pub(super) struct Section<'r, 'a> {
    pub(super) review: &'r Review<'a>,
    table: &'r Table,
    settings: &'static [Setting],
    path: String,
    span: Span,
}

impl<'r, 'a> Section<'r, 'a> {
    /// Tells unknown and missing keys.
    pub(super) fn of(
        review: &'r Review<'a>,
        table: &'r Table,
        settings: &'static [Setting],
        path: String,
        span: Span,
    ) -> Self {
        let section = Self { review, table, settings, path, span };
        section.tell_unknown();
        section.tell_missing();
        section
    }

    pub(super) fn at(&self) -> At {
        At { span: self.span, key: self.path.clone() }
    }

    /// Where `name` would stand, for what is missing.
    pub(super) fn at_key(&self, name: &str) -> At {
        At { span: self.span, key: child_path(&self.path, name) }
    }

    pub(super) fn item(&self, name: &'static str) -> Option<Item<'r, 'a>> {
        let setting = self.setting(name);
        let entry = self.table.entries.get(name)?;
        Some(Item { review: self.review, node: &entry.node, path: child_path(&self.path, name), kind: &setting.kind })
    }

    /// `key` of the table `name`, without telling what is wrong with that table: for a look ahead.
    pub(super) fn peek(&self, name: &'static str, key: &'static str) -> Option<Item<'r, 'a>> {
        let item = self.item(name)?;
        let (Kind::Table(settings), Value::Table(table)) = (item.kind, &item.node.value) else { return None };
        Section { review: self.review, table, settings, path: item.path, span: item.node.span }.item(key)
    }

    /// A section below `name` without any key: all defaults.
    pub(super) fn empty_section(&self, name: &'static str, empty: &'r Table) -> Section<'r, 'a> {
        let Kind::Table(settings) = self.setting(name).kind else { unreachable!("`{name}` is a table in the settings") };
        Section { review: self.review, table: empty, settings, path: name.into(), span: self.span }
    }

    /// The section below `name`, if it is there.
    pub(super) fn section(&self, name: &'static str) -> Option<Section<'r, 'a>> {
        self.item(name)?.section()
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&'r str> {
        self.item(name)?.filled_text()
    }

    pub(super) fn boolean(&self, name: &'static str) -> bool {
        self.item(name).and_then(|item| item.boolean()).unwrap_or_else(|| self.default(name) == "true")
    }

    pub(super) fn whole(&self, name: &'static str) -> i64 {
        let default = || self.default(name).parse().expect("defaults are of their kind, as a test shows");
        self.item(name).and_then(|item| item.whole()).unwrap_or_else(default)
    }

    pub(super) fn duration(&self, name: &'static str) -> Duration {
        let default = || default_duration(self.setting(name));
        self.item(name).and_then(|item| item.duration()).unwrap_or_else(default)
    }

    pub(super) fn size(&self, name: &'static str) -> u64 {
        self.item(name).and_then(|item| item.size()).unwrap_or_else(|| default_size(self.setting(name)))
    }

    /// One of the names that the settings allow, its default where it is absent or wrong.
    pub(super) fn choice(&self, name: &'static str) -> &'static str {
        self.item(name).and_then(|item| item.choice()).unwrap_or_else(|| self.default(name))
    }

    pub(super) fn default(&self, name: &'static str) -> &'static str {
        self.setting(name).default.unwrap_or_default()
    }

    fn setting(&self, name: &'static str) -> &'static Setting {
        let known = self.settings.iter().find(|setting| setting.name == name);
        known.expect("the checks ask only for keys that stand in the settings")
    }

    /// The known key that an unknown one was most likely meant to be.
    fn nearest_unknown(&self, given: &str) -> Option<&'static str> {
        let known = self.settings.iter().map(|setting| setting.name);
        if known.clone().any(|name| name == given) { None } else { nearest(given, known) }
    }

    fn tell_unknown(&self) {
        let known = self.settings.iter().map(|setting| setting.name);
        for (name, entry) in &self.table.entries {
            if known.clone().any(|known| known == name) {
                continue;
            }
            if self.nearest_unknown(name).is_some_and(|near| matches!(self.setting(near).kind, Kind::Secret)) {
                self.review.mask(entry.node.span);
            }
            let at = At { span: entry.key_span, key: child_path(&self.path, name) };
            let place = if self.path.is_empty() { "at the top of a file".into() } else { format!("in `{}`", self.path) };
            let message = format!("the key `{}` is not known {place}", shown(name));
            self.review.error_with(&at, "unknown-key", message, suggestion(name, known.clone()));
        }
    }

    /// A key that is there under a misspelt name has been told as unknown.
    fn tell_missing(&self) {
        for setting in self.settings.iter().filter(|setting| setting.required) {
            let misspelt = |given: &str| self.nearest_unknown(given) == Some(setting.name);
            let there = self.table.entries.keys().any(|name| name == setting.name || misspelt(name));
            if !there && !self.review.may_be_hidden(setting.name) {
                let message = format!("`{}` is missing in `{}`", setting.name, self.path);
                self.review.error_with(&self.at_key(setting.name), "missing-key", message, setting.about.to_owned());
            }
        }
    }
}

/// `default` of a duration.
pub(super) fn default_duration(setting: &Setting) -> Duration {
    let default = setting.default.map(units::parse_duration);
    default.and_then(Result::ok).expect("defaults are of their kind, as a test shows")
}

/// `default` of a size.
pub(super) fn default_size(setting: &Setting) -> u64 {
    setting.default.map(units::parse_size).and_then(Result::ok).expect("defaults are of their kind, as a test shows")
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
        let is_key = |(name, item): &(&str, Item<'_, '_>)| {
            !matches!(item.node.value, Value::Table(_)) && settings.iter().any(|setting| setting.name == *name)
        };
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
                self.error("no-unit", format!("`{}` must be {what} with its unit, not a bare number", self.path), units.to_owned());
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

/// A text of the user as part of a message: short, without control characters.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let clean = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    let mut short: String = clean.clone().take(CHARS_MAX).collect();
    if clean.count() > CHARS_MAX {
        short.push('…');
    }
    short
}
