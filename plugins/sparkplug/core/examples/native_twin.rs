//! What decoding costs without wasm: 20 nodes with 5 devices, DDATA of 10 metrics by alias.
//!
//! `cargo run --release --example native_twin [MESSAGES]`. More than 1 µs a metric would worry us.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench on made-up input")]

use std::hint::black_box;

use tidegate_sparkplug::datatype::DataType;
use tidegate_sparkplug::engine::{Arrival, Engine};
use tidegate_sparkplug::host::{Host, Publish, Record};
use tidegate_sparkplug::wire::{Encoder, MetricOut, ValueOut};

#[derive(Default)]
struct Counting {
    records: u64,
    bytes: u64,
}

impl Host for Counting {
    fn record(&mut self, record: Record<'_>) {
        self.records += 1;
        self.bytes += black_box(record.payload).map_or(0, <[u8]>::len) as u64;
    }

    fn publish(&mut self, _publish: Publish<'_>) {}
}

const NODES: u64 = 20;
const DEVICES: u64 = 5;
const METRICS: u64 = 10;

fn main() {
    let messages: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(500_000);
    for emit in [r#"["metric"]"#, r#"["message"]"#, r#"["flat"]"#] {
        run(emit, messages);
    }
}

fn run(emit: &str, messages: u64) {
    let options = serde_json::from_str(&format!("{{\"emit\":{emit}}}")).unwrap();
    let mut engine = Engine::new(options).unwrap();
    let mut host = Counting::default();
    let mut send = |topic: &str, payload: &[u8], host: &mut Counting| {
        let arrival = Arrival { broker: "plant", topic, payload, received_ms: 1_700_000_000_123, retain: false };
        engine.message(&arrival, host);
    };
    for node in 0..NODES {
        send(&format!("spBv1.0/plant/NBIRTH/node{node}"), &payload(0, &[]), &mut host);
        for device in 0..DEVICES {
            let names: Vec<String> = (0..METRICS).map(|at| format!("line/cell/drive/metric{at}")).collect();
            let bytes = payload(device + 1, &names);
            send(&format!("spBv1.0/plant/DBIRTH/node{node}/device{device}"), &bytes, &mut host);
        }
    }
    let topics: Vec<String> =
        (0..NODES * DEVICES).map(|at| format!("spBv1.0/plant/DDATA/node{}/device{}", at % NODES, at / NODES)).collect();
    let payloads: Vec<Vec<u8>> = (0..256).map(data).collect();
    host = Counting::default();
    let started = cpu_ns();
    for at in 0..messages {
        let seq = (at / NODES + DEVICES + 1) % 256;
        send(&topics[(at % (NODES * DEVICES)) as usize], &payloads[seq as usize], &mut host);
    }
    let each = (cpu_ns() - started) / messages;
    println!(
        "{emit:>12}: {each} ns a message, {} ns a metric, {} records, {} bytes a record",
        each / METRICS,
        host.records,
        host.bytes / host.records.max(1)
    );
}

/// Processor time of this process, in steps of 10 ms: other work on the machine does not count.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10_000_000
}

fn types(at: u64) -> (DataType, ValueOut<'static>) {
    match at % 5 {
        0 => (DataType::Int16, ValueOut::Int(0xFFFF_FF00 + at as u32)),
        1 => (DataType::Double, ValueOut::Double(21.375 + at as f64)),
        2 => (DataType::Boolean, ValueOut::Bool(true)),
        3 => (DataType::Float, ValueOut::Float(12.1)),
        _ => (DataType::Int64, ValueOut::Long(1_234_567)),
    }
}

/// A birth with these metrics; aliases from 0 on.
fn payload(seq: u64, names: &[String]) -> Vec<u8> {
    let mut encoder = Encoder::new(1_700_000_000_000);
    for (at, name) in (0..).zip(names) {
        let (datatype, value) = types(at);
        encoder.metric(MetricOut { name, alias: Some(at), timestamp_ms: 1_700_000_000_000, datatype, value });
    }
    with_seq(encoder.finish(), seq)
}

fn with_seq(mut bytes: Vec<u8>, seq: u64) -> Vec<u8> {
    bytes.extend([0x18, seq as u8 & 0x7F | 0x80, (seq >> 7) as u8]);
    bytes
}

/// Ten metrics by alias, with a time each and no type.
fn data(seq: u64) -> Vec<u8> {
    let mut bytes = vec![0x08, 0x80, 0xD0, 0x95, 0xFF, 0xBC, 0x31];
    for at in 0..METRICS {
        let mut metric = vec![0x10, at as u8, 0x18, 0x80, 0xD0, 0x95, 0xFF, 0xBC, 0x31];
        match types(at).1 {
            ValueOut::Int(number) => {
                metric.push(0x50);
                metric.extend([number as u8 | 0x80, 0xFE, 0xFF, 0xFF, 0x0F]);
            }
            ValueOut::Double(number) => {
                metric.push(0x69);
                metric.extend(number.to_le_bytes());
            }
            ValueOut::Float(number) => {
                metric.push(0x65);
                metric.extend(number.to_le_bytes());
            }
            ValueOut::Bool(flag) => metric.extend([0x70, u8::from(flag)]),
            ValueOut::Long(_) | ValueOut::Text(_) | ValueOut::Null => metric.extend([0x58, 0x87, 0xAD, 0x4B]),
        }
        bytes.extend([0x12, metric.len() as u8]);
        bytes.extend(metric);
    }
    with_seq(bytes, seq)
}
