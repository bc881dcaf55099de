//! How long messages are under way, and how long the two brokers alone would take.

use crate::client::{Client, due_at, templates};
use crate::failure::{Context, Failure, Tried};
use crate::kafka_end::PARTITIONS;
use crate::rig::{PAYLOAD_BYTES, SETTLE};
use crate::sink::StampReader;
use crate::stats::Random;
use crate::traffic::{self, FILTER_OF_ALL, Topics};
use hdrhistogram::Histogram;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Longest delay that is told apart.
const NANOSECONDS_MAX: u64 = 60_000_000_000;
/// Rounds of the sum of two floors, each over all samples.
const SUM_ROUNDS: usize = 5;

/// An open-loop load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Messages a second.
    pub rate: f64,
    /// Messages at the start that do not count.
    pub warm_up: usize,
    /// Messages that count.
    pub measured: usize,
}

/// Delays in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// 999 of 1,000 are below.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Load {
    fn total(self) -> usize {
        self.warm_up + self.measured
    }
}

impl Percentiles {
    /// Of delays in nanoseconds.
    ///
    /// # Errors
    /// When there are none.
    pub fn of(delays: &[u64]) -> Tried<Self> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1000, NANOSECONDS_MAX, 3)
            .map_err(|error| Failure::new(format!("make a histogram: {error}")))?;
        delays.iter().for_each(|&delay| histogram.saturating_record(delay));
        if histogram.is_empty() {
            return Err(Failure::new("nothing arrived"));
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Ok(Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 1e6 })
    }

    /// For the report.
    #[must_use]
    pub fn to_json(self) -> Value {
        json!({"p50": self.p50, "p99": self.p99, "p999": self.p999, "max": self.max})
    }
}

/// Publish to MQTT, read from Kafka, with whatever bridge runs between them. Nanoseconds, warm-up left out.
///
/// # Errors
/// When an end fails or messages are missing.
pub fn through_bridge(mqtt_port: u16, brokers: &str, topic: &str, load: Load) -> Tried<Vec<u64>> {
    let epoch = Instant::now();
    let reader = StampReader::new(brokers, topic)?;
    let reading = thread::spawn(move || reader.read(load.total(), epoch, SETTLE));
    publish(mqtt_port, load, epoch)?;
    counted(reading, load, "the records")
}

/// Publish to MQTT, subscribe to the same broker.
///
/// # Errors
/// As [`through_bridge`].
pub fn mqtt_alone(mqtt_port: u16, load: Load) -> Tried<Vec<u64>> {
    let epoch = Instant::now();
    let mut subscriber = Client::connect(mqtt_port, "bench-floor")?;
    subscriber.subscribe(FILTER_OF_ALL)?;
    let reading = thread::spawn(move || subscriber.read_stamps(load.total(), epoch));
    publish(mqtt_port, load, epoch)?;
    counted(reading, load, "the messages")
}

/// Produce to Kafka without linger, read from it.
///
/// # Errors
/// As [`through_bridge`].
pub fn kafka_alone(brokers: &str, topic: &str, load: Load) -> Tried<Vec<u64>> {
    let epoch = Instant::now();
    let reader = StampReader::new(brokers, topic)?;
    let reading = thread::spawn(move || reader.read(load.total(), epoch, SETTLE));
    produce(brokers, topic, load, epoch).context("produce for the floor")?;
    counted(reading, load, "the records")
}

/// The delays of two parts in a row that know nothing of each other: every sample of one with random samples of the
/// other. Adding percentiles instead would promise too much: the slowest of both seldom meet.
#[must_use]
pub fn in_a_row(first: &[u64], second: &[u64], random: &mut Random) -> Vec<u64> {
    if second.is_empty() {
        return Vec::new();
    }
    let once_more = (0..SUM_ROUNDS).flat_map(|_| first.iter());
    once_more.map(|delay| delay + second[random.below(second.len())]).collect()
}

fn publish(mqtt_port: u16, load: Load, epoch: Instant) -> Tried<()> {
    let mut publisher = Client::connect(mqtt_port, "bench-publisher")?;
    let topics = templates(&Topics::thousand_on(100).names(), PAYLOAD_BYTES);
    publisher.publish(&topics, load.total() as u64, load.rate, epoch).map(drop)
}

fn produce(brokers: &str, topic: &str, load: Load, epoch: Instant) -> Tried<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("linger.ms", "0");
    config.set("socket.nagle.disable", "true");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    producer.client().fetch_metadata(Some(topic), SETTLE)?;
    let mut payload = traffic::payload(PAYLOAD_BYTES);
    let begun = Instant::now();
    let offset = begun.duration_since(epoch);
    for sent in 0..load.total() as u64 {
        let due = due_at(sent, load.rate);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        traffic::stamp(&mut payload, u64::try_from((offset + due).as_nanos()).unwrap_or(u64::MAX));
        let partition = i32::try_from(sent % PARTITIONS.unsigned_abs() as u64).unwrap_or(0);
        let record = BaseRecord::<(), [u8]>::to(topic).payload(&payload[..]).partition(partition);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(Duration::from_secs(10))?)
}

/// Waits for the reading thread; what is missing is an error, for a percentile of what did arrive would flatter.
fn counted(reading: thread::JoinHandle<Tried<Vec<u64>>>, load: Load, what: &str) -> Tried<Vec<u64>> {
    let mut delays = reading.join().map_err(|_| Failure::new("the reading thread broke off"))??;
    if delays.len() < load.total() {
        let text = format!("LOSSY: only {} of {} of {what} arrived; not ranked", delays.len(), load.total());
        return Err(Failure::new(text));
    }
    Ok(delays.split_off(load.warm_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let delays: Vec<u64> = (1..=1000).map(|milliseconds| milliseconds * 1_000_000).collect();
        let Percentiles { p50, p99, p999, max } = Percentiles::of(&delays).unwrap();
        for (found, expected) in [(p50, 500.0), (p99, 990.0), (p999, 999.0), (max, 1000.0)] {
            assert!((found / expected - 1.0).abs() < 0.002, "{found} instead of {expected}");
        }
        assert!(Percentiles::of(&[]).is_err());
    }

    #[test]
    fn parts_in_a_row_add_up() {
        let sums = in_a_row(&[10, 20], &[5], &mut Random::new(1));
        assert_eq!(sums.len(), 2 * SUM_ROUNDS);
        assert!(sums.iter().all(|sum| [15, 25].contains(sum)));
        assert!(in_a_row(&[1], &[], &mut Random::new(1)).is_empty());
    }
}
