//! What the tests of this folder share: values, and `Bed`, a producer on a mock cluster.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::Producer;
use super::letter::Letter;
use super::outstanding::Debt;
use crate::ack::{AckToken, Desk, FailureKind, Report, RuleNo, Settlement, Slot, SourceNo};
use crate::config::{ClusterConfig, Compression, OnTopicRefused};
use crate::message::{Headers, Record};
use crate::meters::Meters;
use crate::seam::{Shipment, Sink};
use crate::topic::{ClusterNo, KafkaTopic, KafkaTopics, TopicName};

/// A cluster at `brokers` with the usual settings.
pub(super) fn cluster(brokers: &str) -> ClusterConfig {
    ClusterConfig {
        name: "main".into(),
        brokers: vec![brokers.into()],
        linger: Duration::from_millis(1),
        compression: Compression::None,
        tls: None,
        sasl: None,
        properties: BTreeMap::new(),
        on_topic_refused: OnTopicRefused::Hold,
        topics_max: 100,
        queue_bytes: 64 << 20,
    }
}

/// No topic named yet.
pub(super) fn topics() -> KafkaTopics {
    KafkaTopics::new(ClusterNo(0), 100)
}

/// A record of `topic`.
pub(super) fn record(topic: &KafkaTopic, key: &str, payload: &str) -> Record {
    let headers = Headers {
        topic: TopicName::parse(Bytes::from_static(b"a/b")).unwrap(),
        properties: None,
        rule: [].into(),
        own: Vec::new(),
    };
    Record {
        topic: topic.clone(),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        payload: Some(Bytes::copy_from_slice(payload.as_bytes())),
        headers,
        timestamp_ms: 1_700_000_000_123,
    }
}

/// A letter of `topic` with the given place in the order.
pub(super) fn letter(topic: &KafkaTopic, turn: u64) -> Letter {
    Letter::fresh(record(topic, "k", "v"), Debt { opaque: turn, turn, timestamp_ms: 0, topic: topic.id })
}

/// Nothing here takes that long unless it hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// A mock cluster with topic `t`, a producer for it, and a source that waits for settlements.
pub(super) struct Bed {
    pub(super) mock: MockCluster<'static, DefaultProducerContext>,
    pub(super) partitions: i32,
    pub(super) producer: Arc<Producer>,
    pub(super) meters: Arc<Meters>,
    pub(super) topics: KafkaTopics,
    pub(super) desk: &'static Desk,
    pub(super) woken: Receiver<()>,
    pub(super) outbox: VecDeque<Shipment>,
    pub(super) slots: u64,
}

/// A record as a consumer sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) partition: i32,
    pub(super) key: Option<String>,
    pub(super) payload: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) timestamp_ms: Option<i64>,
}

impl Bed {
    pub(super) fn new(partitions: i32, change: impl FnOnce(&mut ClusterConfig)) -> Self {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("t", partitions, 1).unwrap();
        let mut config = cluster(&mock.bootstrap_servers());
        change(&mut config);
        let (wake, woken) = channel();
        let desk = Desk::open(SourceNo::new(0).unwrap(), move || {
            let _nobody_waits = wake.send(());
        });
        let meters = Arc::new(Meters::default());
        let producer = Producer::start(&config, ClusterNo(0), vec![desk], meters.clone()).unwrap();
        Self { mock, partitions, producer, meters, topics: topics(), desk, woken, outbox: VecDeque::new(), slots: 0 }
    }

    pub(super) fn token(&mut self) -> AckToken {
        self.slots += 1;
        self.desk.token(Slot(self.slots), RuleNo::new(3).unwrap())
    }

    pub(super) fn put(&mut self, record: Record) {
        let token = self.token();
        self.outbox.push_back(Shipment { record, token });
    }

    /// `count` records over `keys` keys, numbered in order; hands them over in pieces of a batch's size.
    pub(super) fn send_numbered(&mut self, count: usize, keys: usize) {
        let topic = self.topics.intern("t").unwrap();
        for number in 0..count {
            self.put(record(&topic, &format!("k{}", number % keys), &number.to_string()));
            if self.outbox.len() >= 100 {
                self.producer.send(&mut self.outbox);
            }
        }
    }

    /// Waits for `count` settlements, offering again what was not taken.
    pub(super) fn settlements(&mut self, count: usize) -> Vec<Report> {
        let (mut all, mut some, end) = (Vec::new(), Vec::new(), Instant::now() + PATIENCE);
        while all.len() < count {
            assert!(
                Instant::now() < end,
                "{} of {count} settled: {all:?} {:?} {:?}",
                all.len(),
                self.producer.state().parked(),
                self.producer.state().book()
            );
            self.producer.send(&mut self.outbox);
            let _or_look_again = self.woken.recv_timeout(Duration::from_millis(5));
            self.desk.collect(&mut some);
            all.append(&mut some);
        }
        assert_eq!(all.len(), count, "{all:?}");
        all
    }

    pub(super) fn fail_produce(&self, codes: &[Code]) {
        self.mock.request_errors(RDKafkaApiKey::Produce, codes);
    }

    /// Reads topic `t` until `enough` says so.
    pub(super) fn consume_until(&self, mut enough: impl FnMut(&[Seen]) -> bool) -> Vec<Seen> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.mock.bootstrap_servers())
            .set("group.id", "not used")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..self.partitions {
            all.add_partition_offset("t", partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let (mut seen, end) = (Vec::new(), Instant::now() + PATIENCE);
        while !enough(&seen) {
            assert!(Instant::now() < end, "{} records seen", seen.len());
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                seen.push(Seen::of(&message.unwrap()));
            }
        }
        seen
    }

    pub(super) fn consume(&self, count: usize) -> Vec<Seen> {
        self.consume_until(|seen| seen.len() >= count)
    }

    /// All of 0 to `count` are there, and the first occurrences of each key are in order.
    pub(super) fn check_numbered(&self, count: usize, keys: usize) {
        let mut wanted: HashMap<usize, usize> = (0..keys).map(|key| (key, key)).collect();
        let mut looked_at = 0;
        self.consume_until(|seen| {
            for next in &seen[looked_at..] {
                let number: usize = next.payload.as_ref().unwrap().parse().unwrap();
                let wanted = wanted.get_mut(&(number % keys)).unwrap();
                assert!(number <= *wanted, "{number} came before {wanted}");
                if number == *wanted {
                    *wanted += keys;
                }
            }
            looked_at = seen.len();
            wanted.values().all(|wanted| *wanted >= count)
        });
    }
}

impl Seen {
    pub(super) fn of(message: &rdkafka::message::BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = message.headers().map_or(Vec::new(), |headers| {
            headers.iter().map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect()
        });
        Self {
            partition: message.partition(),
            key: message.key().map(text),
            payload: message.payload().map(text),
            headers,
            timestamp_ms: message.timestamp().to_millis(),
        }
    }
}

pub(super) fn all_delivered(reports: &[Report]) -> bool {
    reports.iter().all(|report| matches!(report.settlement, Settlement::Delivered))
}

pub(super) fn failures(reports: &[Report]) -> Vec<(u64, FailureKind)> {
    let failed = reports.iter().filter_map(|report| match &report.settlement {
        Settlement::Failed(failure) => Some((report.slot.0, failure.kind)),
        _ => None,
    });
    failed.collect()
}

pub(super) fn wait_for(mut it: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !it() {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
}
