//! The Kafka of a bench: librdkafka's mock cluster in a process of its own, or a real one that was named.

use crate::failure::{Context, Failure, Tried};
use crate::worker::Worker;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use serde_json::json;
use std::time::Duration;

/// Partitions of every topic of a bench.
pub const PARTITIONS: i32 = 6;
/// Where the rules of a bench send their dead letters; none are expected.
pub const DEAD_LETTERS: &str = "bench.dead-letter";
/// Longest wait for Kafka to start or to make a topic.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster that one run uses.
#[derive(Debug)]
pub struct KafkaEnd {
    /// `host:port`, comma separated.
    pub brokers: String,
    /// The mock's process; none for a real cluster.
    mock: Option<Worker>,
}

impl KafkaEnd {
    /// A fresh mock cluster with the topic given.
    ///
    /// # Errors
    /// When it does not start.
    pub fn mock(topic: &str) -> Tried<Self> {
        let worker = Worker::start("kafka", &[topic.to_owned(), DEAD_LETTERS.to_owned()])?;
        let event = worker.event("listening", PATIENCE).context("start the mock cluster")?;
        let brokers = event["brokers"].as_str().ok_or_else(|| Failure::new("the mock cluster names no address"))?;
        Ok(KafkaEnd { brokers: brokers.to_owned(), mock: Some(worker) })
    }

    /// A real cluster, in which the topic is made.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses the topic.
    pub fn real(brokers: &str, topic: &str) -> Tried<Self> {
        make_topics(brokers, &[topic, DEAD_LETTERS]).context("make the topics in the real Kafka")?;
        Ok(KafkaEnd { brokers: brokers.to_owned(), mock: None })
    }

    /// The real cluster when one was named, else a mock.
    ///
    /// # Errors
    /// As [`KafkaEnd::mock`] and [`KafkaEnd::real`].
    pub fn real_or_mock(brokers: Option<&str>, topic: &str) -> Tried<Self> {
        brokers.map_or_else(|| KafkaEnd::mock(topic), |brokers| KafkaEnd::real(brokers, topic))
    }

    /// The process of the mock, to be frozen.
    #[must_use]
    pub fn mock_pid(&self) -> Option<u32> {
        self.mock.as_ref().map(|worker| worker.process.pid())
    }
}

/// The role `kafka`: serves the topics given until standard input ends.
///
/// # Errors
/// When the cluster cannot be made.
pub fn serve(topics: &[String]) -> Tried<()> {
    let cluster = MockCluster::new(1)?;
    for topic in topics {
        cluster.create_topic(topic, PARTITIONS, 1)?;
    }
    println!("{}", json!({"event": "listening", "brokers": cluster.bootstrap_servers()}));
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    Ok(())
}

fn make_topics(brokers: &str, topics: &[&str]) -> Tried<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let wanted = topics.iter().map(|topic| NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)));
    let wanted: Vec<_> = wanted.collect();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for answer in runtime.block_on(admin.create_topics(&wanted, &options))? {
        match answer {
            Ok(_) | Err((_, rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(Failure::new(format!("{topic}: {code}"))),
        }
    }
    Ok(())
}
