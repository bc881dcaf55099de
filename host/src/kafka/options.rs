//! `[kafka.<name>]` as librdkafka's properties.
//!
//! Invariant: what the delivery promise rests on is set last, so that no property of the user can undo it.

use rdkafka::ClientConfig;

use crate::config::{ClusterConfig, Compression, Sasl, SaslMechanism, TlsConfig};

/// librdkafka counts a queued record at no less than this many bytes here, so that tiny records are bounded too.
const RECORD_BYTES_MIN: u64 = 128;
/// How long a topic that the brokers do not know may still be on its way into their metadata.
const TOPIC_PROPAGATION_MS: u64 = 2_000;

/// Part of `linger` that a record waits in librdkafka. It has waited before, while its connection gathered; and behind
/// the requests on their way it waits again, whatever is set here: half does not make requests more, but them earlier.
const LINGER_SHARE: f64 = 0.5;

/// How often the cluster is asked who leads what and where its brokers are: one that comes back at another address is not
/// found before. Only topics in use are asked for.
const METADATA_MS: u64 = 5_000;

/// A transaction that is not finished after this while is undone by the cluster.
const TRANSACTION_MS: u64 = 60_000;

/// librdkafka warns that this property is experimental. It is what order rests on: `docs/decisions/0004`.
pub(super) const EXPERIMENTAL: &str = "enable.gapless.guarantee";

/// The properties of the producer that carries the traffic. It stops at any gap in a partition's series
/// (`enable.gapless.guarantee`), so that nothing can overtake a record that was refused.
pub(super) fn producer(config: &ClusterConfig) -> ClientConfig {
    let mut properties = common(config);
    properties.set(EXPERIMENTAL, "true");
    properties
}

/// The properties of the producer that tries single records of troubled topics.
pub(super) fn scout(config: &ClusterConfig) -> ClientConfig {
    let mut properties = common(config);
    properties.set(EXPERIMENTAL, "false");
    properties.set("linger.ms", "0");
    properties.set("batch.num.messages", "1");
    properties
}

/// The properties of a consumer that reads a topic on its own account, outside any group.
pub(super) fn consumer(config: &ClusterConfig) -> ClientConfig {
    let mut properties = ClientConfig::new();
    properties
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", "tidegate")
        .set("group.id", "tidegate")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error") // records that were trimmed unread must not go unnoticed
        .set("fetch.wait.max.ms", "50");
    set_security(&mut properties, config.tls.as_ref(), config.sasl.as_ref());
    properties
}

/// The properties of a producer of transactions named `id`.
pub(super) fn transactional(config: &ClusterConfig, id: &str) -> ClientConfig {
    let mut properties = common(config);
    properties
        .set("transactional.id", id)
        .set("transaction.timeout.ms", TRANSACTION_MS.to_string())
        .set("message.timeout.ms", TRANSACTION_MS.to_string())
        .set("log.queue", "false");
    properties
}

fn common(config: &ClusterConfig) -> ClientConfig {
    let mut properties = ClientConfig::new();
    set_defaults(&mut properties, config);
    for (name, value) in &config.properties {
        properties.set(name.as_str(), value.as_str());
    }
    set_promise(&mut properties, config);
    set_security(&mut properties, config.tls.as_ref(), config.sasl.as_ref());
    properties
}

/// What a user may change.
fn set_defaults(properties: &mut ClientConfig, config: &ClusterConfig) {
    properties
        .set("client.id", "tidegate")
        .set("linger.ms", (config.linger.mul_f64(LINGER_SHARE).as_secs_f64() * 1000.0).to_string())
        .set("compression.codec", compression(config.compression))
        .set("batch.num.messages", "10000")
        .set("batch.size", "1000000")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "5000")
        .set("topic.metadata.refresh.interval.ms", METADATA_MS.to_string())
        .set("topic.metadata.propagation.max.ms", TOPIC_PROPAGATION_MS.to_string())
        .set("queue.buffering.max.messages", queue_records(config.queue_bytes).to_string())
        .set("queue.buffering.max.kbytes", (config.queue_bytes / 1024).clamp(1, 2_147_483_647).to_string());
}

/// What the promise rests on: nothing expires, nothing is written twice by a retry, nothing overtakes, and a key lands
/// where Java's clients put it.
fn set_promise(properties: &mut ClientConfig, config: &ClusterConfig) {
    properties
        .set("bootstrap.servers", config.brokers.join(","))
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("partitioner", "murmur2_random")
        .set("log.queue", "true");
    if !config.properties.keys().any(|name| name.starts_with("max.in.flight")) {
        properties.set("max.in.flight.requests.per.connection", "5");
    }
}

fn set_security(properties: &mut ClientConfig, tls: Option<&TlsConfig>, sasl: Option<&Sasl>) {
    let protocol = match (tls.is_some(), sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    properties.set("security.protocol", protocol);
    if let Some(tls) = tls {
        // `probe` looks for the system's bundle at the places where distributions keep it.
        let ca = tls.ca.as_ref().map_or_else(|| "probe".into(), |ca| ca.to_string_lossy());
        properties.set("ssl.ca.location", ca);
        for (name, path) in [("ssl.certificate.location", &tls.cert), ("ssl.key.location", &tls.key)] {
            if let Some(path) = path {
                properties.set(name, path.to_string_lossy());
            }
        }
    }
    if let Some(sasl) = sasl {
        properties
            .set("sasl.mechanism", mechanism(sasl.mechanism))
            .set("sasl.username", sasl.username.as_str())
            .set("sasl.password", sasl.password.reveal());
    }
}

fn queue_records(queue_bytes: u64) -> u64 {
    (queue_bytes / RECORD_BYTES_MIN).clamp(1_000, 10_000_000)
}

fn compression(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    }
}

fn mechanism(mechanism: SaslMechanism) -> &'static str {
    match mechanism {
        SaslMechanism::Plain => "PLAIN",
        SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
        SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::config::Secret;
    use crate::kafka::testing::cluster;

    fn check(config: &ClusterConfig, expected: &[(&str, &str)]) {
        let properties = producer(config);
        for (name, value) in expected {
            assert_eq!(properties.get(name), Some(*value), "{name}");
        }
        properties.create_native_config().unwrap();
        scout(config).create_native_config().unwrap();
    }

    #[test]
    fn a_plain_cluster_needs_no_security() {
        check(&cluster("k:1"), &[("security.protocol", "plaintext"), ("bootstrap.servers", "k:1")]);
    }

    #[test]
    fn several_brokers_are_one_list() {
        let config = ClusterConfig { brokers: vec!["a:1".into(), "b:2".into()], ..cluster("") };
        check(&config, &[("bootstrap.servers", "a:1,b:2")]);
    }

    #[test]
    fn linger_may_be_less_than_a_millisecond() {
        let config = ClusterConfig { linger: Duration::from_millis(1), ..cluster("k:1") };
        check(&config, &[("linger.ms", "0.5")]);
    }

    #[test]
    fn the_queue_is_bounded_by_bytes_and_records() {
        let config = ClusterConfig { queue_bytes: 1 << 20, ..cluster("k:1") };
        check(&config, &[("queue.buffering.max.kbytes", "1024"), ("queue.buffering.max.messages", "8192")]);
    }

    #[test]
    fn the_user_may_change_a_default_but_not_the_promise() {
        let mut config = cluster("k:1");
        config.properties.insert("client.rack".into(), "a".into());
        config.properties.insert("batch.size".into(), "5000".into());
        config.properties.insert("acks".into(), "1".into());
        check(&config, &[("client.rack", "a"), ("batch.size", "5000"), ("acks", "all")]);
    }

    #[test]
    fn the_systems_roots_are_looked_for() {
        let config = ClusterConfig { tls: Some(TlsConfig::default()), ..cluster("k:1") };
        check(&config, &[("security.protocol", "ssl"), ("ssl.ca.location", "probe")]);
    }

    #[test]
    fn tls_and_sasl_go_together() {
        let tls = TlsConfig { ca: Some(PathBuf::from("ca.pem")), cert: None, key: None };
        let password = Secret::new("secret".into());
        let sasl = Sasl { mechanism: SaslMechanism::ScramSha512, username: "u".into(), password };
        let config = ClusterConfig { tls: Some(tls), sasl: Some(sasl), ..cluster("k:1") };
        let expected =
            [("security.protocol", "sasl_ssl"), ("sasl.mechanism", "SCRAM-SHA-512"), ("ssl.ca.location", "ca.pem")];
        check(&config, &expected);
    }
}
