//! kill -9 of the bridge at random moments.

use std::thread;
use std::time::Duration;

use tidegate_tests::payload::{Random, seed};

use super::{PATIENCE, Plan, Plant, RECORDS_PER_MESSAGE_MAX, WINDOW};

const KILLS: u64 = 10;
const MESSAGES: u32 = 100_000;

#[test]
#[ignore = "needs real servers"]
fn ten_kills_lose_and_invert_nothing() {
    let mut random = Random::new(seed());
    let mut plant = Plant::start(Plan::default());
    let mut load = plant.load(MESSAGES);
    load.rate = Some(5_000);
    let publishing = load.clone().start();
    for _ in 0..KILLS {
        // Between being ready and being killed, and at times before being ready.
        thread::sleep(Duration::from_millis(100 + random.below(1_500)));
        plant.bridge.kill();
        plant.bridge.spawn();
    }
    plant.bridge.wait_ready(PATIENCE);
    assert!(publishing.acked() < u64::from(MESSAGES), "all was sent before the last kill");
    let (_, verdict) = plant.judge(&load, publishing);
    verdict.assert_clean(KILLS * WINDOW * RECORDS_PER_MESSAGE_MAX);
}
