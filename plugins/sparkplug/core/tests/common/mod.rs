//! An edge node that writes with prost, and a host that notes what it is told.

#![expect(dead_code, reason = "each test uses its part")]

pub mod schema;

use prost::Message;
use serde_json::Value;
use tidegate_sparkplug::engine::{Arrival, Engine, Verdict};
use tidegate_sparkplug::host::{Durability, Host, Publish, Record};
use tidegate_sparkplug::options::{EnvelopeKind, Options};

pub use schema::{MetricValue as V, *};

/// A record as the host saw it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub envelope: EnvelopeKind,
    pub topic: Option<String>,
    pub key: String,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
    pub timestamp_ms: u64,
}

impl Kept {
    pub fn json(&self) -> Value {
        let payload = self.payload.as_ref().expect("no tombstone");
        serde_json::from_slice(payload).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(payload)))
    }
}

#[derive(Debug, Default)]
pub struct Notes {
    pub records: Vec<Kept>,
    pub published: Vec<(String, Vec<u8>, u8, bool)>,
    pub given_up: Vec<String>,
    pub memory: std::collections::BTreeMap<String, (Vec<u8>, bool)>,
}

impl Host for Notes {
    fn record(&mut self, record: Record<'_>) {
        self.records.push(Kept {
            envelope: record.envelope,
            topic: record.topic.map(Into::into),
            key: String::from_utf8_lossy(record.key).into(),
            payload: record.payload.map(Into::into),
            headers: record
                .headers
                .iter()
                .map(|header| (header.name.into(), String::from_utf8_lossy(header.value).into()))
                .collect(),
            timestamp_ms: record.timestamp_ms,
        });
    }

    fn publish(&mut self, publish: Publish<'_>) {
        self.published.push((publish.topic.into(), publish.payload.into(), publish.qos, publish.retain));
    }

    fn load(&mut self, key: &str) -> Option<Vec<u8>> {
        self.memory.get(key).map(|(value, _)| value.clone())
    }

    fn store(&mut self, key: &str, value: Option<&[u8]>, durability: Durability) {
        match value {
            Some(value) => {
                self.memory.insert(key.into(), (value.into(), durability == Durability::Durable));
            }
            None => drop(self.memory.remove(key)),
        }
    }

    fn given_up(&mut self, topic: &str, _payload: &[u8], _reason: &str) {
        self.given_up.push(topic.into());
    }
}

/// An engine with its host and a clock that the test moves.
pub struct Bench {
    pub engine: Engine,
    pub notes: Notes,
    pub now: u64,
}

impl Bench {
    pub fn new(options: &str) -> Self {
        let options: Options = serde_json::from_str(options).unwrap();
        Self { engine: Engine::new(options).unwrap(), notes: Notes::default(), now: 1_700_000_000_000 }
    }

    pub fn send(&mut self, topic: &str, payload: &Payload) -> Verdict {
        self.bytes(topic, &payload.encode_to_vec(), false)
    }

    pub fn bytes(&mut self, topic: &str, payload: &[u8], retain: bool) -> Verdict {
        let arrival = Arrival { broker: "plant", topic, payload, received_ms: self.now, retain };
        self.engine.message(&arrival, &mut self.notes)
    }

    pub fn tick(&mut self, ms: u64) {
        self.now += ms;
        self.engine.tick(self.now, &mut self.notes);
    }

    /// A new process with the same memory.
    pub fn restart(&mut self, options: &str) {
        self.engine.export(&mut self.notes);
        let options: Options = serde_json::from_str(options).unwrap();
        self.engine = Engine::new(options).unwrap();
    }

    pub fn take(&mut self, envelope: EnvelopeKind) -> Vec<Value> {
        let (taken, kept) = std::mem::take(&mut self.notes.records).into_iter().partition(|r| r.envelope == envelope);
        self.notes.records = kept;
        let taken: Vec<Kept> = taken;
        taken.iter().map(Kept::json).collect()
    }

    /// `metric=value` of all metric records, and forgets them.
    pub fn values(&mut self) -> Vec<String> {
        let all = self.take(EnvelopeKind::Metric);
        all.iter().map(|r| format!("{}={}", r["metric"].as_str().unwrap_or("null"), r["value"])).collect()
    }

    /// Events of all lifecycle records, and forgets them.
    pub fn events(&mut self) -> Vec<String> {
        let all = self.take(EnvelopeKind::Lifecycle);
        all.iter()
            .map(|r| match r["device"].as_str() {
                Some(device) => format!("{} {device}", r["event"].as_str().unwrap()),
                None => r["event"].as_str().unwrap().to_owned(),
            })
            .collect()
    }

    pub fn published(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes.published).into_iter().map(|(topic, ..)| topic).collect()
    }
}

pub fn named(name: &str, alias: Option<u64>, datatype: u32, value: V) -> Metric {
    Metric { name: Some(name.into()), alias, datatype: Some(datatype), metric_value: Some(value), ..Metric::default() }
}

pub fn by_alias(alias: u64, value: V) -> Metric {
    Metric { alias: Some(alias), metric_value: Some(value), ..Metric::default() }
}

pub fn payload(seq: u64, metrics: Vec<Metric>) -> Payload {
    Payload { timestamp: Some(1_600_000_000_000 + seq), metrics, seq: Some(seq), ..Payload::default() }
}

pub fn bdseq(number: u64) -> Metric {
    named("bdSeq", None, 4, V::LongValue(number))
}

pub fn nbirth(seq: u64, session: u64, mut metrics: Vec<Metric>) -> Payload {
    metrics.insert(0, bdseq(session));
    metrics.push(named("Node Control/Rebirth", None, 11, V::BooleanValue(false)));
    payload(seq, metrics)
}

pub fn ndeath(session: u64) -> Payload {
    Payload { metrics: vec![bdseq(session)], ..Payload::default() }
}
