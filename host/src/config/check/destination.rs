//! One entry of a rule's `to`: its templates, against the captures of the rule.

use super::collisions;
use super::known::Known;
use crate::config::DestinationConfig;
use crate::config::item::Item;
use crate::config::nearest::suggestion;
use crate::config::reader::{Section, shown};
use crate::router::pattern::Pattern;
use crate::router::template::{Part, Template, TemplateError, kafka_topic_text};
use crate::topic::{KAFKA_TOPIC_CHARS_MAX, check_kafka_topic};

/// The destination, with everything wrong about it told.
pub(super) fn destination(
    section: &Section<'_, '_>,
    known: &Known<'_>,
    patterns: &[Pattern],
) -> Option<DestinationConfig> {
    let cluster = known.cluster(section);
    let topic = section.item("topic").and_then(|item| {
        let template = template(&item, patterns)?;
        tell_impossible_topic(&item, &template);
        collisions::warn_of_collisions(&item, &template, patterns);
        Some(template)
    });
    let key = section.item("key").and_then(|item| template(&item, patterns));
    let headers = headers(section, patterns);
    Some(DestinationConfig { cluster: cluster?, topic: topic?, key, headers })
}

fn headers(section: &Section<'_, '_>, patterns: &[Pattern]) -> Vec<(String, Template)> {
    let Some(item) = section.item("headers") else { return Vec::new() };
    let Some(table) = item.table() else { return Vec::new() };
    let header = |(name, item): (&str, Item<'_, '_>)| {
        if name.is_empty() {
            item.error("empty-value", "a header needs a name", None);
        }
        template(&item, patterns).map(|template| (name.to_owned(), template))
    };
    item.children(table).filter_map(header).collect()
}

/// A template of the rule with these patterns.
pub(super) fn template(item: &Item<'_, '_>, patterns: &[Pattern]) -> Option<Template> {
    let text = item.text()?;
    match Template::parse(text) {
        Ok(template) => {
            tell_captures(item, &template, patterns);
            Some(template)
        }
        Err(error) => {
            item.error("bad-template", format!("`{}`: {}", item.path, shown(&error.to_string())), help(&error));
            None
        }
    }
}

fn help(error: &TemplateError) -> Option<String> {
    match error {
        TemplateError::BadName { name } => {
            let plain = name.strip_suffix("...")?;
            Some(format!("in a template it is `{{{}}}`; the dots belong in the filter alone", shown(plain)))
        }
        TemplateError::LoneBrace { .. } => None,
    }
}

/// A template may use only captures that every filter of its rule has. Filters that are broken have been told.
fn tell_captures(item: &Item<'_, '_>, template: &Template, patterns: &[Pattern]) {
    let mut told: Vec<&str> = Vec::new();
    for name in template.capture_names() {
        let lacking = patterns.iter().find(|pattern| !pattern.capture_names().any(|known| known == name));
        let Some(lacking) = lacking.filter(|_| !told.contains(&name)) else { continue };
        told.push(name);
        let known = patterns.iter().any(|pattern| pattern.capture_names().any(|known| known == name));
        if known {
            let message = format!("the filter `{}` has no capture `{name}`", shown(lacking.as_str()));
            let help = "a template may use only what every filter of its rule captures".to_owned();
            item.error("unknown-capture", message, help);
        } else {
            let names = patterns.iter().flat_map(Pattern::capture_names).chain(["topic", "source", "rule"]);
            let message = format!("`{{{}}}` is no capture of this rule", shown(name));
            item.error("unknown-capture", message, suggestion(name, names));
        }
    }
}

/// A topic that Kafka would refuse for every message.
fn tell_impossible_topic(item: &Item<'_, '_>, template: &Template) {
    let texts = template.parts().iter().map(|part| match part {
        Part::Text(text) => kafka_topic_text(text),
        Part::Topic | Part::Source | Part::Rule | Part::Capture(_) => String::new(),
    });
    let fixed: String = texts.collect();
    let is_fixed = template.parts().iter().all(|part| matches!(part, Part::Text(_)));
    let trouble = match is_fixed {
        true => check_kafka_topic(&fixed).err().map(|error| error.to_string()),
        false => (fixed.len() > KAFKA_TOPIC_CHARS_MAX).then(|| "it is longer than 249 characters".into()),
    };
    if let Some(trouble) = trouble {
        item.error("bad-kafka-topic", format!("`{}` can be no Kafka topic: {trouble}", item.path), None);
    }
}
