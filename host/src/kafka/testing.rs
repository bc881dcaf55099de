//! What the tests of this folder share.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::letter::Letter;
use super::outstanding::Debt;
use crate::config::{ClusterConfig, Compression, OnTopicRefused};
use crate::message::{Headers, Record};
use crate::topic::{ClusterNo, KafkaTopic, KafkaTopics, TopicName};

/// A cluster at `brokers` with the usual settings.
pub(super) fn cluster(brokers: &str) -> ClusterConfig {
    ClusterConfig {
        name: "main".into(),
        brokers: vec![brokers.into()],
        linger: Duration::from_millis(1),
        compression: Compression::None,
        tls: None,
        sasl: None,
        properties: BTreeMap::new(),
        on_topic_refused: OnTopicRefused::Hold,
        topics_max: 100,
        queue_bytes: 64 << 20,
    }
}

/// No topic named yet.
pub(super) fn topics() -> KafkaTopics {
    KafkaTopics::new(ClusterNo(0), 100)
}

/// A record of `topic`.
pub(super) fn record(topic: &KafkaTopic, key: &str, payload: &str) -> Record {
    let headers = Headers {
        topic: TopicName::parse(Bytes::from_static(b"a/b")).unwrap(),
        properties: None,
        rule: [].into(),
        own: Vec::new(),
    };
    Record {
        topic: topic.clone(),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        payload: Some(Bytes::copy_from_slice(payload.as_bytes())),
        headers,
        timestamp_ms: 1_700_000_000_123,
    }
}

/// A letter of `topic` with the given place in the order.
pub(super) fn letter(topic: &KafkaTopic, turn: u64) -> Letter {
    Letter::fresh(record(topic, "k", "v"), Debt { opaque: turn, turn, timestamp_ms: 0, topic: topic.id })
}
