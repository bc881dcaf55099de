//! How the harness itself reaches a Kafka: access, topics.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

const PATIENCE: Duration = Duration::from_secs(30);

/// Brokers and what it takes to be let in.
#[derive(Clone, Debug)]
pub struct KafkaAccess {
    pub brokers: String,
    properties: Vec<(String, String)>,
}

impl KafkaAccess {
    #[must_use]
    pub fn plain(brokers: &str) -> Self {
        Self { brokers: brokers.to_owned(), properties: Vec::new() }
    }

    /// Adds client properties.
    #[must_use]
    pub fn with(mut self, properties: &[(&str, &str)]) -> Self {
        self.properties.extend(properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    /// A client configuration with these.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// Creates topics with their numbers of partitions and waits until they are listed.
    ///
    /// # Panics
    /// Where the cluster refuses or does not answer.
    pub fn create_topics(&self, topics: &[(&str, i32)]) {
        let new: Vec<_> = topics
            .iter()
            .map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)))
            .collect();
        let admin: AdminClient<DefaultClientContext> = self.config().create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let results = runtime.block_on(admin.create_topics(&new, &options)).expect("Kafka answers");
        for result in results {
            result.expect("the topic can be created");
        }
        for (topic, partitions) in topics {
            self.wait_for_topic(topic, *partitions);
        }
    }

    /// Waits until the cluster lists `topic` with all its leaders.
    ///
    /// # Panics
    /// Where it does not come.
    pub fn wait_for_topic(&self, topic: &str, partitions: i32) {
        let consumer: BaseConsumer = self.config().create().expect("a consumer");
        let listed = || {
            let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).ok()?;
            let found = metadata.topics().iter().find(|found| found.name() == topic)?;
            let led = found.partitions().iter().filter(|partition| partition.leader() >= 0).count();
            (i32::try_from(led) == Ok(partitions)).then_some(())
        };
        assert!(crate::process::wait_until(PATIENCE, || listed().is_some()), "topic {topic} is not there");
    }
}
