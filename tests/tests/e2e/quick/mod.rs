//! No server: what the broker and Kafka do is scripted.

mod ack_order;
mod config_errors;
mod dead_letter;
mod drain;
mod explain;
mod fan_out;
mod hostile_guest;
mod link;
mod plugin_cases;
mod qos_2;
mod reload;
mod sparkplug;

use std::time::Duration;

use tidegate_tests::bridge::Bridge;
use tidegate_tests::mock::Mock;
use tidegate_tests::read::{Reader, Record};
use tidegate_tests::scripted::{Script, ScriptedBroker, pubacks};

/// Long enough for a busy machine; nothing waits that long where all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A scripted broker, a mock Kafka and the bridge between them.
pub(crate) struct Bed {
    pub(crate) broker: ScriptedBroker,
    pub(crate) mock: Mock,
    pub(crate) bridge: Bridge,
}

impl Bed {
    /// Starts all three: `mqtt` goes beneath `[mqtt.plant]`, `more` holds further tables.
    pub(crate) fn start(topics: &[(&str, i32)], mqtt: &str, more: &str, rules: &str) -> Self {
        let mut bed = Self::prepared(topics, mqtt, more, rules);
        bed.bridge.start();
        bed
    }

    /// As `start`, with the bridge not started yet.
    pub(crate) fn prepared(topics: &[(&str, i32)], mqtt: &str, more: &str, rules: &str) -> Self {
        let broker = ScriptedBroker::start(Script::default());
        let mock = Mock::start(topics);
        let tables = format!("{}\n{}\n{more}", broker.table(mqtt), mock.table());
        let bridge = Bridge::new(&tables, rules);
        Self { broker, mock, bridge }
    }

    /// One rule that copies `a/#` to the Kafka topic `t`, which has one partition.
    pub(crate) fn copying(mqtt: &str, more: &str) -> Self {
        Self::start(&[("t", 1)], mqtt, more, COPY)
    }

    /// Sends one message of each packet id on topic `a/x`; its payload is its id.
    pub(crate) fn publish_ids(&self, ids: impl IntoIterator<Item = u16>) {
        for id in ids {
            self.broker.publish("a/x", id.to_string().as_bytes(), 1, id);
        }
    }

    /// Waits until `connection` has acknowledged `count` messages, and gives their ids in order.
    pub(crate) fn wait_pubacks(&self, connection: usize, count: usize) -> Vec<u16> {
        let what = format!("{count} PUBACKs on connection {connection}");
        self.broker.wait(&what, PATIENCE, |log| pubacks(log, connection).len() >= count);
        self.broker.pubacks(connection)
    }

    /// Everything in these topics now.
    pub(crate) fn records(&self, topics: &[&str]) -> Vec<Record> {
        Reader::open(&self.mock.client(), topics).all()
    }

    /// The payloads in one topic as text, in order; for topics with one partition.
    pub(crate) fn payloads(&self, topic: &str) -> Vec<String> {
        self.records(&[topic]).iter().map(Record::payload_text).collect()
    }
}

pub(crate) const COPY: &str = r#"
[[rule]]
name = "copy"
from = ["a/#"]
to = { topic = "t" }
"#;

pub(crate) const DEAD_LETTERS: &str = "[dead_letter]\nkafka = \"main\"\ntopic = \"dlq\"\n";
