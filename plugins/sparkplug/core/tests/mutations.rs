//! Payloads broken at random: nothing panics, hangs or grows, and every record is whole JSON.
//!
//! `SPARKPLUG_MUTATIONS` gives how many; 100,000 unless told.

mod common;

use common::*;
use prost::Message;
use tidegate_sparkplug::engine::{Arrival, Engine};
use tidegate_sparkplug::host::{Host, Publish, Record};

const TYPES: [&str; 8] = ["NBIRTH", "NDEATH", "NDATA", "NCMD", "DBIRTH", "DDEATH", "DDATA", "DCMD"];
const OPTIONS: [&str; 4] = [
    r#"{"emit":["metric","message","flat","raw","lifecycle","catalog"],"commands":"emit"}"#,
    r#"{"emit":["metric",{"envelope":"message","profile":"tahu"}],"role":"active","reorder_timeout":"1s",
        "reorder_policy":"hold_and_release","dataset":"explode","template":"per_member","births_emit":"changed_only"}"#,
    r#"{"emit":["metric","flat"],"unresolved":"emit_raw","nan":"string","int64":"string","datetime":"rfc3339",
        "properties":"flat","template":"flatten","dataset":"rows","reorder_timeout":"1s"}"#,
    r#"{"emit":[{"envelope":"metric","profile":"simple","key":"metric","topic":"{group}.{metric}"},"lifecycle"],
        "unresolved":"dead_letter","stale_emit":"per_metric","ndeath_without_bdseq":"accept"}"#,
];

struct Random(u64);

impl Random {
    fn below(&mut self, range: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % range.max(1)
    }
}

#[derive(Default)]
struct Checking {
    records: u64,
    bytes: usize,
}

impl Host for Checking {
    fn record(&mut self, record: Record<'_>) {
        self.records += 1;
        let payload = record.payload.unwrap_or_default();
        self.bytes += payload.len();
        let json = record.headers.iter().any(|header| header.value == b"application/json");
        if json && record.payload.is_some() && self.records.is_multiple_of(16) {
            let text = std::str::from_utf8(payload).expect("UTF-8");
            serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
    }

    fn publish(&mut self, _publish: Publish<'_>) {}
}

/// Everything that a payload can hold.
fn seeds() -> Vec<Vec<u8>> {
    let mut metrics: Vec<Metric> = (1..=34)
        .map(|datatype| {
            let value = match datatype {
                1..=3 | 5..=7 => V::IntValue(7),
                4 | 8 | 13 => V::LongValue(7),
                9 => V::FloatValue(f32::NAN),
                10 => V::DoubleValue(1.5),
                11 => V::BooleanValue(true),
                12 | 14 | 15 => V::StringValue(b"text".to_vec()),
                16 => V::DatasetValue(table()),
                19 => V::TemplateValue(template(false)),
                _ => V::BytesValue(vec![8, 0, 0, 0, 0x55, 0, 0, 0]),
            };
            named(&format!("m{datatype}"), Some(u64::from(datatype)), datatype, value)
        })
        .collect();
    metrics[0].properties = Some(properties(3));
    metrics[1].metadata = Some(MetaData { file_name: Some(b"f".to_vec()), size: Some(3), ..MetaData::default() });
    metrics.push(named("_types_/T", None, 19, V::TemplateValue(template(true))));
    let by_alias: Vec<Metric> = metrics
        .iter()
        .map(|metric| Metric { name: None, datatype: None, ..metric.clone() })
        .filter(|metric| metric.alias.is_some())
        .collect();
    let compressed = Payload {
        uuid: Some(b"SPBV1.0_COMPRESSED".to_vec()),
        body: Some(deflated(&nbirth(0, 1, metrics.clone()).encode_to_vec())),
        ..Payload::default()
    };
    let payloads = [nbirth(0, 1, metrics), payload(1, by_alias), ndeath(1), compressed];
    payloads.iter().map(Message::encode_to_vec).collect()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn table() -> DataSet {
    let cell = |value| Cell { value: Some(value) };
    DataSet {
        num_of_columns: Some(2),
        columns: vec![b"timestamps".to_vec(), b"values".to_vec()],
        types: vec![13, 10],
        rows: vec![Row { elements: vec![cell(CellValue::LongValue(5)), cell(CellValue::DoubleValue(2.0))] }; 3],
    }
}

fn template(is_definition: bool) -> Template {
    let inner = Template { template_ref: Some(b"T".to_vec()), ..Template::default() };
    Template {
        version: Some(b"1".to_vec()),
        metrics: vec![named("RPM", None, 3, V::IntValue(5)), named("sub", None, 19, V::TemplateValue(inner))],
        parameters: vec![Parameter {
            name: Some(b"p".to_vec()),
            r#type: Some(12),
            value: Some(ParameterValue::StringValue(b"x".to_vec())),
        }],
        template_ref: (!is_definition).then(|| b"T".to_vec()),
        is_definition: Some(is_definition),
    }
}

fn properties(depth: u32) -> PropertySet {
    let quality = PropertyValue { r#type: Some(3), is_null: None, value: Some(PropertyContent::IntValue(192)) };
    let mut set = PropertySet { keys: vec![b"Quality".to_vec()], values: vec![quality] };
    if depth > 0 {
        set.keys.push(b"inner".to_vec());
        let value = Some(PropertyContent::Set(properties(depth - 1)));
        set.values.push(PropertyValue { r#type: Some(20), is_null: None, value });
    }
    set
}

fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.below(256) as u8),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let upto = (from + random.below(40)).min(other.len());
                drop(bytes.splice(at..at, other[from..upto].iter().copied()));
            }
            4 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            _ if !bytes.is_empty() => bytes[at] = random.below(256) as u8,
            _ => {}
        }
    }
    bytes
}

#[test]
fn mutated_payloads_do_no_harm() {
    let count: u64 = std::env::var("SPARKPLUG_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let seeds = seeds();
    let mut random = Random(0x5EED_CAFE_F00D_0001);
    let mut engines: Vec<Engine> =
        OPTIONS.iter().map(|options| Engine::new(serde_json::from_str(options).unwrap()).unwrap()).collect();
    let mut host = Checking::default();
    for step in 0..count {
        let payload = mutate(&mut random, &seeds);
        let kind = TYPES[random.below(TYPES.len())];
        let device = if kind.starts_with('D') { "/D" } else { "" };
        let topic = format!("spBv1.0/G/{kind}/E{}{device}", random.below(3));
        let received_ms = 1_700_000_000_000 + step;
        let retain = random.below(50) == 0;
        let engine = &mut engines[(step % 4) as usize];
        let arrival = Arrival { broker: "b", topic: &topic, payload: &payload, received_ms, retain };
        host.bytes = 0;
        engine.message(&arrival, &mut host);
        assert!(host.bytes < 64 << 20, "{} bytes of records", host.bytes);
        if step % 64 == 0 {
            engine.tick(received_ms, &mut host);
            engine.export(&mut host);
            assert!(engine.memory_bytes() < 64 << 20);
        }
    }
    assert!(host.records > 0);
}
