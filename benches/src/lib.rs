//! Benches of the whole bridge: what a message costs, how fast it goes, how long it takes, what it needs at rest.
//!
//! Everything that is measured runs in a process of its own; the ends of the bridge are ours, so that they are known
//! not to be the limit:
//!
//! | part | what it is |
//! |---|---|
//! | [`flood`] | an MQTT broker with one subscriber that sends as fast as the window allows and checks the acknowledgements |
//! | [`kafka_end`], [`sink`] | a Kafka that counts: librdkafka's mock cluster in its own process, read by watermark |
//! | [`mosquitto`], [`client`] | a real MQTT broker, and an open-loop publisher and a subscriber for it |
//! | [`bridge`] | starts what is measured: Tidegate, or the hand-written `baseline` |
//! | [`rig`] | one flood run: ends, bridge, warm-up, measurement, count at the sink |
//! | [`paired`], [`stats`] | interleaved runs in random order, paired ratios, bootstrap intervals, the A/A control |
//! | [`rows`] | the measurements themselves, each with the target it has to meet |
//! | [`report`] | what is printed, and the same as JSON |
//!
//! Invariant: a figure of Tidegate's own (a metric, a log line) is never used as a result. CPU time and memory come from
//! the kernel, counts from the Kafka end, times from the clock of the bench.

pub mod args;
pub mod bridge;
pub mod client;
pub mod failure;
pub mod flood;
pub mod kafka_end;
pub mod latency;
pub mod link;
pub mod mosquitto;
pub mod paired;
pub mod programs;
pub mod report;
pub mod rig;
pub mod rows;
pub mod sink;
pub mod stats;
pub mod sys;
pub mod traffic;
pub mod wire;
pub mod worker;
