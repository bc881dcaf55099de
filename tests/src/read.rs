//! Reads every record of some topics from the beginning, by partition in offset order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::KafkaAccess;

const PATIENCE: Duration = Duration::from_secs(30);

/// One record as a consumer sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    /// In record order.
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp_ms: Option<i64>,
}

impl Record {
    /// The first header of this name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|header| header.0 == name)?;
        Some(String::from_utf8_lossy(&found.1).into_owned())
    }

    /// Key as text; `None` where it is absent.
    #[must_use]
    pub fn key_text(&self) -> Option<String> {
        self.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned())
    }

    /// Payload as text; empty for a tombstone.
    #[must_use]
    pub fn payload_text(&self) -> String {
        String::from_utf8_lossy(self.payload.as_deref().unwrap_or_default()).into_owned()
    }
}

/// A reader that remembers how far it is.
pub struct Reader {
    access: KafkaAccess,
    consumer: BaseConsumer,
    /// Topic and partition to the offset that comes next.
    next: BTreeMap<(String, i32), i64>,
}

impl Reader {
    /// Stands at the beginning of all partitions of `topics`.
    ///
    /// # Panics
    /// Where the cluster does not answer or a topic is missing.
    #[must_use]
    pub fn open(access: &KafkaAccess, topics: &[&str]) -> Self {
        let consumer = consumer(access);
        let mut next = BTreeMap::new();
        for topic in topics {
            for partition in 0..partitions(&consumer, topic) {
                next.insert(((*topic).to_owned(), partition), 0);
            }
        }
        assign(&consumer, &next);
        Self { access: access.clone(), consumer, next }
    }

    /// Goes on with a new client: after an outage the old one may take a minute to find back to a mock cluster.
    ///
    /// # Panics
    /// As `open`.
    pub fn renew(&mut self) {
        self.consumer = consumer(&self.access);
        assign(&self.consumer, &self.next);
    }

    /// How many partitions each topic has.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<String, i32> {
        let mut counts = BTreeMap::new();
        for (topic, _) in self.next.keys() {
            *counts.entry(topic.clone()).or_insert(0) += 1;
        }
        counts
    }

    /// Hands on every record up to the ends that the partitions have now; says how many.
    ///
    /// # Panics
    /// Where the cluster does not answer or the ends are not reached in time.
    pub fn catch_up(&mut self, mut take: impl FnMut(Record)) -> u64 {
        let ends = self.ends();
        let (mut count, mut moved) = (0, Instant::now());
        while self.behind(&ends) {
            assert!(moved.elapsed() < PATIENCE, "the reader gets nothing more although there is something");
            if let Some(record) = self.poll() {
                (count, moved) = (count + 1, Instant::now());
                take(record);
            }
        }
        count
    }

    /// All records up to the present ends.
    ///
    /// # Panics
    /// As `catch_up`.
    pub fn all(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        self.catch_up(|record| records.push(record));
        records
    }

    /// Reads until `count` records came or `patience` is over, whichever is first.
    ///
    /// # Panics
    /// As `catch_up`.
    pub fn wait_for(&mut self, count: usize, patience: Duration) -> Vec<Record> {
        let end = Instant::now() + patience;
        let mut records = Vec::new();
        while records.len() < count && Instant::now() < end {
            records.extend(self.poll());
        }
        records
    }

    fn ends(&self) -> BTreeMap<(String, i32), i64> {
        let end_of = |(topic, partition): &(String, i32)| {
            self.consumer.fetch_watermarks(topic, *partition, PATIENCE).expect("Kafka tells its ends").1
        };
        self.next.keys().map(|place| (place.clone(), end_of(place))).collect()
    }

    fn behind(&self, ends: &BTreeMap<(String, i32), i64>) -> bool {
        self.next.iter().any(|(place, next)| *next < ends[place])
    }

    /// The next record, if one comes within a moment.
    pub fn poll(&mut self) -> Option<Record> {
        let message = match self.consumer.poll(Duration::from_millis(50))? {
            Ok(message) => record(&message),
            // Broker down or changing: librdkafka tries again by itself, and the callers have a limit.
            Err(_) => return None,
        };
        self.next.insert((message.topic.clone(), message.partition), message.offset + 1);
        Some(message)
    }
}

fn consumer(access: &KafkaAccess) -> BaseConsumer {
    let mut config = access.config();
    config.set("group.id", "tidegate-tests").set("enable.auto.commit", "false");
    config.set("auto.offset.reset", "earliest").set("fetch.wait.max.ms", "20");
    config.set("check.crcs", "true").set("reconnect.backoff.max.ms", "500");
    config.create().expect("a consumer")
}

/// `next` holds the offset of the record that comes next; 0 is the beginning.
fn assign(consumer: &BaseConsumer, next: &BTreeMap<(String, i32), i64>) {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in next {
        let offset = if *offset == 0 { Offset::Beginning } else { Offset::Offset(*offset) };
        list.add_partition_offset(topic, *partition, offset).expect("a fresh list takes it");
    }
    consumer.assign(&list).expect("partitions can be assigned");
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("Kafka answers");
    let count = metadata.topics().first().map_or(0, |found| found.partitions().len());
    assert!(count > 0, "topic {topic} has no partitions");
    i32::try_from(count).expect("few partitions")
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let mut headers = Vec::new();
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        headers.push((header.key.to_owned(), header.value.unwrap_or_default().to_vec()));
    }
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers,
        timestamp_ms: message.timestamp().to_millis(),
    }
}
