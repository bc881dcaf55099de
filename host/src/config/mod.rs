//! The checked settings. `raw` holds exactly the TOML, `check` makes a `Config` of it or tells all `Problem`s.
//! `settings` is the one table of keys that the reader, the defaults and the JSON Schema are made from.
//!
//! Invariant: a `Config` is complete; no later code knows a default.

pub mod cases;
mod check;
mod files;
mod grants;
mod interpolate;
mod item;
mod load;
mod merge;
mod nearest;
mod raw;
mod reader;
pub mod report;
mod review;
pub mod schema;
mod settings;
mod syntax;
mod text;
mod units;

#[cfg(test)]
mod broken_configurations;
#[cfg(test)]
mod several_files;
#[cfg(test)]
mod sturdiness;

pub use grants::{Grant, Grants, LookupGrant, PublishGrant};
pub use load::{LoadError, Loaded, Outside, load};
pub use units::{UnitError, parse_duration};

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::message::Qos;
use crate::router::pattern::Pattern;
use crate::router::template::Template;

/// Everything that `run` needs, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// By name order; the place is the `SourceNo`.
    pub sources: Vec<SourceConfig>,
    /// By name order; the place is the `ClusterNo`.
    pub clusters: Vec<ClusterConfig>,
    /// In file order; disabled ones are left out.
    pub rules: Vec<RuleConfig>,
    pub dead_letter: Option<DeadLetterConfig>,
    pub plugins: PluginsConfig,
    /// In name order.
    pub lookups: Vec<LookupConfig>,
    pub admin: AdminConfig,
    pub shutdown: ShutdownConfig,
    /// Every file and folder that was read, and those whose change means a reload.
    pub watched: Vec<PathBuf>,
}

/// `[mqtt.<name>]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    pub name: String,
    /// In failover order; at least one.
    pub urls: Vec<BrokerUrl>,
    pub protocol: Protocol,
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub session: Session,
    pub session_expiry: Duration,
    /// Most QoS 1 and 2 messages in flight: the Receive Maximum, 1 to 65,535.
    pub window: u16,
    pub window_bytes: u64,
    pub keep_alive: Duration,
    /// For TCP, TLS, CONNECT and CONNACK together.
    pub connect_timeout: Duration,
    /// Longest wait between two tries to connect.
    pub reconnect_max: Duration,
    /// Largest MQTT packet taken; a larger one is a protocol error of the broker.
    pub packet_bytes_max: u32,
    pub tls: TlsConfig,
}

/// One broker address of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    pub tls: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// The version of MQTT that a source speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    V311,
    V5,
}

/// What the broker keeps for a source while it is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    Persistent,
    Clean,
}

/// The files of a TLS connection, read anew at each connect; all absent means the system's roots and no client
/// certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// A secret's value. Never printed: `Debug` shows stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the client that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `[kafka.<name>]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterConfig {
    pub name: String,
    /// `host:port` each; at least one.
    pub brokers: Vec<String>,
    pub linger: Duration,
    pub compression: Compression,
    /// `None`: plain TCP.
    pub tls: Option<TlsConfig>,
    pub sasl: Option<Sasl>,
    /// librdkafka properties that the user set, checked against the refused ones.
    pub properties: BTreeMap<String, String>,
    /// What a record does whose topic is missing or may not be written.
    pub on_topic_refused: OnTopicRefused,
    /// Most different topics; each costs a handle.
    pub topics_max: u32,
    /// Most bytes that wait inside the producer before the sink says stop.
    pub queue_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// What a record does whose topic is missing or may not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTopicRefused {
    /// Wait, with an alarm, until the topic is there.
    Hold,
    DeadLetter,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sasl {
    pub mechanism: SaslMechanism,
    pub username: String,
    pub password: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// `[[rule]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleConfig {
    pub name: String,
    /// Place in `Config::sources`.
    pub source: usize,
    /// At least one.
    pub from: Vec<Pattern>,
    pub qos: Qos,
    pub via: Vec<ViaConfig>,
    /// What is kept in order; `None`: as the plugins say.
    pub order: Option<Template>,
    /// At least one.
    pub to: Vec<DestinationConfig>,
    pub on_error: OnError,
}

/// One entry of `via`. Equal where it asks for the same, wherever it stands: a rule that moved a line is no other rule.
#[derive(Clone, Debug)]
pub struct ViaConfig {
    pub plugin: String,
    /// The `config` table as JSON text; empty where there is none.
    pub config: String,
    pub grants: Grants,
    /// Where this entry stands, for problems found later (a plugin that will not load).
    pub place: Place,
}

impl PartialEq for ViaConfig {
    fn eq(&self, other: &Self) -> bool {
        (&self.plugin, &self.config, &self.grants) == (&other.plugin, &other.config, &other.grants)
    }
}

/// One entry of `to`.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationConfig {
    /// Place in `Config::clusters`.
    pub cluster: usize,
    pub topic: Template,
    /// `None`: the MQTT topic.
    pub key: Option<Template>,
    /// In name order.
    pub headers: Vec<(String, Template)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    DeadLetter,
    Hold,
    Drop,
}

/// `[dead_letter]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// Place in `Config::clusters`.
    pub cluster: usize,
    pub topic: String,
}

/// `[plugins]` and `[plugin.<name>]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginsConfig {
    pub folder: Option<PathBuf>,
    pub limits: PluginLimits,
    pub each: BTreeMap<String, PluginConfig>,
    /// Threads that run plugins.
    pub lanes: usize,
}

/// What one plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PluginLimits {
    pub memory_bytes: u64,
    pub call: Duration,
    pub init: Duration,
    pub output_bytes: u64,
    pub file_bytes: u64,
    pub log_lines_per_s: u32,
    /// Most records of one call.
    pub records_max: u32,
    pub compile: Duration,
    /// An instance with more memory than this is replaced between two calls.
    pub recycle_bytes: u64,
    /// Failures in a row after which the plugin rests.
    pub failures_max: u32,
    /// Longest rest.
    pub rest_max: Duration,
    pub state: StateLimits,
    /// Most different names of the plugin's own figures in one rule.
    pub metrics_max: u32,
}

/// What a plugin may keep in one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateLimits {
    pub keys_max: u64,
    pub key_bytes_max: u64,
    pub value_bytes_max: u64,
    /// Of all keys and values together.
    pub bytes_max: u64,
}

/// `[lookup.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupConfig {
    pub name: String,
    pub file: PathBuf,
    /// `None`: the first column.
    pub key: Option<String>,
    pub rows_max: usize,
    pub file_bytes_max: u64,
    /// Where it stands, for problems with the file.
    pub place: Place,
}

impl PluginLimits {
    /// The defaults of the settings.
    #[must_use]
    pub fn recommended() -> Self {
        check::default_limits()
    }
}

/// `[plugin.<name>]`, with the limits that apply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    pub trusted: bool,
    pub sha256: Option<String>,
    pub limits: PluginLimits,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminConfig {
    /// `None`: no admin interface.
    pub listen: Option<SocketAddr>,
    pub token: Option<Secret>,
}

/// `[shutdown]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    pub drain: Duration,
}

/// Where in the configuration something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// As given with `-c`, joined with `/` to what is inside it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Dotted, list places in brackets: `rule[2].to[0].topic`.
    pub key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding about the configuration or what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// Stable, for programs: `unknown-key`, `bad-filter`…
    pub code: &'static str,
    pub place: Place,
    pub message: String,
    pub help: Option<String>,
    /// The line itself with secrets masked, and how many characters to underline.
    pub excerpt: Option<Excerpt>,
}

/// The line of a problem, as shown to people: secrets masked, a long line cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub line: String,
    /// Where in `line` the underline begins, from 1, in characters; masks and cuts move it away from the place's column.
    pub column: usize,
    /// Characters to underline, at least 1.
    pub width: usize,
}
