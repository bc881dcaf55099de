//! `[kafka.NAME]`.

use super::address::check_broker;
use super::properties::properties;
use super::secret::secret;
use super::tell_bad_name;
use super::tls::tls;
use crate::config::item::Item;
use crate::config::raw::Value;
use crate::config::reader::Section;
use crate::config::{ClusterConfig, Compression, OnTopicRefused, Sasl, SaslMechanism, Secret, TlsConfig};

/// One cluster, with everything wrong about it told.
pub(super) fn cluster(name: &str, section: &Section<'_, '_>) -> ClusterConfig {
    tell_bad_name(section.review, &section.at(), name);
    let tls = tls_of(section);
    let sasl = sasl(section, tls.is_some());
    ClusterConfig {
        name: name.into(),
        brokers: brokers(section),
        linger: section.duration("linger"),
        compression: compression(section.choice("compression")),
        tls,
        sasl,
        properties: section.item("properties").map(|item| properties(&item)).unwrap_or_default(),
        on_topic_refused: match section.choice("on_topic_refused") {
            "dead-letter" => OnTopicRefused::DeadLetter,
            _ => OnTopicRefused::Hold,
        },
        topics_max: u32::try_from(section.whole("topics_max")).unwrap_or(u32::MAX),
        queue_bytes: section.size("queue"),
    }
}

fn compression(name: &str) -> Compression {
    match name {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::None,
    }
}

fn brokers(section: &Section<'_, '_>) -> Vec<String> {
    let Some(item) = section.item("brokers") else { return Vec::new() };
    let Some(entries) = item.list() else { return Vec::new() };
    if entries.is_empty() {
        item.error("empty-value", format!("`{}` names no broker", item.path), "write `[\"HOST:9092\"]`".to_owned());
    }
    entries.iter().filter_map(broker).collect()
}

fn broker(item: &Item<'_, '_>) -> Option<String> {
    let text = item.text()?;
    match check_broker(text) {
        Ok(()) => Some(text.into()),
        Err(error) => {
            item.error("bad-broker", format!("`{}`: {error}", item.path), error.help());
            None
        }
    }
}

fn tls_of(section: &Section<'_, '_>) -> Option<TlsConfig> {
    let item = section.item("tls")?;
    match &item.node.value {
        Value::Boolean(yes) => yes.then(TlsConfig::default),
        Value::Table(_) => item.section().map(|section| tls(&section)),
        _ => item.wrong_type("`true` or a table of files", Some("write `true`, or `{ ca = \"ca.pem\" }`")),
    }
}

fn sasl(section: &Section<'_, '_>, has_tls: bool) -> Option<Sasl> {
    let sasl = section.section("sasl")?;
    let mechanism = match sasl.item("mechanism").and_then(|item| item.choice()) {
        Some("PLAIN") => SaslMechanism::Plain,
        Some("SCRAM-SHA-256") => SaslMechanism::ScramSha256,
        Some(_) | None => SaslMechanism::ScramSha512,
    };
    if mechanism == SaslMechanism::Plain && !has_tls {
        let message = "with PLAIN and without `tls` the password crosses the network as it is";
        let help = "set `tls = true`, or use a SCRAM mechanism";
        section.review.warn(&sasl.at(), "password-in-clear", message, help);
    }
    let username = sasl.text("username").unwrap_or_default().into();
    let password = secret(&sasl, "password").unwrap_or_else(|| Secret::new(String::new()));
    Some(Sasl { mechanism, username, password })
}
