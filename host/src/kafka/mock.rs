//! An embedded Kafka for the demo: librdkafka's mock cluster, reachable by any Kafka client on loopback.
//!
//! It keeps only the last 5 MB of a partition, simulates no replication and forgets everything when it is dropped.

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// A running mock cluster of one broker.
pub struct MockKafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl MockKafka {
    /// Starts the cluster with these topics and partition counts.
    ///
    /// # Errors
    /// Where librdkafka cannot start it or make a topic.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, MockError> {
        let cluster = MockCluster::new(1).map_err(MockError::Start)?;
        for (topic, partitions) in topics {
            let failed = |cause| MockError::Topic { topic: (*topic).into(), cause };
            cluster.create_topic(topic, *partitions, 1).map_err(failed)?;
        }
        Ok(Self { cluster })
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}

/// Why the embedded Kafka could not start.
#[derive(Debug, thiserror::Error)]
pub enum MockError {
    #[error("start the embedded Kafka")]
    Start(#[source] KafkaError),
    #[error("make the topic `{topic}` on the embedded Kafka")]
    Topic {
        topic: String,
        #[source]
        cause: KafkaError,
    },
}
