//! Reads topics back from their beginning, as they grow, to count at the sink what really arrived.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// A consumer of all partitions of some topics, outside any group.
pub struct Reader {
    consumer: BaseConsumer,
}

/// One record as it stands in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
}

impl Reader {
    /// Reads `topics`, given with their partition counts, from the beginning.
    ///
    /// # Errors
    /// Where librdkafka cannot make the consumer.
    pub fn open(bootstrap_servers: &str, topics: &[(&str, i32)]) -> Result<Self, ReadError> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap_servers)
            .set("group.id", "tidegate-reader")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error") // records that were trimmed unread must not go unnoticed
            .set("fetch.wait.max.ms", "20")
            .create()
            .map_err(ReadError::Open)?;
        let mut partitions = TopicPartitionList::new();
        for (topic, count) in topics {
            for partition in 0..*count {
                partitions.add_partition_offset(topic, partition, Offset::Beginning).map_err(ReadError::Open)?;
            }
        }
        consumer.assign(&partitions).map_err(ReadError::Open)?;
        Ok(Self { consumer })
    }

    /// The next record, or `None` where none came within `wait`. Passing troubles of the connection count as none.
    ///
    /// # Errors
    /// Where records were trimmed before they were read.
    pub fn next(&self, wait: Duration) -> Result<Option<Stored>, ReadError> {
        match self.consumer.poll(wait) {
            Some(Ok(record)) => Ok(Some(Stored {
                topic: record.topic().into(),
                partition: record.partition(),
                offset: record.offset(),
                key: record.key().map(Into::into),
                payload: record.payload().map(Into::into),
            })),
            Some(Err(error)) if is_trimmed(&error) => Err(ReadError::Trimmed(error)),
            Some(Err(_)) | None => Ok(None),
        }
    }
}

pub(super) fn is_trimmed(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}

/// Why records could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("open a Kafka consumer")]
    Open(#[source] KafkaError),
    #[error("read a partition: the cluster trimmed records before they were read")]
    Trimmed(#[source] KafkaError),
}

#[cfg(test)]
mod tests {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    use super::super::mock::MockKafka;
    use super::*;

    #[test]
    fn all_partitions_are_read_from_the_beginning() {
        let kafka = MockKafka::start(&[("a", 2), ("b", 1)]).unwrap();
        let servers = kafka.bootstrap_servers();
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
        for (topic, partition, payload) in [("a", 0, "1"), ("a", 1, "2"), ("b", 0, "3")] {
            producer.send(BaseRecord::to(topic).partition(partition).payload(payload).key("k")).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        let reader = Reader::open(&servers, &[("a", 2), ("b", 1)]).unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let stored = reader.next(Duration::from_secs(30)).unwrap().expect("three records are there");
            assert_eq!((stored.key.as_deref(), stored.offset), (Some(&b"k"[..]), 0));
            seen.push((stored.topic, stored.partition, stored.payload.unwrap()));
        }
        seen.sort();
        let [a, b] = ["a", "b"].map(String::from);
        assert_eq!(seen, [(a.clone(), 0, b"1".into()), (a, 1, b"2".into()), (b, 0, b"3".into())]);
    }
}
