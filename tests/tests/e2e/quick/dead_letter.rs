//! What cannot be delivered is set aside whole, with the reason.

use tidegate_tests::read::Record;

use super::{Bed, DEAD_LETTERS, PATIENCE};

fn header(record: &Record, name: &str) -> String {
    record.header(name).unwrap_or_else(|| panic!("no header {name} in {:?}", record.headers))
}

#[test]
fn a_topic_that_kafka_forbids_is_a_bad_topic() {
    let rules = "[[rule]]\nname = \"by-line\"\nfrom = [\"a/{line}\"]\nto = { topic = \"{line}\" }\n";
    let bed = Bed::start(&[("fine", 1), ("dlq", 1)], "", DEAD_LETTERS, rules);
    bed.broker.publish("a/..", b"payload", 1, 1);
    bed.broker.publish("a/fine", b"other", 1, 2);
    assert_eq!(bed.wait_pubacks(1, 2), [1, 2]);
    let letters = bed.records(&["dlq"]);
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.key_text().as_deref(), letter.payload_text().as_str()), (Some("a/.."), "payload"));
    let found = ["dlq.reason", "dlq.rule", "mqtt.topic", "mqtt.qos", "mqtt.retain"].map(|name| header(letter, name));
    assert_eq!(found, ["bad-topic", "by-line", "a/..", "1", "false"]);
    assert!(!header(letter, "dlq.error").is_empty());
    assert_eq!(header(letter, "dlq.generation"), "1");
    assert!(header(letter, "dlq.time").contains('T'));
    assert_eq!(bed.payloads("fine"), ["other"]);
    let labels = [("rule", "by-line"), ("reason", "bad-topic")];
    bed.bridge
        .wait_metric("tidegate_messages_dead_lettered_total", &labels, PATIENCE, |count| (count - 1.0).abs() < 0.1);
}

#[test]
fn what_is_too_large_goes_without_its_value() {
    let bed = Bed::start(&[("t", 1), ("dlq", 1)], "", DEAD_LETTERS, super::COPY);
    bed.publish_ids([1]);
    bed.broker.publish("a/big", &vec![b'x'; 2 << 20], 1, 2);
    bed.publish_ids([3]);
    assert_eq!(bed.wait_pubacks(1, 3), [1, 2, 3]);
    let letters = bed.records(&["dlq"]);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].payload.as_deref().map_or(0, <[u8]>::len), 0);
    assert_eq!(header(&letters[0], "dlq.size"), (2 << 20).to_string());
    assert_eq!(header(&letters[0], "dlq.sha256").len(), 64);
    assert_eq!(header(&letters[0], "dlq.rule"), "copy");
    assert_eq!(bed.payloads("t"), ["1", "3"]);
}
