//! Brokers that end, freeze and come back.

use std::thread;
use std::time::Duration;

use tidegate_tests::publish::{Load, Publishing};
use tidegate_tests::tier::scaled;

use super::{PATIENCE, Plan, Plant, RECORDS_PER_MESSAGE_MAX, WINDOW};

/// A plant under a steady load of 2,000 messages a second, `seconds` long.
fn loaded(seconds: u32) -> (Plant, Load, Publishing) {
    let plant = Plant::start(Plan::default());
    let mut load = plant.load(seconds * 2_000);
    load.rate = Some(2_000);
    let publishing = load.clone().start();
    publishing.wait_acked(2_000, PATIENCE);
    (plant, load, publishing)
}

/// Duplicates that `breaks` broken connections and the publishers' own repetitions may cause.
fn duplicates_max(breaks: u64, resent: u64) -> u64 {
    (breaks * WINDOW + resent) * RECORDS_PER_MESSAGE_MAX
}

#[test]
#[ignore = "needs real servers"]
fn mosquitto_restarted_by_its_operator() {
    let (mut plant, load, publishing) = loaded(20);
    for _ in 0..3 {
        thread::sleep(Duration::from_secs(2));
        plant.mosquitto.stop();
        thread::sleep(Duration::from_millis(300));
        plant.mosquitto.start_again();
    }
    let (published, verdict) = plant.judge(&load, publishing);
    verdict.assert_clean(duplicates_max(3, published.resent));
    plant.bridge.wait_metric("tidegate_mqtt_connected", &[], PATIENCE, |up| up > 0.5);
}

/// What Mosquitto has not saved dies with it, so it is killed when its last save holds everything that it acknowledged,
/// and while the bridge has a window of messages that Kafka has not answered.
#[test]
#[ignore = "needs real servers"]
fn mosquitto_killed_with_a_window_in_flight() {
    let (mut plant, load, publishing) = loaded(15);
    for _ in 0..3 {
        plant.kafka.freeze();
        thread::sleep(Duration::from_secs(1));
        publishing.pause();
        thread::sleep(Duration::from_millis(2_500));
        plant.mosquitto.kill();
        plant.mosquitto.start_again();
        plant.kafka.thaw();
        publishing.resume();
        thread::sleep(Duration::from_secs(1));
    }
    let (published, verdict) = plant.judge(&load, publishing);
    verdict.assert_clean(duplicates_max(3, published.resent));
}

#[test]
#[ignore = "needs real servers"]
fn kafka_stopped_for_20_s() {
    let (mut plant, load, publishing) = loaded(40);
    let connects = plant.bridge.metric("tidegate_mqtt_connects_total", &[]);
    plant.kafka.stop();
    thread::sleep(Duration::from_secs(20));
    plant.kafka.start_again();
    let (_, verdict) = plant.judge(&load, publishing);
    verdict.assert_clean(0);
    let now = plant.bridge.metric("tidegate_mqtt_connects_total", &[]);
    assert!((now - connects).abs() < 0.5, "the MQTT connection was lost: {connects} connects, then {now}");
    plant.assert_accounts();
}

#[test]
#[ignore = "needs real servers"]
fn kafka_killed() {
    let (mut plant, load, publishing) = loaded(15);
    plant.kafka.kill();
    thread::sleep(Duration::from_secs(1));
    plant.kafka.start_again();
    let (_, verdict) = plant.judge(&load, publishing);
    // What Kafka had not flushed when killed is in the page cache still, so nothing is lost; idempotence may be.
    verdict.assert_clean(WINDOW * RECORDS_PER_MESSAGE_MAX);
}

#[test]
#[ignore = "needs real servers"]
fn kafka_frozen() {
    let seconds = scaled(8, 30);
    let (mut plant, load, publishing) = loaded(20 + seconds);
    plant.kafka.freeze();
    // The window fills first.
    thread::sleep(Duration::from_secs(2));
    let before = plant.bridge.process().cpu_time();
    thread::sleep(Duration::from_secs(seconds.into()));
    let used = plant.bridge.process().cpu_time().zip(before).map(|(now, before)| now - before);
    plant.kafka.thaw();
    println!("{used:?} of processor time in {seconds} s while Kafka was frozen");
    assert!(used.is_some_and(|used| used <= Duration::from_millis(100) * seconds), "more than a tenth of a core");
    let (_, verdict) = plant.judge(&load, publishing);
    verdict.assert_clean(0);
    plant.assert_accounts();
}
