//! Without faults: every message is there once, in order, with the right key, headers and partition.

use tidegate_tests::kafka::Access;
use tidegate_tests::mosquitto::Settings;
use tidegate_tests::publish::Load;
use tidegate_tests::wire::Version;

use super::{Plan, Plant};

/// Runs the load that `shape` makes of the usual one.
fn check(plan: Plan, messages: u32, shape: impl FnOnce(&mut Load)) {
    let mut plant = Plant::start(plan);
    let mut load = plant.load(messages);
    shape(&mut load);
    let publishing = load.clone().start();
    let (published, verdict) = plant.judge(&load, publishing);
    assert_eq!(published.sent(), u64::from(messages));
    verdict.assert_clean(0);
    plant.assert_accounts();
    assert_eq!(plant.bridge.terminate().code(), Some(0), "{}", plant.bridge.log());
}

#[test]
#[ignore = "needs real servers"]
fn qos_1_over_mqtt_5() {
    check(Plan::default(), 200_000, |_| {});
}

#[test]
#[ignore = "needs real servers"]
fn qos_2_over_mqtt_5() {
    check(Plan::default(), 200_000, |load| load.qos = 2);
}

#[test]
#[ignore = "needs real servers"]
fn qos_1_over_mqtt_3_1_1() {
    let plan = Plan { mqtt: "protocol = \"3.1.1\"", ..Plan::default() };
    check(plan, 200_000, |load| load.version = Version::V311);
}

#[test]
#[ignore = "needs real servers"]
fn tls_with_a_client_certificate_and_scram() {
    let settings = Settings { password: true, ..Settings::default() };
    let plan = Plan { access: Access::Scram, tls: true, settings, mqtt: "" };
    check(plan, 200_000, |_| {});
}
