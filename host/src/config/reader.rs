//! Takes typed values out of a table. Whatever is wrong is told and reading goes on, so that all is told at once.

use std::time::Duration;

use super::item::Item;
use super::nearest::{nearest, suggestion};
use super::raw::{Table, Value, child_path};
use super::review::{At, Review};
use super::settings::{HOMES, Kind, ROOT, Setting};
use super::text::Span;
use super::units;

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
        let Kind::Table(settings) = self.setting(name).kind else {
            unreachable!("`{name}` is a table in the settings")
        };
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
            let near = self.nearest_unknown(name);
            if near.is_some_and(|near| matches!(self.setting(near).kind, Kind::Secret)) {
                self.review.mask(entry.node.span);
            }
            let at = At { span: entry.key_span, key: child_path(&self.path, name) };
            let place =
                if self.path.is_empty() { "at the top of a file".into() } else { format!("in `{}`", self.path) };
            let message = format!("the key `{}` is not known {place}", shown(name));
            let home = if near.is_none() { home_of(name) } else { None };
            self.review.error_with(&at, "unknown-key", message, home.or_else(|| suggestion(name, known.clone())));
        }
    }

    fn tell_missing(&self) {
        for setting in self.settings.iter().filter(|setting| setting.required) {
            let there = self.table.entries.contains_key(setting.name) || self.is_misspelt(setting.name);
            if !there && !self.review.may_be_hidden(setting.name) {
                let message = format!("`{}` is missing in `{}`", setting.name, self.path);
                self.review.error_with(&self.at_key(setting.name), "missing-key", message, setting.about.to_owned());
            }
        }
    }

    /// Whether `name` is there under a misspelt name, which has been told as unknown.
    pub(super) fn is_misspelt(&self, name: &str) -> bool {
        self.table.entries.keys().any(|given| self.nearest_unknown(given) == Some(name))
    }
}

/// Where a key is known that stands in the wrong table.
fn home_of(name: &str) -> Option<String> {
    if ROOT.iter().any(|setting| setting.name == name) {
        return Some(format!("`{name}` belongs at the top of a file, before the first table"));
    }
    let knows = |(_, settings): &&(&str, &[Setting])| settings.iter().any(|setting| setting.name == name);
    HOMES.iter().find(knows).map(|(table, _)| format!("`{name}` belongs in {table}"))
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
