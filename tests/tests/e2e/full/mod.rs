//! Real Mosquitto, real Apache Kafka, the real program, judged by the oracle. What fails on purpose is in the fault matrix
//! (`cargo xtask faults`).

mod delivery;
mod dlq;
mod plugins;
mod servers;

use std::time::Duration;

use tidegate_tests::bridge::Bridge;
use tidegate_tests::guests::component;
use tidegate_tests::kafka::{Access, Kafka};
use tidegate_tests::mosquitto::{Mosquitto, PASSWORD, Settings, USER};
use tidegate_tests::payload::MessageId;
use tidegate_tests::publish::{Load, Published, Publishing};
use tidegate_tests::read::Reader;
use tidegate_tests::verdict::{Expected, Oracle, Verdict};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const KAFKA_TOPICS: [(&str, i32); 3] = [("archive", 12), ("temp", 6), ("alarms", 3)];

/// Three rules, one of them with a plugin; one covers the filters of the others.
pub(crate) const RULES: &str = r#"
[[rule]]
name = "archive"
from = ["plant/#"]
qos = 2
to = { topic = "archive" }
[[rule]]
name = "temperature"
from = ["plant/{line}/{machine}/temp"]
qos = 2
via = ["identity"]
to = { topic = "temp", key = "{machine}", headers = { line = "{line}" } }
[[rule]]
name = "alarms"
from = ["plant/+/{machine}/alarm"]
qos = 2
to = { topic = "alarms", key = "{machine}", headers = { rule = "{rule}" } }
"#;

/// Half of the messages are temperatures, an eighth alarms, the rest only for the archive.
fn mqtt_topic(id: MessageId) -> String {
    let kind = match id.sequence % 8 {
        0 | 2 | 4 | 6 => "temp",
        1 => "alarm",
        _ => "status",
    };
    format!("plant/l{}/m{}/{kind}", id.publisher % 10, id.publisher)
}

fn expected(id: MessageId, mqtt_topic: &str) -> Vec<Expected> {
    let (line, machine) = (format!("l{}", id.publisher % 10), format!("m{}", id.publisher));
    let mut all = vec![Expected::plain("archive", mqtt_topic)];
    if mqtt_topic.ends_with("/temp") {
        all.push(Expected::plain("temp", mqtt_topic).key(&machine).header("line", &line));
    }
    if mqtt_topic.ends_with("/alarm") {
        all.push(Expected::plain("alarms", mqtt_topic).key(&machine).header("rule", "alarms"));
    }
    all
}

/// What a test may want different.
pub(crate) struct Plan {
    pub(crate) access: Access,
    pub(crate) tls: bool,
    pub(crate) settings: Settings,
    /// Beneath `[mqtt.plant]`.
    pub(crate) mqtt: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Self { access: Access::Plain, tls: false, settings: Settings::default(), mqtt: "" }
    }
}

/// Both servers and the bridge between them.
pub(crate) struct Plant {
    pub(crate) kafka: Kafka,
    pub(crate) mosquitto: Mosquitto,
    pub(crate) bridge: Bridge,
}

impl Plant {
    pub(crate) fn start(plan: Plan) -> Self {
        let kafka = Kafka::start_with(plan.access);
        kafka.client().create_topics(&KAFKA_TOPICS);
        let mosquitto = Mosquitto::start(plan.settings);
        let mqtt = format!("client_id = \"bridge\"\n{}", plan.mqtt);
        let source = if plan.tls { mosquitto.tls_table(&mqtt) } else { mosquitto.table(&mqtt) };
        let mut bridge = Bridge::new(&format!("{source}\n{}", kafka.table()), RULES);
        bridge.add_plugin("identity", &component("identity"));
        bridge.start();
        Self { kafka, mosquitto, bridge }
    }

    /// 100 publishers with `messages` together.
    pub(crate) fn load(&self, messages: u32) -> Load {
        let mut load = Load::new(self.mosquitto.port, messages / 100, mqtt_topic);
        load.login = self.mosquitto.settings.password.then_some((USER, PASSWORD));
        load
    }

    /// Waits for the publishers and then until everything they were promised is in Kafka, and judges it.
    pub(crate) fn judge(&self, load: &Load, publishing: Publishing) -> (Published, Verdict) {
        let published = publishing.finish();
        let topics = KAFKA_TOPICS.map(|(topic, _)| topic);
        let mut reader = Reader::open(&self.kafka.client(), &topics);
        let mut oracle = Oracle::new(load.topic.clone(), load.payload_bytes, reader.partitions(), Box::new(expected));
        let wanted = oracle.wanted(&published);
        let mut quiet = std::time::Instant::now();
        while oracle.distinct() < wanted && quiet.elapsed() < PATIENCE {
            if reader.catch_up(|record| oracle.take(&record)) > 0 {
                quiet = std::time::Instant::now();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.bridge.wait_metric("tidegate_inflight_messages", &[], PATIENCE, |count| count < 0.5);
        reader.catch_up(|record| oracle.take(&record));
        let verdict = oracle.judge(&published);
        println!("{} messages in {:?}, {} resent: {verdict}", published.sent(), published.took, published.resent);
        assert_eq!(published.unmatched, 0, "the broker had no subscription for some messages");
        (published, verdict)
    }

    /// At rest and without restart: received = acknowledged + in flight + abandoned.
    pub(crate) fn assert_accounts(&mut self) {
        let metrics = self.bridge.metrics();
        let of = |name: &str| metrics.sum(name, &[("source", "plant")]);
        let received = of("tidegate_messages_received_total");
        let acknowledged = of("tidegate_messages_acknowledged_total");
        let rest = of("tidegate_inflight_messages") + of("tidegate_messages_abandoned_total");
        assert!(
            (received - acknowledged - rest).abs() < 0.5,
            "{received} received, {acknowledged} acknowledged, {rest}"
        );
        let memory_bytes = self.bridge.process().memory_bytes().unwrap_or(0);
        println!("bridge: {received} received, {} MiB resident", memory_bytes >> 20);
    }
}
