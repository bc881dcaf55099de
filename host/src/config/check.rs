//! Makes a `Config` of the tree, or tells why that cannot be. The defaults come from `settings`, and only here.

mod address;
mod admin;
mod cluster;
mod collisions;
mod destination;
mod grants;
pub(super) mod json;
mod known;
mod lookup;
mod overlaps;
mod plugins;
mod properties;
mod rule;
mod secret;
mod source;
mod tls;
mod via;

pub(super) use plugins::default_limits;

use super::item::Item;
use super::raw::{Node, Table, Value};
use super::reader::Section;
use super::review::{At, Review};
use super::settings::ROOT;
use super::text::Span;
use super::{ClusterConfig, Config, DeadLetterConfig, OnError, RuleConfig, ShutdownConfig, SourceConfig};
use crate::topic::check_kafka_topic;
use known::Known;

/// The settings of all files together. Only to be used where nothing is told as an error.
pub(super) fn config(review: &Review<'_>, root: &Table) -> Option<Config> {
    let root = Section::of(review, root, &ROOT, String::new(), Span::default());
    let known = Known::gather(&root);
    root.item("rules").and_then(|rules| rules.filled_text());
    let sources = sources(&root);
    let clusters = clusters(&root);
    let rules = rules(&root, &known);
    overlaps::warn_of_overlaps(&root, &sources, &rules);
    known.tell_folder(&root, &rules);
    let rules: Vec<RuleConfig> = rules.into_iter().filter(|rule| rule.enabled).map(|rule| rule.config).collect();
    Some(Config {
        dead_letter: dead_letter(&root, &known, &rules),
        plugins: plugins::plugins(&root, &known),
        lookups: lookup::lookups(&root),
        admin: admin::admin(&root),
        shutdown: shutdown(&root),
        watched: Vec::new(),
        sources,
        clusters,
        rules,
    })
}

fn sources(root: &Section<'_, '_>) -> Vec<SourceConfig> {
    let named = root.item("mqtt").map(|item| item.named()).unwrap_or_default();
    tell_none(root, "mqtt", "no-source", "nothing to read from: there is no `[mqtt.NAME]`");
    let sources: Vec<_> = named.iter().map(|(name, section)| source::source(name, section)).collect();
    source::tell_shared_client_ids(&named, &sources);
    sources
}

fn clusters(root: &Section<'_, '_>) -> Vec<ClusterConfig> {
    let named = root.item("kafka").map(|item| item.named()).unwrap_or_default();
    tell_none(root, "kafka", "no-cluster", "nowhere to write to: there is no `[kafka.NAME]`");
    named.iter().map(|(name, section)| cluster::cluster(name, section)).collect()
}

fn tell_none(root: &Section<'_, '_>, key: &'static str, code: &'static str, message: &str) {
    let has_any = match root.item(key).map(|item| &item.node.value) {
        Some(Value::Table(table)) => !table.entries.is_empty(),
        Some(_) => true,
        None => false,
    };
    if !has_any && !root.is_misspelt(key) && !root.review.may_be_hidden(key) {
        root.review.error_with(&root.at_key(key), code, message, format!("add a table `[{key}.main]`"));
    }
}

fn rules(root: &Section<'_, '_>, known: &Known<'_>) -> Vec<rule::Checked> {
    let Some(item) = root.item("rule") else {
        if root.item("rules").is_none() && !root.is_misspelt("rule") && !root.review.is_broken() {
            let help = "write `[[rule]]` here, or name a folder of rule files with `rules`";
            root.review.warn(&root.at_key("rule"), "no-rule", "there is no rule, so no message goes anywhere", help);
        }
        return Vec::new();
    };
    let mut names = rule::Names::default();
    let tables = item.list().unwrap_or_default().into_iter();
    tables.filter_map(|item| rule::rule(&item.section()?, known, &mut names)).collect()
}

/// Without the table: `tidegate.dead-letter` on the only cluster.
fn dead_letter(root: &Section<'_, '_>, known: &Known<'_>, rules: &[RuleConfig]) -> Option<DeadLetterConfig> {
    let Some(section) = root.section("dead_letter") else {
        let wanted = rules.iter().any(|rule| rule.on_error == OnError::DeadLetter);
        return match known.clusters.len() {
            1 => Some(DeadLetterConfig { cluster: 0, topic: "tidegate.dead-letter".into() }),
            0 => None,
            _ => {
                if wanted && !root.review.may_be_hidden("dead_letter") {
                    tell_no_dead_letter(root, known);
                }
                None
            }
        };
    };
    let topic = section.item("topic");
    let name = topic.as_ref().and_then(Item::text).unwrap_or_else(|| section.default("topic"));
    if let (Some(topic), Err(error)) = (&topic, check_kafka_topic(name)) {
        let message = format!("`{}` is no Kafka topic: {error}", super::reader::shown(name));
        topic.error("bad-kafka-topic", message, "the dead-letter topic is taken as it is written".to_owned());
    }
    Some(DeadLetterConfig { cluster: known.cluster(&section)?, topic: name.into() })
}

fn tell_no_dead_letter(root: &Section<'_, '_>, known: &Known<'_>) {
    let message = "there are several clusters and no `[dead_letter]`, so it is open where failing messages go";
    let help =
        format!("add `[dead_letter]` with `kafka = \"{}\"`, or give every rule another `on_error`", known.clusters[0]);
    root.review.error_with(&root.at_key("dead_letter"), "no-dead-letter", message, help);
}

fn shutdown(root: &Section<'_, '_>) -> ShutdownConfig {
    let empty = Table::default();
    let section = section_or_empty(root, "shutdown", &empty);
    ShutdownConfig { drain: section.duration("drain") }
}

/// The section below `name`; where there is none, one that has all the defaults.
fn section_or_empty<'r, 'a>(root: &Section<'r, 'a>, name: &'static str, empty: &'r Table) -> Section<'r, 'a> {
    root.section(name).unwrap_or_else(|| root.empty_section(name, empty))
}

/// Whether this node is a table.
fn is_table(node: &Node) -> bool {
    matches!(node.value, Value::Table(_))
}

/// Whether a name of the user's choice can stand in labels, logs and files.
fn tell_bad_name(review: &Review<'_>, at: &At, name: &str) {
    const NAME_CHARS_MAX: usize = 200;
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let message = format!("a name has 1 to {NAME_CHARS_MAX} characters and no control characters");
        review.error(at, "bad-name", message);
    }
}
