//! Counts and reads at the sink: the only place where a run's messages are believed to have arrived.

use crate::failure::{Context, Tried};
use crate::kafka_end::PARTITIONS;
use crate::traffic;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// Longest wait for one answer of Kafka.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counts the records of one topic by its high watermarks, without reading them: the mock keeps only a few megabytes
/// of each partition, but never forgets how many there were.
pub struct Counter {
    consumer: BaseConsumer,
    topic: String,
}

impl Counter {
    /// Connects to the cluster.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn new(brokers: &str, topic: &str) -> Tried<Self> {
        Ok(Counter { consumer: consumer(brokers)?, topic: topic.to_owned() })
    }

    /// Records in the topic now.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn count(&self) -> Tried<u64> {
        let mut sum = 0;
        for partition in 0..PARTITIONS {
            let (_, high) =
                self.consumer.fetch_watermarks(&self.topic, partition, PATIENCE).context("count records")?;
            sum += u64::try_from(high).unwrap_or(0);
        }
        Ok(sum)
    }

    /// Waits until at least so many records are there, or the time is over; how many there are.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn wait_for(&self, expected: u64, patience: Duration) -> Tried<u64> {
        let until = Instant::now() + patience;
        loop {
            let count = self.count()?;
            if count >= expected || Instant::now() >= until {
                return Ok(count);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reads the records of one topic as they become readable, and how long each was under way.
pub struct StampReader {
    consumer: BaseConsumer,
}

impl StampReader {
    /// Starts at the end of the topic, and returns when that end is known, so that nothing later is missed.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn new(brokers: &str, topic: &str) -> Tried<Self> {
        let consumer = consumer(brokers)?;
        let mut places = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let (_, high) =
                consumer.fetch_watermarks(topic, partition, PATIENCE).context("find the end of the topic")?;
            places.add_partition_offset(topic, partition, Offset::Offset(high))?;
        }
        consumer.assign(&places)?;
        Ok(StampReader { consumer })
    }

    /// Nanoseconds under way of each record, in the order of reading, until `expected` are there or none came for
    /// `patience`. `epoch` is the moment from which the stamps in the payloads count.
    ///
    /// # Errors
    /// When reading fails.
    pub fn read(&self, expected: usize, epoch: Instant, patience: Duration) -> Tried<Vec<u64>> {
        let mut delays = Vec::with_capacity(expected);
        while delays.len() < expected {
            let record = match self.consumer.poll(patience) {
                Some(Ok(record)) => record,
                // A freshly made topic may not have reached every part of a real cluster.
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition))) => continue,
                Some(Err(error)) => return Err(error).context("read records"),
                None => break,
            };
            let now = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
            delays.extend(record.payload().and_then(traffic::stamped).map(|sent| now.saturating_sub(sent)));
        }
        Ok(delays)
    }
}

/// A consumer without a group that asks for new records every millisecond. The mock answers an empty fetch only when
/// its waiting time is over, so the time must be short; the same holds for the floor that latencies are compared with.
fn consumer(brokers: &str) -> Tried<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "bench").set("enable.auto.commit", "false");
    config.set("fetch.wait.max.ms", "1").set("fetch.queue.backoff.ms", "1").set("fetch.error.backoff.ms", "5");
    config.set("socket.nagle.disable", "true").set_log_level(RDKafkaLogLevel::Error);
    config.create().context("make a consumer")
}
