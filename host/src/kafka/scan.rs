//! Reads one topic from its beginning to where it ended when the reading began.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::options;
use crate::config::ClusterConfig;

/// One reading of a topic. Sees only what committed transactions wrote.
pub struct Scan {
    consumer: BaseConsumer,
    /// Partition by partition: where it ended when the reading began; none is done.
    ends: Vec<Option<i64>>,
    /// Longest silence of the cluster.
    silence_max: Duration,
}

/// One record as it stands in Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since 1970; 0 where the record has none.
    pub timestamp_ms: u64,
}

impl Scan {
    /// Starts to read `topic` of the cluster.
    ///
    /// # Errors
    /// Where the cluster does not answer within `silence_max`, or has no such topic.
    pub fn start(config: &ClusterConfig, topic: &str, silence_max: Duration) -> Result<Self, ScanError> {
        let consumer: BaseConsumer = options::consumer(config).create().map_err(ScanError::Consumer)?;
        let ends = ends(&consumer, topic, silence_max)?;
        let mut partitions = TopicPartitionList::new();
        let mut open = Vec::with_capacity(ends.len());
        for (partition, (first, end)) in (0_i32..).zip(ends) {
            open.push((first < end).then_some(end));
            if first < end {
                let added = partitions.add_partition_offset(topic, partition, Offset::Beginning);
                added.map_err(ScanError::Consumer)?;
            }
        }
        consumer.assign(&partitions).map_err(ScanError::Consumer)?;
        Ok(Self { consumer, ends: open, silence_max })
    }

    /// The next record, each partition's in order; none at the end.
    ///
    /// # Errors
    /// Where the cluster is silent for too long or the records were trimmed meanwhile.
    pub fn next_record(&mut self) -> Result<Option<Found>, ScanError> {
        let mut heard = Instant::now();
        while self.ends.iter().any(Option::is_some) {
            match self.consumer.poll(Duration::from_millis(200)) {
                Some(Ok(record)) => {
                    let end = self.ends.get_mut(usize::try_from(record.partition()).unwrap_or(usize::MAX));
                    let Some(end) = end else { continue };
                    let Some(limit) = *end else { continue };
                    if record.offset() + 1 >= limit {
                        *end = None;
                    }
                    if record.offset() < limit {
                        return Ok(Some(found(&record)));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(end) = self.ends.get_mut(usize::try_from(partition).unwrap_or(usize::MAX)) {
                        *end = None;
                    }
                }
                Some(Err(error)) if super::reader::is_trimmed(&error) => return Err(ScanError::Trimmed(error)),
                Some(Err(error)) if heard.elapsed() > self.silence_max => return Err(ScanError::Silent(Some(error))),
                None if heard.elapsed() > self.silence_max => return Err(ScanError::Silent(None)),
                Some(Err(_)) | None => continue,
            }
            heard = Instant::now();
        }
        Ok(None)
    }
}

/// First and end offset of each partition.
fn ends(consumer: &BaseConsumer, topic: &str, wait: Duration) -> Result<Vec<(i64, i64)>, ScanError> {
    let metadata = consumer.fetch_metadata(Some(topic), wait).map_err(|error| ScanError::Silent(Some(error)))?;
    let known = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none());
    let count = known.map_or(0, |known| known.partitions().len());
    if count == 0 {
        return Err(ScanError::NoTopic(topic.into()));
    }
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let of = |partition| consumer.fetch_watermarks(topic, partition, wait);
    (0..count).map(of).collect::<Result<_, _>>().map_err(|error| ScanError::Silent(Some(error)))
}

fn found(record: &rdkafka::message::BorrowedMessage<'_>) -> Found {
    let headers = record.headers().map(|headers| {
        let header = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_owned())
        };
        headers.iter().map(header).collect()
    });
    Found {
        partition: record.partition(),
        offset: record.offset(),
        key: record.key().map(Into::into),
        payload: record.payload().map(Into::into),
        headers: headers.unwrap_or_default(),
        timestamp_ms: record.timestamp().to_millis().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
    }
}

/// Why a topic could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("open a Kafka consumer")]
    Consumer(#[source] KafkaError),
    #[error("the cluster has no topic `{0}`")]
    NoTopic(String),
    #[error("read the topic: the cluster does not answer")]
    Silent(#[source] Option<KafkaError>),
    #[error("read the topic: the cluster trimmed records before they were read")]
    Trimmed(#[source] KafkaError),
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    use super::super::mock::MockKafka;
    use super::super::testing::cluster;
    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    #[test]
    fn a_topic_is_read_to_where_it_ended() {
        let kafka = MockKafka::start(&[("a", 3)]).unwrap();
        let servers = kafka.bootstrap_servers();
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
        for (partition, payload) in [(0, "1"), (2, "2"), (2, "3")] {
            producer.send(BaseRecord::to("a").partition(partition).payload(payload).key("k")).unwrap();
        }
        producer.flush(WAIT).unwrap();
        let mut scan = Scan::start(&cluster(&servers), "a", WAIT).unwrap();
        producer.send(BaseRecord::to("a").partition(2).payload("late").key("k")).unwrap();
        producer.flush(WAIT).unwrap();
        let mut seen = Vec::new();
        while let Some(found) = scan.next_record().unwrap() {
            seen.push((found.partition, found.offset, found.payload.unwrap()));
        }
        seen.sort();
        assert_eq!(seen, [(0, 0, b"1".to_vec()), (2, 0, b"2".to_vec()), (2, 1, b"3".to_vec())]);
    }

    #[test]
    fn a_topic_that_is_not_there_is_told() {
        let kafka = MockKafka::start(&[("a", 1)]).unwrap();
        let error = Scan::start(&cluster(&kafka.bootstrap_servers()), "", WAIT).err();
        assert!(error.is_some());
    }
}
