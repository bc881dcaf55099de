//! The one table of settings: names, kinds, ranges, defaults, meanings. The reader refuses what does not stand here,
//! takes defaults from here, and the JSON Schema is made from here, so that they cannot differ.

use std::time::Duration;

/// One key of a table.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// As it would be written; a text without its quotes.
    pub(super) default: Option<&'static str>,
    pub(super) about: &'static str,
}

/// What a key holds.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    /// A text with `{captures}`.
    Template,
    /// A file or folder, relative to the file it is written in.
    Path,
    Boolean,
    /// A whole number within both bounds.
    Whole(i64, i64),
    /// A text like `30s`, within both bounds.
    Duration(Duration, Duration),
    /// A text like `64MiB`, bytes within both bounds.
    Size(u64, u64),
    Choice(&'static [&'static str]),
    /// A text, `{ env = NAME }` or `{ file = PATH }`.
    Secret,
    Table(&'static [Setting]),
    /// A table of tables, by names that the user chooses.
    Named(&'static [Setting]),
    /// A table of texts, by names that the user chooses.
    Texts,
    /// A table of any content.
    Anything,
    List(&'static Kind),
    OneOrMany(&'static Kind),
    /// The first is the short form of the second.
    Either(&'static Kind, &'static Kind),
}

impl Setting {
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: false, default: None, about }
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR: Duration = s(3_600);

/// What a rule may grant a plugin by name alone.
pub(super) const GRANTS: [&str; 4] = ["state", "lookup", "clock", "metrics"];

/// The tables that a misplaced key is looked for in, as a user would call them.
pub(super) static HOMES: [(&str, &[Setting]); 11] = [
    ("`[mqtt.NAME]`", &SOURCE),
    ("`[kafka.NAME]`", &CLUSTER),
    ("`[[rule]]`", &RULE),
    ("`to` of a rule", &DESTINATION),
    ("an entry of `via`", &VIA),
    ("an entry of `grants`", &GRANT),
    ("`[lookup.NAME]`", &LOOKUP),
    ("`[plugins]`", &PLUGINS),
    ("`limits`", &LIMITS),
    ("`[admin]`", &ADMIN),
    ("`[shutdown]`", &SHUTDOWN),
];

/// The root of every file.
pub(super) static ROOT: [Setting; 10] = [
    Setting::new(
        "rules",
        Kind::Path,
        "Folder of *.toml with [[rule]], read in name order. Without it rules stand in this file only.",
    ),
    Setting::new("mqtt", Kind::Named(&SOURCE), "The MQTT brokers to read from, one table each: [mqtt.NAME]."),
    Setting::new("kafka", Kind::Named(&CLUSTER), "The Kafka clusters to write to, one table each: [kafka.NAME]."),
    Setting::new("dead_letter", Kind::Table(&DEAD_LETTER), "Where messages go that a rule cannot deliver."),
    Setting::new("plugins", Kind::Table(&PLUGINS), "The plugins and what they may use."),
    Setting::new("plugin", Kind::Named(&PLUGIN), "Settings of one plugin: [plugin.NAME]."),
    Setting::new("lookup", Kind::Named(&LOOKUP), "Tables that plugins may look into, from files: [lookup.NAME]."),
    Setting::new("admin", Kind::Table(&ADMIN), "Health, metrics, status and reload over HTTP."),
    Setting::new("shutdown", Kind::Table(&SHUTDOWN), "How the program ends."),
    Setting::new(
        "rule",
        Kind::List(&Kind::Table(&RULE)),
        "What becomes of messages; each [[rule]] that matches a message runs once for it.",
    ),
];

/// `[mqtt.NAME]`.
pub(super) static SOURCE: [Setting; 14] = [
    Setting::new(
        "url",
        Kind::OneOrMany(&Kind::Text),
        "mqtt://HOST:PORT or mqtts://HOST:PORT; a list means failover in that order.",
    )
    .required(),
    Setting::new(
        "protocol",
        Kind::Choice(&["5", "3.1.1"]),
        "The version of MQTT. With 3.1.1 the broker alone decides how much is in flight.",
    )
    .default("5"),
    Setting::new(
        "client_id",
        Kind::Text,
        "Names the session at the broker, so it must not change. Default: tidegate-HOSTNAME-NAME.",
    ),
    Setting::new("username", Kind::Text, "Who the broker is told that we are."),
    Setting::new("password", Kind::Secret, "Goes with username."),
    Setting::new(
        "session",
        Kind::Choice(&["persistent", "clean"]),
        "persistent: the broker keeps messages while the bridge is away. clean: it forgets them.",
    )
    .default("persistent"),
    Setting::new(
        "session_expiry",
        Kind::Duration(s(1), s(u32::MAX as u64)),
        "How long the broker keeps a persistent session without us (MQTT 5).",
    )
    .default("7d"),
    Setting::new("window", Kind::Whole(1, 65_535), "Most messages in flight: the Receive Maximum of MQTT 5.")
        .default("1024"),
    Setting::new("window_bytes", Kind::Size(1, 64 * GIB), "Most bytes in flight; past it the socket is not read.")
        .default("64MiB"),
    Setting::new(
        "keep_alive",
        Kind::Duration(s(0), s(65_535)),
        "Longest silence before a ping; 0s sends none. Otherwise at least 1s.",
    )
    .default("30s"),
    Setting::new("connect_timeout", Kind::Duration(ms(10), s(300)), "For TCP, TLS and the broker's answer together.")
        .default("10s"),
    Setting::new(
        "reconnect_max",
        Kind::Duration(ms(10), HOUR),
        "Longest wait between two tries to connect; the first is short.",
    )
    .default("30s"),
    Setting::new("packet_max", Kind::Size(KIB, 256 * MIB), "Largest MQTT packet that is taken.").default("256MiB"),
    Setting::new("tls", Kind::Table(&TLS), "Files for mqtts://; without them the system's roots are trusted."),
];

/// `tls` of a source or cluster.
pub(super) static TLS: [Setting; 3] = [
    Setting::new("ca", Kind::Path, "PEM file with the certificates to trust instead of the system's."),
    Setting::new("cert", Kind::Path, "PEM file with our certificate, for brokers that ask for one."),
    Setting::new("key", Kind::Path, "PEM file with the private key of cert."),
];

/// `[kafka.NAME]`.
pub(super) static CLUSTER: [Setting; 9] = [
    Setting::new("brokers", Kind::List(&Kind::Text), "HOST:PORT of some brokers; the others are learnt from them.").required(),
    Setting::new("linger", Kind::Duration(ms(0), s(900)), "How long a record may wait for others to travel with.").default("1ms"),
    Setting::new("compression", Kind::Choice(&["none", "gzip", "snappy", "lz4", "zstd"]), "Of batches of records.").default("none"),
    Setting::new("tls", Kind::Either(&Kind::Boolean, &Kind::Table(&TLS)), "true for the system's roots, or a table of files. Without it plain TCP."),
    Setting::new("sasl", Kind::Table(&SASL), "How we log in."),
    Setting::new("properties", Kind::Texts, "librdkafka properties; those the delivery promise rests on are refused."),
    Setting::new("on_topic_refused", Kind::Choice(&["hold", "dead-letter"]), "What a record does whose topic is missing or may not be written: wait with an alarm, or go to the dead letters.").default("hold"),
    Setting::new("topics_max", Kind::Whole(1, 1_000_000), "Most different topics; templates could make any number.").default("10000"),
    Setting::new("queue", Kind::Size(MIB, 2 * GIB - KIB), "Most bytes that wait in the producer before reading stops.").default("128MiB"),
];

/// `sasl` of a cluster.
pub(super) static SASL: [Setting; 3] = [
    Setting::new(
        "mechanism",
        Kind::Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
        "As the cluster asks for it.",
    )
    .required(),
    Setting::new("username", Kind::Text, "Who we are.").required(),
    Setting::new("password", Kind::Secret, "Goes with username.").required(),
];

/// `{ env = NAME }` or `{ file = PATH }`.
pub(super) static SECRET: [Setting; 2] = [
    Setting::new("env", Kind::Text, "Name of the environment variable that holds the secret."),
    Setting::new("file", Kind::Path, "File that holds the secret; one line break at its end is not part of it."),
];

/// `[dead_letter]`.
pub(super) static DEAD_LETTER: [Setting; 2] = [
    Setting::new("kafka", Kind::Text, "Which [kafka.NAME]. May be left out when there is one."),
    Setting::new("topic", Kind::Text, "The Kafka topic, as it is: no template.").default("tidegate.dead-letter"),
];

/// `[plugins]`.
pub(super) static PLUGINS: [Setting; 3] = [
    Setting::new("folder", Kind::Path, "NAME.wasm in it is plugin NAME."),
    Setting::new("limits", Kind::Table(&LIMITS), "What each plugin may use."),
    Setting::new("lanes", Kind::Whole(1, 1_024), "Threads that run plugins. Default: the number of cores."),
];

/// `limits` of all plugins or of one.
pub(super) static LIMITS: [Setting; 16] = [
    Setting::new("memory", Kind::Size(64 * KIB, 4 * GIB), "Most memory of one instance.").default("64MiB"),
    Setting::new("call", Kind::Duration(ms(1), s(600)), "Longest call.").default("100ms"),
    Setting::new("init", Kind::Duration(ms(1), s(600)), "Longest init.").default("5s"),
    Setting::new("output", Kind::Size(KIB, 4 * GIB), "Most bytes that one call may answer.").default("16MiB"),
    Setting::new("file", Kind::Size(KIB, GIB), "Largest plugin file.").default("64MiB"),
    Setting::new("log", Kind::Whole(0, 1_000_000), "Most log lines a second.").default("100"),
    Setting::new("records", Kind::Whole(1, 10_000_000), "Most records that one call may emit.").default("100000"),
    Setting::new("compile", Kind::Duration(ms(100), HOUR), "Longest compilation of the file.").default("2m"),
    Setting::new(
        "recycle",
        Kind::Size(64 * KIB, 4 * GIB),
        "An instance that has grown above this is replaced between two calls.",
    )
    .default("48MiB"),
    Setting::new(
        "failures",
        Kind::Whole(1, 1_000_000),
        "Failures in a row after which the plugin rests; messages go where on_error says meanwhile.",
    )
    .default("100"),
    Setting::new(
        "rest",
        Kind::Duration(ms(10), HOUR),
        "Longest rest; the first is a tenth of a second, each further one twice as long.",
    )
    .default("30s"),
    Setting::new("state", Kind::Size(0, 64 * GIB), "Most bytes of keys and values that the plugin keeps in one rule.")
        .default("64MiB"),
    Setting::new("state_keys", Kind::Whole(0, 100_000_000), "Most keys.").default("100000"),
    Setting::new("state_key", Kind::Size(1, 64 * KIB), "Longest key.").default("1KiB"),
    Setting::new("state_value", Kind::Size(1, GIB), "Longest value.").default("1MiB"),
    Setting::new("metrics", Kind::Whole(0, 10_000), "Most different names of the plugin's own figures in one rule.")
        .default("100"),
];

/// `[plugin.NAME]`.
pub(super) static PLUGIN: [Setting; 3] = [
    Setting::new(
        "trusted",
        Kind::Boolean,
        "true: calls are not watched for time, which is faster; for own plugins only.",
    )
    .default("false"),
    Setting::new("sha256", Kind::Text, "64 hexadecimal digits; another file of that name is refused."),
    Setting::new("limits", Kind::Table(&LIMITS), "Where they differ from [plugins] limits."),
];

/// `[admin]`.
pub(super) static ADMIN: [Setting; 2] = [
    Setting::new("listen", Kind::Text, "ADDRESS:PORT, or \"off\".").default("127.0.0.1:9191"),
    Setting::new("token", Kind::Secret, "Asked for as a bearer token. Needed when listen is not loopback."),
];

/// `[shutdown]`.
pub(super) static SHUTDOWN: [Setting; 1] =
    [Setting::new("drain", Kind::Duration(s(0), HOUR), "Longest wait for what is in flight when the program ends.")
        .default("10s")];

/// `[[rule]]`.
pub(super) static RULE: [Setting; 9] = [
    Setting::new("name", Kind::Text, "Unique; in metrics, logs and dead letters.").required(),
    Setting::new("source", Kind::Text, "Which [mqtt.NAME]. May be left out when there is one."),
    Setting::new(
        "from",
        Kind::List(&Kind::Text),
        "MQTT filters; {name} is a + with a name, {name...} at the end a # with a name.",
    )
    .required(),
    Setting::new("qos", Kind::Whole(0, 2), "Asked for when subscribing.").default("1"),
    Setting::new("via", Kind::List(&Kind::Either(&Kind::Text, &Kind::Table(&VIA))), "Plugins, in order."),
    Setting::new(
        "order",
        Kind::Template,
        "Template of what is kept in order: messages that agree in it go through the plugins one after the other. Default: as the plugin says, else the MQTT topic.",
    ),
    Setting::new("to", Kind::OneOrMany(&Kind::Table(&DESTINATION)), "Where the records go.").required(),
    Setting::new(
        "on_error",
        Kind::Choice(&["dead-letter", "hold", "drop"]),
        "What becomes of a message that a plugin fails on: set aside, keep trying and stop this source, or forget it.",
    )
    .default("dead-letter"),
    Setting::new("enabled", Kind::Boolean, "false: checked, but not run.").default("true"),
];

/// An entry of `via`.
pub(super) static VIA: [Setting; 3] = [
    Setting::new("plugin", Kind::Text, "Name of the plugin.").required(),
    Setting::new("config", Kind::Anything, "Given to the plugin's init, as JSON."),
    Setting::new(
        "grants",
        Kind::List(&Kind::Either(&Kind::Choice(&GRANTS), &Kind::Table(&GRANT))),
        "What the plugin may do beyond computing, by name, or as a table where more is to be said.",
    ),
];

/// An entry of `grants` that says more than a name.
pub(super) static GRANT: [Setting; 3] = [
    Setting::new("publish", Kind::List(&Kind::Text), "MQTT filters of the topics that it may publish to."),
    Setting::new("rate", Kind::Whole(1, 1_000_000), "Most messages a second that it may publish.").default("100"),
    Setting::new("lookup", Kind::List(&Kind::Text), "Names of the tables that it may look into."),
];

/// `[lookup.NAME]`.
pub(super) static LOOKUP: [Setting; 4] = [
    Setting::new(
        "file",
        Kind::Path,
        "A CSV file with a line of column names, or a JSON file with an object by key or a list of objects.",
    )
    .required(),
    Setting::new(
        "key",
        Kind::Text,
        "The column or member that a row is looked up by. Default: the first column. Not for a JSON object.",
    ),
    Setting::new("rows", Kind::Whole(1, 100_000_000), "Most rows.").default("1000000"),
    Setting::new("size", Kind::Size(KIB, 4 * GIB), "Largest file.").default("256MiB"),
];

/// An entry of `to`.
pub(super) static DESTINATION: [Setting; 4] = [
    Setting::new("kafka", Kind::Text, "Which [kafka.NAME]. May be left out when there is one."),
    Setting::new(
        "topic",
        Kind::Template,
        "Template of the Kafka topic; / becomes a dot, what Kafka forbids an underscore.",
    )
    .required(),
    Setting::new("key", Kind::Template, "Template of the record's key. Default: the MQTT topic."),
    Setting::new("headers", Kind::Texts, "Templates of further headers, by header name."),
];
