//! `properties` of a cluster: which librdkafka properties there are, and which ones are not the user's to set.

use std::collections::BTreeMap;

use crate::config::item::Item;
use crate::config::nearest::nearest;
use crate::config::raw::Value;
use crate::config::reader::shown;

/// librdkafka takes only so many requests in flight with idempotence on.
const IN_FLIGHT_MAX: u32 = 5;

/// Properties that are refused, with the reason.
const REFUSED: [(&str, &str); 12] = [
    ("message.timeout.ms", "records must never expire in the producer, or messages would be lost"),
    ("delivery.timeout.ms", "records must never expire in the producer, or messages would be lost"),
    ("enable.idempotence", "it is always on: order and the absence of duplicates rest on it"),
    ("acks", "all replicas must have a record before its message is acknowledged"),
    ("request.required.acks", "all replicas must have a record before its message is acknowledged"),
    ("retries", "delivery is tried for ever"),
    ("message.send.max.retries", "delivery is tried for ever"),
    ("transactional.id", "transactions are the program's own affair"),
    ("partitioner", "keys go to the partitions that Java clients choose"),
    ("bootstrap.servers", "set `brokers` instead"),
    ("metadata.broker.list", "set `brokers` instead"),
    ("security.protocol", "set `tls` and `sasl` instead"),
];

/// Properties that a key of ours sets better.
const OWN_KEYS: [(&str, &str); 4] = [
    ("linger.ms", "linger"),
    ("queue.buffering.max.ms", "linger"),
    ("compression.type", "compression"),
    ("compression.codec", "compression"),
];

/// The properties as texts. Properties may be written as `"client.rack"` or as the bare `client.rack`, which TOML reads
/// as tables.
pub(super) fn properties(item: &Item<'_, '_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if let Some(table) = item.table() {
        for (name, child) in item.children(table) {
            take(&child, name.to_owned(), &mut found);
        }
    }
    found
}

fn take(item: &Item<'_, '_>, name: String, found: &mut BTreeMap<String, String>) {
    if let Value::Table(inner) = &item.node.value {
        for (rest, child) in item.children(inner) {
            take(&child, format!("{name}.{rest}"), found);
        }
        return;
    }
    if is_secret(&name) {
        item.review.mask(item.node.span);
    }
    if let Some(value) = scalar(item)
        && !tell_refused(item, &name, &value)
    {
        tell_unknown(item, &name);
        found.insert(name, value);
    }
}

fn is_secret(name: &str) -> bool {
    name.starts_with("sasl.") || name.starts_with("ssl.")
}

fn scalar(item: &Item<'_, '_>) -> Option<String> {
    match &item.node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Whole(Some(number)) => Some(number.to_string()),
        Value::Fraction(number) => Some(number.to_string()),
        Value::Boolean(yes) => Some(yes.to_string()),
        Value::Whole(None) | Value::Time(_) | Value::List(_) | Value::Table(_) | Value::Broken => {
            item.wrong_type("a text in quotes", None)
        }
    }
}

fn tell_refused(item: &Item<'_, '_>, name: &str, value: &str) -> bool {
    let Some(reason) = refusal(name, value) else { return false };
    item.error("refused-property", format!("the property `{}` may not be set: {reason}", shown(name)), None);
    true
}

/// Why the property is not the user's to set.
fn refusal(name: &str, value: &str) -> Option<&'static str> {
    if name.starts_with("max.in.flight") && value.parse::<u32>().map_or(true, |count| count > IN_FLIGHT_MAX) {
        return Some("order rests on at most 5 requests in flight");
    }
    if name.starts_with("sasl.") {
        return Some("set `sasl` instead");
    }
    if name.starts_with("ssl.") {
        return Some("set `tls` instead");
    }
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
}

fn tell_unknown(item: &Item<'_, '_>, name: &str) {
    if let Some((_, key)) = OWN_KEYS.iter().find(|(property, _)| *property == name) {
        let message = format!("the key `{key}` of this cluster says the same as `{name}`");
        item.review.warn(&item.at(), "own-key", message, format!("set `{key}` instead"));
    }
    if !KNOWN.contains(&name) {
        let near = nearest(name, KNOWN).map(|near| format!("did you mean `{near}`?"));
        item.error("unknown-property", format!("librdkafka has no property `{}`", shown(name)), near);
    }
}

/// What librdkafka 2.12 takes as text, without `sasl.*` and `ssl.*`.
const KNOWN: [&str; 113] = [
    "acks",
    "allow.auto.create.topics",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "batch.num.messages",
    "batch.size",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "builtin.features",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "debug",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.metrics.push",
    "enable.partition.eof",
    "enable.random.seed",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "https.ca.location",
    "https.ca.pem",
    "internal.termination.signal",
    "isolation.level",
    "linger.ms",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.copy.max.bytes",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "partitioner",
    "plugin.library.paths",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "queuing.strategy",
    "receive.message.max.bytes",
    "reconnect.backoff.jitter.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "session.timeout.ms",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "topic.blacklist",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.cnt",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
    "transaction.timeout.ms",
    "transactional.id",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_promise_rests_on_is_refused() {
        for (name, _) in REFUSED {
            assert!(refusal(name, "1").is_some(), "{name}");
        }
        for name in ["sasl.password", "sasl.mechanisms", "ssl.ca.location", "ssl.key.pem"] {
            assert!(refusal(name, "1").is_some(), "{name}");
        }
    }

    #[test]
    fn a_few_requests_in_flight_are_allowed() {
        let check = |value, refused| assert_eq!(refusal("max.in.flight", value).is_some(), refused, "{value}");
        check("5", false);
        check("1", false);
        check("6", true);
        check("-1", true);
        check("many", true);
        assert!(refusal("max.in.flight.requests.per.connection", "6").is_some());
    }

    #[test]
    fn the_rest_is_free() {
        for name in ["client.rack", "socket.timeout.ms", "statistics.interval.ms"] {
            assert_eq!(refusal(name, "1"), None, "{name}");
            assert!(KNOWN.contains(&name), "{name}");
        }
    }
}
