//! What the broker hears, when, and on which connection.

use std::time::Duration;

use tidegate_tests::payload::Random;
use tidegate_tests::scripted::SessionAnswer;
use tidegate_tests::tier::scaled;
use tidegate_tests::wire::{Packet, Publish};

use super::{Bed, PATIENCE};

/// Packet ids without order, each once.
fn shuffled(count: u16) -> Vec<u16> {
    let mut ids: Vec<u16> = (1..=count).collect();
    let mut random = Random::new(7);
    for at in (1..ids.len()).rev() {
        let other = usize::try_from(random.below(at as u64 + 1)).expect("below the length");
        ids.swap(at, other);
    }
    ids
}

const THREE_RULES: &str = r#"
[[rule]]
name = "one"
from = ["a/{x}/#"]
to = { topic = "t" }
[[rule]]
name = "two"
from = ["b/{x}"]
to = [{ topic = "t" }, { topic = "u" }]
[[rule]]
name = "three"
from = ["c/#"]
to = { topic = "u" }
"#;

#[test]
fn pubacks_leave_in_receive_order() {
    let bed = Bed::start(&[("t", 3), ("u", 3)], "", "", THREE_RULES);
    let ids = shuffled(900);
    for (number, id) in ids.iter().enumerate() {
        let topic = format!("{}/{}", ["a", "b", "c", "nobody"][number % 4], number % 17);
        bed.broker.publish(&topic, b"x", 1, *id);
    }
    assert_eq!(bed.wait_pubacks(1, ids.len()), ids);
    assert_eq!(bed.records(&["t", "u"]).len(), 225 + 2 * 225 + 225);
}

#[test]
fn nothing_is_acknowledged_before_kafka_has_it_and_no_ping_is_lost() {
    let bed = Bed::copying("keep_alive = \"1s\"", "");
    bed.publish_ids([1]);
    bed.wait_pubacks(1, 1);
    let held_s = scaled(4, 10);
    bed.mock.delay(Duration::from_secs(held_s));
    let pings = bed.broker.pings(1);
    bed.publish_ids(2..=50);
    std::thread::sleep(Duration::from_millis(held_s * 1_000 - 500));
    assert_eq!(bed.broker.pubacks(1), [1], "acknowledged while Kafka was held back");
    let pings = u64::try_from(bed.broker.pings(1) - pings).expect("a small number");
    assert!(pings >= held_s - 2, "{pings} pings in {held_s} s with a keep-alive of 1 s");
    bed.mock.delay(Duration::ZERO);
    assert_eq!(bed.wait_pubacks(1, 50), (1..=50).collect::<Vec<u16>>());
    assert_eq!(bed.broker.connections(), 1);
}

#[test]
fn an_outage_of_kafka_delays_and_loses_nothing() {
    let bed = Bed::copying("keep_alive = \"1s\"\nwindow = 100", "");
    bed.publish_ids([1]);
    bed.wait_pubacks(1, 1);
    bed.mock.down();
    bed.publish_ids(2..=100);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(bed.broker.pubacks(1), [1], "acknowledged while Kafka was down");
    bed.mock.up();
    assert_eq!(bed.wait_pubacks(1, 100), (1..=100).collect::<Vec<u16>>());
    assert_eq!(bed.payloads("t"), (1..=100).map(|id| id.to_string()).collect::<Vec<_>>());
}

#[test]
fn no_acknowledgement_crosses_to_a_new_session() {
    let bed = Bed::copying("", "");
    bed.publish_ids([1]);
    bed.wait_pubacks(1, 1);
    bed.mock.delay(Duration::from_secs(2));
    bed.publish_ids(1..=20);
    bed.broker.change(|script| script.session = SessionAnswer::Always(false));
    // The messages must have arrived before the cut, or there is nothing to get wrong.
    bed.bridge.wait_metric("tidegate_messages_received_total", &[], PATIENCE, |count| count >= 21.0);
    bed.broker.hang_up();
    bed.broker.wait_subscribed("a/#", PATIENCE);
    std::thread::sleep(Duration::from_millis(3_500));
    assert_eq!(bed.broker.pubacks(2), [0_u16; 0], "acknowledged on a connection that delivered nothing");
    bed.mock.delay(Duration::ZERO);
    bed.publish_ids([7]);
    assert_eq!(bed.wait_pubacks(2, 1), [7]);
}

#[test]
fn what_comes_again_after_a_break_is_acknowledged_on_the_new_connection() {
    let bed = Bed::copying("", "");
    bed.publish_ids([100]);
    bed.wait_pubacks(1, 1);
    bed.mock.delay(Duration::from_secs(1));
    bed.publish_ids(1..=20);
    bed.bridge.wait_metric("tidegate_messages_received_total", &[], PATIENCE, |count| count >= 21.0);
    bed.broker.hang_up();
    let back = |log: &[tidegate_tests::scripted::Seen]| log.iter().any(|seen| seen.connection == 2);
    bed.broker.wait("the new connection", PATIENCE, back);
    bed.bridge.wait_metric("tidegate_mqtt_connected", &[("source", "plant")], PATIENCE, |up| up > 0.5);
    for id in 1..=20 {
        let payload = id.to_string().into_bytes();
        let publish = Publish { topic: "a/x".into(), payload, qos: 1, packet_id: id, dup: true, ..Publish::default() };
        bed.broker.send(&Packet::Publish(publish));
    }
    assert_eq!(bed.wait_pubacks(2, 20), (1..=20).collect::<Vec<u16>>());
    let mut first = bed.payloads("t");
    assert!(first.len() <= 41, "{} records of 21 messages, 20 of them sent twice", first.len());
    let mut seen = std::collections::BTreeSet::new();
    first.retain(|payload| seen.insert(payload.clone()));
    let wanted: Vec<_> = std::iter::once(100).chain(1..=20).map(|id| id.to_string()).collect();
    assert_eq!(first, wanted, "first occurrences are in order");
}
