//! One message, several rules and records, one acknowledgement after the last of them.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use tidegate_tests::wire::{Packet, Publish};

use super::{Bed, PATIENCE};

const FAN_OUT: &str = r#"
[[rule]]
name = "by-line"
from = ["site/{area}/{line}/temp"]
to = { topic = "iot.{area}.temp", key = "{line}", headers = { site = "ulm", where = "{area}-{line}" } }
[[rule]]
name = "archive"
from = ["site/{rest...}"]
to = [{ topic = "archive" }, { topic = "audit", key = "{source}:{rule}" }]
[[rule]]
name = "third"
from = ["site/+/{line}/#"]
to = { topic = "third", key = "{{{line}}}" }
"#;

const TOPICS: [(&str, i32); 4] = [("iot.north.temp", 1), ("archive", 1), ("audit", 1), ("third", 1)];

#[test]
fn every_matching_rule_runs_once() {
    let bed = Bed::start(&TOPICS, "", "", FAN_OUT);
    bed.broker.publish("site/north/l1/temp", b"21", 1, 3);
    assert_eq!(bed.wait_pubacks(1, 1), [3]);
    let mut records = bed.records(&["iot.north.temp", "archive", "audit", "third"]);
    records.sort_by(|one, other| one.topic.cmp(&other.topic));
    let found: Vec<_> =
        records.iter().map(|record| (record.topic.as_str(), record.key_text().unwrap_or_default())).collect();
    let wanted =
        [("archive", "site/north/l1/temp"), ("audit", "plant:archive"), ("iot.north.temp", "l1"), ("third", "{l1}")];
    assert_eq!(found, wanted.map(|(topic, key)| (topic, key.to_owned())));
    assert!(records.iter().all(|record| record.payload_text() == "21"));
    assert_eq!(records[2].header("mqtt.topic").as_deref(), Some("site/north/l1/temp"));
    assert_eq!(records[2].header("site").as_deref(), Some("ulm"));
    assert_eq!(records[2].header("where").as_deref(), Some("north-l1"));
}

#[test]
fn the_slowest_record_decides() {
    let bed = Bed::start(&TOPICS, "", "", FAN_OUT);
    bed.mock.fail_topic("third", Some(RDKafkaErrorCode::UnknownTopicOrPartition));
    bed.broker.publish("site/north/l1/temp", b"21", 1, 3);
    bed.bridge.wait_metric("tidegate_records_produced_total", &[("topic", "archive")], PATIENCE, |count| count > 0.5);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(bed.broker.pubacks(1), [0_u16; 0], "acknowledged before the last record was in Kafka");
    bed.mock.fail_topic("third", None);
    assert_eq!(bed.wait_pubacks(1, 1), [3]);
    assert_eq!(bed.payloads("third"), ["21"]);
}

#[test]
fn properties_of_mqtt_5_become_headers() {
    let bed = Bed::copying("", "");
    let publish = Publish {
        topic: "a/x".into(),
        payload: b"1".to_vec(),
        qos: 1,
        packet_id: 1,
        content_type: Some("text/plain".into()),
        response_topic: Some("answer/here".into()),
        correlation_data: Some(vec![1, 2]),
        user: vec![("unit".into(), "C".into()), ("unit".into(), "K".into())],
        ..Publish::default()
    };
    bed.broker.send(&Packet::Publish(publish));
    bed.wait_pubacks(1, 1);
    let mut headers = bed.records(&["t"])[0].headers.clone();
    headers.sort();
    let wanted: Vec<(String, Vec<u8>)> = [
        ("content-type", b"text/plain".as_slice()),
        ("mqtt.correlation-data", &[1, 2]),
        ("mqtt.response-topic", b"answer/here"),
        ("mqtt.topic", b"a/x"),
        ("unit", b"C"),
        ("unit", b"K"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_vec()))
    .into();
    assert_eq!(headers, wanted);
}

#[test]
fn topic_aliases_are_resolved() {
    let bed = Bed::copying("", "");
    let publish = |topic: &str, packet_id| Publish {
        topic: topic.into(),
        payload: b"1".to_vec(),
        qos: 1,
        packet_id,
        topic_alias: Some(1),
        ..Publish::default()
    };
    bed.broker.send(&Packet::Publish(publish("a/long/name", 1)));
    bed.broker.send(&Packet::Publish(publish("", 2)));
    bed.wait_pubacks(1, 2);
    let keys: Vec<_> = bed.records(&["t"]).iter().map(|record| record.key_text().unwrap_or_default()).collect();
    assert_eq!(keys, ["a/long/name", "a/long/name"]);
}

#[test]
fn a_message_without_a_rule_is_acknowledged_and_counted() {
    let bed = Bed::copying("", "");
    bed.broker.publish("nobody/wants/this", b"1", 1, 77);
    assert_eq!(bed.wait_pubacks(1, 1), [77]);
    bed.bridge.wait_metric("tidegate_messages_unrouted_total", &[("source", "plant")], PATIENCE, |count| count > 0.5);
}
