//! librdkafka's mock cluster in the test's own process: speed, outages, errors.
//!
//! A partition keeps about 5 MB, so a test reads as it goes or stays small.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::client::KafkaAccess;

/// A running mock cluster.
pub struct Mock {
    cluster: MockCluster<'static, DefaultProducerContext>,
    brokers: i32,
}

impl Mock {
    /// Starts one of one broker with these topics and their numbers of partitions.
    ///
    /// # Panics
    /// Where loopback has no port.
    #[must_use]
    pub fn start(topics: &[(&str, i32)]) -> Self {
        Self::of(1, topics)
    }

    /// As `start`, of so many brokers.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn of(brokers: i32, topics: &[(&str, i32)]) -> Self {
        let cluster = MockCluster::new(brokers).expect("the mock cluster starts");
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).expect("the mock takes the topic");
        }
        Self { cluster, brokers }
    }

    #[must_use]
    pub fn client(&self) -> KafkaAccess {
        KafkaAccess::plain(&self.cluster.bootstrap_servers())
    }

    /// The `[kafka.main]` table of the bridge's configuration.
    #[must_use]
    pub fn table(&self) -> String {
        format!("[kafka.main]\nbrokers = [\"{}\"]\n", self.cluster.bootstrap_servers().replace(',', "\", \""))
    }

    /// Every answer leaves this much later.
    ///
    /// # Panics
    /// Where the mock refuses.
    pub fn delay(&self, delay: Duration) {
        self.each(|broker| self.cluster.broker_round_trip_time(broker, delay));
    }

    /// Every answer of this broker, from 1, leaves this much later.
    ///
    /// # Panics
    /// Where there is no such broker.
    pub fn delay_broker(&self, broker: i32, delay: Duration) {
        self.cluster.broker_round_trip_time(broker, delay).expect("the broker is there");
    }

    /// Nobody listens any more.
    ///
    /// # Panics
    /// Where the mock refuses.
    pub fn down(&self) {
        self.each(|broker| self.cluster.broker_down(broker));
    }

    /// Ends `down`.
    ///
    /// # Panics
    /// Where the mock refuses.
    pub fn up(&self) {
        self.each(|broker| self.cluster.broker_up(broker));
    }

    /// Nobody listens at this broker, from 1, until `broker_up`.
    ///
    /// # Panics
    /// Where there is no such broker.
    pub fn broker_down(&self, broker: i32) {
        self.cluster.broker_down(broker).expect("the broker is there");
    }

    /// Ends `broker_down`.
    ///
    /// # Panics
    /// Where there is no such broker.
    pub fn broker_up(&self, broker: i32) {
        self.cluster.broker_up(broker).expect("the broker is there");
    }

    /// This broker leads this partition from now on.
    ///
    /// # Panics
    /// Where there is no such broker or partition.
    pub fn lead(&self, topic: &str, partition: i32, broker: i32) {
        self.cluster.partition_leader(topic, partition, Some(broker)).expect("broker and partition are there");
    }

    fn each(&self, act: impl Fn(i32) -> rdkafka::error::KafkaResult<()>) {
        (1..=self.brokers).for_each(|broker| act(broker).expect("the broker is there"));
    }

    /// The next produce requests are answered with these errors, one each.
    pub fn fail_produce(&self, errors: &[RDKafkaRespErr]) {
        self.cluster.request_errors(RDKafkaApiKey::Produce, errors);
    }

    /// Forgets what `fail_produce` has left.
    pub fn heal_produce(&self) {
        self.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    }

    /// Whatever is asked about `topic` is answered with `error`; `None` heals it.
    ///
    /// # Panics
    /// Where the mock refuses.
    pub fn fail_topic(&self, topic: &str, error: Option<RDKafkaErrorCode>) {
        let code = error.map_or(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, |error| match error {
            RDKafkaErrorCode::UnknownTopicOrPartition => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            RDKafkaErrorCode::TopicAuthorizationFailed => RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            other => panic!("the harness has no use for {other} yet"),
        });
        self.cluster.topic_error(topic, code).expect("the topic is there");
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    use super::*;
    use crate::process::wait_until;
    use crate::read::Reader;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn producer(mock: &Mock) -> BaseProducer {
        let access = mock.client().with(&[("enable.idempotence", "true"), ("reconnect.backoff.max.ms", "200")]);
        let producer: BaseProducer = access.config().create().expect("a producer");
        produce(&producer, "first");
        producer.flush(PATIENCE).expect("the mock answers");
        producer
    }

    fn produce(producer: &BaseProducer, payload: &str) {
        producer.send(BaseRecord::to("t").key("k").payload(payload)).map_err(|(error, _)| error).expect("queued");
    }

    /// What is produced while `hold` acts stays unconfirmed until `release`, and is then there once.
    fn check(hold: impl FnOnce(&Mock), release: impl FnOnce(&Mock)) {
        let mock = Mock::start(&[("t", 1)]);
        let producer = producer(&mock);
        hold(&mock);
        produce(&producer, "second");
        assert!(producer.flush(Duration::from_millis(700)).is_err(), "confirmed although held back");
        release(&mock);
        producer.flush(PATIENCE).expect("the mock answers again");
        let payloads: Vec<_> =
            Reader::open(&mock.client(), &["t"]).all().iter().map(crate::read::Record::payload_text).collect();
        assert_eq!(payloads, ["first", "second"]);
    }

    #[test]
    fn answers_can_be_delayed() {
        check(|mock| mock.delay(Duration::from_secs(2)), |mock| mock.delay(Duration::ZERO));
    }

    #[test]
    fn the_broker_can_go_and_come_back() {
        check(Mock::down, Mock::up);
    }

    #[test]
    fn retriable_errors_are_retried() {
        let mock = Mock::start(&[("t", 1)]);
        let producer = producer(&mock);
        mock.fail_produce(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 2]);
        produce(&producer, "second");
        producer.flush(PATIENCE).expect("the mock answers");
        assert!(wait_until(PATIENCE, || Reader::open(&mock.client(), &["t"]).all().len() == 2));
    }

    #[test]
    fn a_topic_can_be_refused() {
        let mock = Mock::start(&[("t", 1)]);
        mock.fail_topic("t", Some(RDKafkaErrorCode::UnknownTopicOrPartition));
        let access =
            mock.client().with(&[("message.timeout.ms", "1500"), ("topic.metadata.propagation.max.ms", "100")]);
        let stranger: BaseProducer = access.config().create().expect("a producer");
        produce(&stranger, "lost");
        // Ends when the message was given up.
        let _flushed = stranger.flush(PATIENCE);
        mock.fail_topic("t", None);
        assert_eq!(Reader::open(&mock.client(), &["t"]).all().len(), 0);
    }
}
