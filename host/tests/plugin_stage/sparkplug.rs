//! The built-in Sparkplug host on this host: what a message costs. Its library alone needs 2.7 µs for the same work
//! (`plugins/sparkplug/core/examples/native_twin.rs`); more than 6 µs would worry us.

use std::sync::Arc;

use tidegate::config::Grants;
use tidegate::seam::{Outcome, Stage, StageMessage};
use tidegate::wasm::{Outside, embedded};

use crate::cost::processor_ns;
use crate::support::{LIMITS, engine, message};

const NODES: usize = 20;
const DEVICES: usize = 5;
const METRICS: usize = 10;
/// Sequence numbers and devices meet again after so many messages.
const CYCLE: usize = NODES * DEVICES * 256;
const BATCH: usize = 64;

fn stage(config: &str) -> Arc<dyn Stage> {
    let plugin = engine().load("sparkplug", embedded::plugin("sparkplug").unwrap(), true, LIMITS).unwrap();
    plugin.stage_granted("rule", config.into(), &Grants::all(), &Outside::default()).unwrap()
}

fn field(payload: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    payload.extend([number << 3 | 2, bytes.len() as u8]);
    payload.extend(bytes);
}

/// Ten metrics of one device, of five types, with names and types where they are born.
fn payload(device: usize, seq: usize, born: bool) -> Vec<u8> {
    let mut payload = vec![0x08, 0x80, 0xD0, 0x95, 0xFF, 0xBC, 0x31];
    for at in 0..METRICS {
        let mut metric = Vec::new();
        if born {
            field(&mut metric, 1, format!("line/cell/drive/metric{at}").as_bytes());
            metric.extend([0x20, [2, 10, 11, 9, 4][at % 5]]);
        }
        metric.extend([0x10, (device * METRICS + at) as u8, 0x18, 0x80, 0xD0, 0x95, 0xFF, 0xBC, 0x31]);
        match at % 5 {
            0 => metric.extend([0x50, at as u8 | 0x80, 0xFE, 0xFF, 0xFF, 0x0F]),
            1 => metric.extend([&[0x69][..], &(21.375 + at as f64).to_le_bytes()].concat()),
            2 => metric.extend([0x70, 1]),
            3 => metric.extend([&[0x65][..], &12.1_f32.to_le_bytes()].concat()),
            _ => metric.extend([0x58, 0x87, 0xAD, 0x4B]),
        }
        field(&mut payload, 2, &metric);
    }
    payload.extend([0x18, seq as u8 & 0x7F | 0x80, (seq >> 7) as u8]);
    payload
}

fn births() -> Vec<StageMessage<'static>> {
    let node = |node: usize| StageMessage {
        topic: format!("spBv1.0/plant/NBIRTH/node{node}").leak(),
        ..message([0x18, 0x00])
    };
    let device = |at: usize| StageMessage {
        topic: format!("spBv1.0/plant/DBIRTH/node{}/device{}", at % NODES, at / NODES).leak(),
        ..message(payload(at / NODES, at / NODES + 1, true))
    };
    (0..NODES).map(node).chain((0..NODES * DEVICES).map(device)).collect()
}

fn data() -> Vec<StageMessage<'static>> {
    let one = |at: usize| {
        let (node, device) = (at % NODES, at / NODES % DEVICES);
        let topic = format!("spBv1.0/plant/DDATA/node{node}/device{device}").leak();
        StageMessage { topic, ..message(payload(device, (at / NODES + DEVICES + 1) % 256, false)) }
    };
    (0..CYCLE).map(one).collect()
}

/// Processor time of a message in ns, the best of some rounds.
fn cost_ns(config: &str, data: &[StageMessage<'_>], records: usize) -> u64 {
    let stage = stage(config);
    let mut instance = stage.open().unwrap();
    instance.process(&births()).unwrap();
    let count = |outcome: &Outcome| if let Outcome::Emit(outputs) = outcome { outputs.len() } else { 0 };
    let timed = |_| {
        let began = processor_ns();
        let emitted = data.chunks(BATCH).flat_map(|batch| instance.process(batch).unwrap());
        assert_eq!(emitted.map(|outcome| count(&outcome)).sum::<usize>(), records * data.len());
        processor_ns() - began
    };
    (0..5).map(timed).min().unwrap_or_default() / data.len() as u64
}

#[test]
#[ignore = "measures"]
fn cost_of_a_sparkplug_message() {
    let data = data();
    for (config, records) in [
        (r#"{"emit":["metric"]}"#, METRICS),
        (r#"{"emit":["metric"],"headers":"none"}"#, METRICS),
        (r#"{"emit":["message"]}"#, 1),
        (r#"{"emit":["flat"]}"#, 1),
    ] {
        println!("{config}: {} ns a message of {METRICS} metrics", cost_ns(config, &data, records));
    }
}
