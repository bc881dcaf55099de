//! `[[rule]]`.

use std::collections::HashMap;

use super::destination::{destination, template};
use super::known::Known;
use super::tell_bad_name;
use super::via::via;
use crate::config::item::Item;
use crate::config::reader::{Section, shown};
use crate::config::review::At;
use crate::config::text::Span;
use crate::config::{DestinationConfig, OnError, RuleConfig, ViaConfig};
use crate::message::Qos;
use crate::router::pattern::{Pattern, PatternError};

/// A rule that could be read, and what is asked about it later.
pub(super) struct Checked {
    pub(super) config: RuleConfig,
    pub(super) enabled: bool,
    /// Where each filter of `from` stands.
    pub(super) from_at: Vec<At>,
}

/// Where each rule's name was seen first.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Span>);

/// One rule, with everything wrong about it told; `None` where too little of it is left.
pub(super) fn rule(section: &Section<'_, '_>, known: &Known<'_>, names: &mut Names) -> Option<Checked> {
    let name = section.item("name").and_then(|item| name(&item, names));
    let source = known.source(section);
    let from = from(section);
    let (patterns, from_at): (Vec<_>, Vec<_>) = from.into_iter().unzip();
    let via = stages(section, known);
    let to = destinations(section, known, &patterns);
    let order = section.item("order").and_then(|item| template(&item, &patterns));
    let qos = u8::try_from(section.whole("qos")).ok().and_then(Qos::from_level);
    let on_error = on_error(section.choice("on_error"));
    let enabled = section.boolean("enabled");
    let config = RuleConfig { name: name?, source: source?, from: patterns, qos: qos?, via, order, to, on_error };
    Some(Checked { config, enabled, from_at })
}

fn name(item: &Item<'_, '_>, names: &mut Names) -> Option<String> {
    let name = item.text()?;
    tell_bad_name(item.review, &item.at(), name);
    let first = *names.0.entry(name.to_owned()).or_insert(item.node.span);
    if first != item.node.span {
        let message = format!("another rule is called `{}` already", shown(name));
        item.error("duplicate-rule", message, format!("the first is at {}", item.review.pointer(first)));
    }
    Some(name.into())
}

fn on_error(name: &str) -> OnError {
    match name {
        "hold" => OnError::Hold,
        "drop" => OnError::Drop,
        _ => OnError::DeadLetter,
    }
}

fn from(section: &Section<'_, '_>) -> Vec<(Pattern, At)> {
    let Some(item) = section.item("from") else { return Vec::new() };
    let Some(entries) = item.list() else { return Vec::new() };
    if entries.is_empty() {
        item.error("empty-value", format!("`{}` names no filter, so the rule never matches", item.path), None);
    }
    let mut found: Vec<(Pattern, At)> = Vec::new();
    for entry in &entries {
        let Some(pattern) = pattern(entry) else { continue };
        if found.iter().any(|(known, _)| known.filter() == pattern.filter()) {
            let message =
                format!("`{}` matches the same topics as an earlier filter of this rule", shown(pattern.as_str()));
            entry.review.warn(
                &entry.at(),
                "duplicate-filter",
                message,
                "the first filter that matches counts; take this out",
            );
        }
        found.push((pattern, entry.at()));
    }
    found
}

fn pattern(item: &Item<'_, '_>) -> Option<Pattern> {
    let text = item.text()?;
    let error = match Pattern::parse(text) {
        Ok(pattern) => return Some(pattern),
        Err(error) => error,
    };
    match error {
        PatternError::Filter(error) => {
            item.error("bad-filter", format!("`{}` is no MQTT filter: {error}", shown(text)), None);
        }
        PatternError::CaptureNotAlone { .. }
        | PatternError::BadCaptureName { .. }
        | PatternError::ReservedName { .. }
        | PatternError::CaptureTwice { .. }
        | PatternError::RestNotLast { .. } => {
            let help = "`{name}` stands for one level, `{name...}` at the end for all that follow".to_owned();
            item.error("bad-capture", shown(&error.to_string()), help);
        }
    }
    None
}

fn stages(section: &Section<'_, '_>, known: &Known<'_>) -> Vec<ViaConfig> {
    let entries = section.item("via").and_then(|item| item.list()).unwrap_or_default();
    entries.iter().filter_map(|item| via(item, known)).collect()
}

fn destinations(section: &Section<'_, '_>, known: &Known<'_>, patterns: &[Pattern]) -> Vec<DestinationConfig> {
    let Some(item) = section.item("to") else { return Vec::new() };
    let entries = item.one_or_many().unwrap_or_default();
    if entries.is_empty() {
        item.error("empty-value", format!("`{}` names no destination", item.path), None);
    }
    entries.iter().filter_map(|entry| destination(&entry.section()?, known, patterns)).collect()
}
