//! `[mqtt.NAME]`.

use std::fs;
use std::time::Duration;

use super::address::parse_url;
use super::secret::secret;
use super::tell_bad_name;
use super::tls::tls;
use crate::config::item::Item;
use crate::config::reader::Section;
use crate::config::review::Review;
use crate::config::{BrokerUrl, Protocol, Secret, Session, SourceConfig, TlsConfig};

/// Largest packet of MQTT: 268,435,455 bytes (MQTT 5, section 2.1.4).
const PACKET_BYTES_MAX: u64 = 268_435_455;

/// One source, with everything wrong about it told.
pub(super) fn source(name: &str, section: &Section<'_, '_>) -> SourceConfig {
    tell_bad_name(section.review, &section.at(), name);
    let protocol = if section.choice("protocol") == "3.1.1" { Protocol::V311 } else { Protocol::V5 };
    let session = if section.choice("session") == "clean" { Session::Clean } else { Session::Persistent };
    let urls = urls(section);
    tell_unused_expiry(section, protocol, session);
    SourceConfig {
        name: name.into(),
        tls: tls_files(section, &urls),
        urls,
        protocol,
        client_id: client_id(name, section),
        username: section.text("username").map(Into::into),
        password: password(section, protocol),
        session,
        session_expiry: section.duration("session_expiry"),
        window: u16::try_from(section.whole("window")).unwrap_or(u16::MAX),
        window_bytes: section.size("window_bytes"),
        keep_alive: keep_alive(section),
        connect_timeout: section.duration("connect_timeout"),
        reconnect_max: section.duration("reconnect_max"),
        packet_bytes_max: u32::try_from(section.size("packet_max").min(PACKET_BYTES_MAX)).unwrap_or(u32::MAX),
    }
}

/// Two sources with one client id at one broker would throw each other out for ever (MQTT 5, section 3.1.4).
pub(super) fn tell_shared_client_ids(named: &[(&str, Section<'_, '_>)], sources: &[SourceConfig]) {
    for (at, later) in sources.iter().enumerate() {
        let clash = |earlier: &&SourceConfig| {
            earlier.client_id == later.client_id && earlier.urls.iter().any(|url| later.urls.contains(url))
        };
        let (Some(earlier), (_, section)) = (sources[..at].iter().find(clash), &named[at]) else { continue };
        let at = section.item("client_id").map_or_else(|| section.at(), |item| item.at());
        let message = format!("`mqtt.{}` has the same client id at the same broker", earlier.name);
        let help = "a broker closes the older connection of a client id; give each its own".to_owned();
        section.review.error_with(&at, "duplicate-client-id", message, help);
    }
}

fn urls(section: &Section<'_, '_>) -> Vec<BrokerUrl> {
    let Some(item) = section.item("url") else { return Vec::new() };
    let entries = item.one_or_many().unwrap_or_default();
    if entries.is_empty() {
        item.error("empty-value", format!("`{}` names no broker", item.path), None);
    }
    entries.iter().filter_map(url).collect()
}

fn url(item: &Item<'_, '_>) -> Option<BrokerUrl> {
    let text = item.text()?;
    let parsed = parse_url(text);
    if let Err(error) = &parsed {
        item.error("bad-url", format!("`{}`: {error}", item.path), error.help());
    }
    parsed.ok()
}

fn tls_files(section: &Section<'_, '_>, urls: &[BrokerUrl]) -> TlsConfig {
    let Some(item) = section.item("tls") else { return TlsConfig::default() };
    if !super::is_table(item.node) {
        let help = "TLS is asked for with `mqtts://` in `url`; `tls` is a table of files: `{ ca = \"ca.pem\" }`";
        item.wrong_type::<()>("a table", Some(help));
        return TlsConfig::default();
    }
    if !urls.is_empty() && urls.iter().all(|url| !url.tls) {
        let message = format!("`{}` has no effect: `url` asks for plain `mqtt://`", item.path);
        item.review.warn(&item.at(), "tls-unused", message, "write `mqtts://` in `url` for TLS");
    }
    item.section().map(|section| tls(&section)).unwrap_or_default()
}

fn client_id(name: &str, section: &Section<'_, '_>) -> String {
    match section.item("client_id") {
        Some(item) => item.filled_text().unwrap_or_default().into(),
        None => format!("tidegate-{}-{name}", hostname(section.review)),
    }
}

/// The same at every start, so that the session at the broker is found again.
fn hostname(review: &Review<'_>) -> String {
    let from_file = |path| fs::read_to_string(path).ok().map(|name| name.trim().to_owned());
    let names = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().filter_map(from_file);
    let name = names.chain((review.outside.env)("HOSTNAME")).find(|name| !name.is_empty());
    name.unwrap_or_else(|| "host".into())
}

/// MQTT 3.1.1 does not allow a password without a user name (section 3.1.2.9).
fn password(section: &Section<'_, '_>, protocol: Protocol) -> Option<Secret> {
    let item = section.item("password")?;
    if protocol == Protocol::V311 && section.item("username").is_none() {
        let message = format!("`{}` needs a `username`: MQTT 3.1.1 knows no password alone", item.path);
        item.error("missing-username", message, None);
    }
    secret(section, "password")
}

fn keep_alive(section: &Section<'_, '_>) -> Duration {
    let keep_alive = section.duration("keep_alive");
    if let Some(item) = section.item("keep_alive")
        && !keep_alive.is_zero()
        && keep_alive < Duration::from_secs(1)
    {
        item.error("out-of-range", format!("`{}` must be 0s or from 1s to 65535s", item.path), None);
    }
    keep_alive
}

fn tell_unused_expiry(section: &Section<'_, '_>, protocol: Protocol, session: Session) {
    let Some(item) = section.item("session_expiry") else { return };
    let why = match (protocol, session) {
        (_, Session::Clean) => "a clean session ends with its connection",
        (Protocol::V311, Session::Persistent) => "with MQTT 3.1.1 the broker alone decides how long a session is kept",
        (Protocol::V5, Session::Persistent) => return,
    };
    item.review.warn(&item.at(), "unused-key", format!("`{}` has no effect: {why}", item.path), "leave it out");
}
