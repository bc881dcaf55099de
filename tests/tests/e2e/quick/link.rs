//! The MQTT connection in bad company: refusals, silence, nonsense.

use std::time::{Duration, Instant};

use tidegate_tests::process::wait_until;
use tidegate_tests::wire::Packet;

use super::{Bed, COPY, PATIENCE};

fn prepared(mqtt: &str) -> Bed {
    Bed::prepared(&[("t", 1)], mqtt, "", COPY)
}

/// Waits until connection number `number` works.
fn wait_works(bed: &Bed, number: usize) {
    bed.broker.wait(&format!("connection {number}"), PATIENCE, |log| log.iter().any(|seen| seen.connection >= number));
    assert!(wait_until(PATIENCE, || bed.bridge.is_ready()), "not ready again:\n{}", bed.bridge.log());
    let newest = bed.broker.connections();
    bed.broker.publish("a/x", b"fresh", 1, 999);
    assert_eq!(bed.wait_pubacks(newest, 1), [999]);
}

#[test]
fn a_refused_subscription_is_not_ready() {
    let mut bed = prepared("");
    bed.broker.refuse("a/#", 0x87);
    bed.bridge.spawn();
    bed.broker.wait_subscribed("a/#", PATIENCE);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!bed.bridge.is_ready(), "ready although the broker refused the only filter");
    bed.broker.change(|script| script.suback.clear());
    bed.bridge.wait_ready(PATIENCE);
}

#[test]
fn a_refused_connection_is_tried_again_with_patience() {
    let mut bed = prepared("");
    bed.broker.change(|script| script.connack_code = 0x87);
    bed.bridge.spawn();
    std::thread::sleep(Duration::from_secs(3));
    let tries = bed.broker.connections();
    assert!((1..=40).contains(&tries), "{tries} connections in 3 s");
    bed.broker.change(|script| script.connack_code = 0);
    bed.bridge.wait_ready(Duration::from_secs(45));
}

#[test]
fn a_broker_that_does_not_answer_pings_is_left() {
    let mut bed = prepared("keep_alive = \"1s\"");
    bed.broker.change(|script| script.answers_pings = false);
    bed.bridge.start();
    let started = Instant::now();
    bed.broker.wait("a second connection", Duration::from_secs(6), |log| log.iter().any(|seen| seen.connection == 2));
    assert!(started.elapsed() > Duration::from_millis(900), "left after {:?}", started.elapsed());
    bed.broker.change(|script| script.answers_pings = true);
    wait_works(&bed, 2);
}

#[test]
fn nonsense_ends_the_connection_and_not_the_program() {
    let bed = Bed::copying("", "");
    let nonsense: [&[u8]; 5] = [
        &[0x00, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x36, 0x02, 0x00, 0x00],
        &[0x32, 0x05, 0x00, 0x01, 0xff, 0x00, 0x01],
        &[0x20, 0x03, 0x00, 0x00, 0x00],
    ];
    for (round, bytes) in nonsense.into_iter().enumerate() {
        let before = bed.broker.connections();
        bed.broker.raw(bytes);
        bed.broker.wait(&format!("the end after {bytes:x?}"), PATIENCE, |log| {
            log.iter().any(|seen| seen.connection > before)
        });
        wait_works(&bed, round + 2);
    }
}

/// As long as bytes come it may be a slow network; silence ends it.
#[test]
fn a_frame_that_stops_in_the_middle_is_left() {
    let bed = Bed::copying("keep_alive = \"1s\"", "");
    bed.broker.change(|script| script.answers_pings = false);
    bed.broker.raw(&[0x30, 0xff, 0xff, 0xff, 0x7f, 0x00]);
    bed.broker.wait("a second connection", Duration::from_secs(8), |log| log.iter().any(|seen| seen.connection == 2));
    bed.broker.change(|script| script.answers_pings = true);
    wait_works(&bed, 2);
}

#[test]
fn the_server_may_say_goodbye() {
    let bed = Bed::copying("", "");
    bed.broker.send(&Packet::Disconnect { code: 0x8b });
    bed.broker.hang_up();
    wait_works(&bed, 2);
}

#[test]
fn a_forgotten_session_is_subscribed_again() {
    let bed = Bed::copying("", "");
    bed.broker.change(|script| script.has_session = false);
    bed.broker.hang_up();
    bed.broker.wait("a new SUBSCRIBE", PATIENCE, |log| {
        log.iter().any(|seen| {
            let event = &seen.event;
            seen.connection == 2 && matches!(event, tidegate_tests::scripted::Event::Packet(Packet::Subscribe(_)))
        })
    });
    wait_works(&bed, 2);
}

#[test]
fn mqtt_3_1_1_works_as_well() {
    let bed = Bed::copying("protocol = \"3.1.1\"", "");
    bed.publish_ids(1..=50);
    assert_eq!(bed.wait_pubacks(1, 50), (1..=50).collect::<Vec<u16>>());
    assert_eq!(bed.records(&["t"]).len(), 50);
}
