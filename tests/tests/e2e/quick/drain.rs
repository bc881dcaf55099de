//! The end: what is in flight is settled, what cannot be is left to the broker.

use std::time::{Duration, Instant};

use tidegate_tests::process::Signal;
use tidegate_tests::scripted::{Event, Seen};
use tidegate_tests::wire::Packet;

use super::{Bed, PATIENCE};

fn is_goodbye(seen: &Seen) -> bool {
    seen.event == Event::Packet(Packet::Disconnect { code: 0 })
}

fn with_traffic(drain: &str, disturb: impl FnOnce(&Bed)) -> Bed {
    let bed = Bed::copying("", &format!("[shutdown]\ndrain = \"{drain}\"\n"));
    bed.publish_ids([1]);
    bed.wait_pubacks(1, 1);
    disturb(&bed);
    bed.publish_ids(2..=200);
    bed.bridge.wait_metric("tidegate_messages_received_total", &[], PATIENCE, |count| count >= 200.0);
    bed
}

#[test]
fn sigterm_settles_what_is_in_flight_and_says_goodbye() {
    let mut bed = with_traffic("10s", |bed| bed.mock.delay(Duration::from_secs(1)));
    let status = bed.bridge.terminate();
    assert_eq!(status.code(), Some(0), "{}", bed.bridge.log());
    bed.broker.wait("DISCONNECT", PATIENCE, |log| log.iter().any(is_goodbye));
    assert_eq!(bed.broker.pubacks(1), (1..=200).collect::<Vec<u16>>());
    let log = bed.broker.log();
    let goodbye = log.iter().position(is_goodbye);
    let last_ack = log.iter().rposition(|seen| matches!(seen.event, Event::Packet(Packet::Puback { .. })));
    assert!(goodbye > last_ack, "an acknowledgement after DISCONNECT");
    bed.mock.delay(Duration::ZERO);
    assert_eq!(bed.records(&["t"]).len(), 200);
}

#[test]
fn the_limit_holds_while_kafka_is_down_and_nothing_is_acknowledged() {
    let mut bed = with_traffic("2s", |bed| bed.mock.down());
    let asked = Instant::now();
    bed.bridge.terminate();
    let took = asked.elapsed();
    assert!(took < Duration::from_millis(3_500), "the drain of 2 s took {took:?}");
    assert_eq!(bed.broker.pubacks(1), [1]);
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut bed = with_traffic("30s", |bed| bed.mock.down());
    bed.bridge.signal(Signal::Terminate);
    std::thread::sleep(Duration::from_millis(500));
    assert!(bed.bridge.process().is_running(), "the drain waits for Kafka");
    let asked = Instant::now();
    bed.bridge.terminate();
    assert!(asked.elapsed() < Duration::from_secs(2), "the second signal took {:?}", asked.elapsed());
}

#[test]
fn sigint_is_as_good_as_sigterm() {
    let mut bed = Bed::copying("", "");
    bed.bridge.signal(Signal::Interrupt);
    assert_eq!(bed.bridge.wait_end().code(), Some(0), "{}", bed.bridge.log());
}
