//! What a call costs; run with `--ignored --nocapture` on a quiet machine. Worrying: identity over 200 ns a message at
//! batch 64, a trap with a new instance over 50 us.

use std::sync::Arc;

use tidegate::message::Properties;
use tidegate::seam::{Stage, StageMessage};
use tidegate::wasm::embedded;

use crate::guests::{hostile, identity};
use crate::support::{LIMITS, ask, engine, message};

fn stage(bytes: &[u8], trusted: bool) -> Arc<dyn Stage> {
    engine().load("guest", bytes, trusted, LIMITS).unwrap().stage("rule", String::new()).unwrap()
}

/// Nanoseconds of processor time per message, the best of several rounds.
fn cost_ns(stage: &dyn Stage, batch: &[StageMessage<'_>]) -> u64 {
    let mut instance = stage.open().unwrap();
    let rounds = 100_000 / batch.len();
    let timed = |_| {
        let began = processor_ns();
        (0..rounds).for_each(|_| drop(instance.process(batch).unwrap()));
        processor_ns() - began
    };
    (0..25).map(timed).min().unwrap_or_default() / (rounds * batch.len()) as u64
}

/// Processor time of this thread.
pub(crate) fn processor_ns() -> u64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn messages<'p>(count: usize, payload: &[u8], properties: Option<&'p Arc<Properties>>) -> Vec<StageMessage<'p>> {
    let one = |number: usize| StageMessage {
        topic: format!("site/ulm/line-{number:04}/temperature").leak(),
        properties,
        ..message(payload)
    };
    (0..count).map(one).collect()
}

#[test]
#[ignore = "measures"]
fn cost_of_a_call() {
    let json = br#"{"temp_f":212.5,"state":"run","debug":1}"#;
    let payload = [b'x'; 200];
    let properties = Arc::new(Properties { content_type: Some("text/plain".into()), ..Properties::default() });
    for trusted in [false, true] {
        let identity = stage(&identity(), trusted);
        for count in [1, 16, 64] {
            println!(
                "identity, 200 B, trusted {trusted}, batch {count}: {} ns",
                cost_ns(&*identity, &messages(count, &payload, None))
            );
        }
        let with_properties = messages(64, &payload, Some(&properties));
        println!("identity with properties, trusted {trusted}, batch 64: {} ns", cost_ns(&*identity, &with_properties));
        let replacing = messages(64, &[b"replace ", &payload[..]].concat(), None);
        println!(
            "replace 200 B, trusted {trusted}, batch 64: {} ns",
            cost_ns(&*stage(&hostile(), trusted), &replacing)
        );
        let plant = stage(embedded::PLANT, trusted);
        println!("plant, trusted {trusted}, batch 64: {} ns", cost_ns(&*plant, &messages(64, &reading(), None)));
        println!("plant refusing, trusted {trusted}, batch 64: {} ns", cost_ns(&*plant, &messages(64, json, None)));
    }
}

/// A sound reading of the plant, `plugins/plant/README.md`.
fn reading() -> Vec<u8> {
    let mut payload = b"TG\x01\x01".to_vec();
    payload.extend([41; 24]);
    let crc = payload.iter().fold(0xFFFF_u16, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 },
        )
    });
    payload.extend(crc.to_le_bytes());
    payload
}

#[test]
#[ignore = "measures"]
fn cost_of_a_trap_and_of_a_start() {
    let stage = stage(&hostile(), false);
    let trap = each_ns(5_000, || drop(ask(&mut *stage.open().unwrap(), "trap").unwrap_err()));
    println!("trap and new instance: {trap} ns");
    println!("new instance: {} ns", each_ns(5_000, || drop(stage.open().unwrap())));
    let load = each_ns(10, || drop(engine().load("plant", embedded::PLANT, false, LIMITS).unwrap()));
    println!("load of the plant: {load} ns");
}

fn each_ns(count: u64, mut run: impl FnMut()) -> u64 {
    let began = processor_ns();
    (0..count).for_each(|_| run());
    (processor_ns() - began) / count
}
