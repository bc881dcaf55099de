//! One flood run: both ends, a bridge, a warm-up, the measurement, the count at the sink.

use crate::args::Args;
use crate::bridge::{Bridge, Program, Rules, Work};
use crate::failure::{Context, Tried};
use crate::kafka_end::KafkaEnd;
use crate::paired::Sample;
use crate::programs::Programs;
use crate::sink::Counter;
use crate::stats::Random;
use crate::sys::{self, CORE_OF_BRIDGE};
use crate::traffic::Topics;
use crate::worker::{Worker, number};
use std::time::Duration;

/// Kafka topic of every run; each run has a cluster of its own.
pub const TOPIC: &str = "bench.readings";
/// Payload of every message.
pub const PAYLOAD_BYTES: usize = 200;
/// Longest wait for an end to start.
const START: Duration = Duration::from_secs(20);
/// Longest wait for records that are under way.
pub const SETTLE: Duration = Duration::from_secs(20);
/// A bridge slower than this has failed, in messages a second.
const RATE_MIN: u64 = 1000;

/// Everything that all rows share.
#[derive(Debug)]
pub struct Bench {
    /// What was asked for.
    pub args: Args,
    /// What is compared.
    pub programs: Programs,
    /// Order of runs and bootstrap.
    pub random: Random,
    /// Core of the bridge; none when nothing is pinned.
    pub core: Option<usize>,
}

/// What one flood run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Receive Maximum.
    pub window: u16,
    /// Messages that are measured.
    pub messages: u64,
    /// Lines of the plant that messages come from.
    pub lines: usize,
    /// Tidegate's rules.
    pub rules: Rules,
}

/// Both ends of one run.
#[derive(Debug)]
pub struct Ends {
    /// The mock cluster.
    pub kafka: KafkaEnd,
    /// The flood broker.
    pub flood: Worker,
    /// Where the flood broker listens.
    pub mqtt_port: u16,
}

impl Bench {
    /// Builds and finds the programs, and moves to the core of the ends.
    ///
    /// # Errors
    /// When a program is missing.
    pub fn new(args: Args) -> Tried<Self> {
        let programs = Programs::find(&args).context("find the programs to measure")?;
        let random = Random::new(args.seed);
        let pin = !args.no_pin && sys::cores() > 1;
        if pin {
            sys::pin_current_thread(sys::CORE_OF_ENDS).context("move to the core of the ends")?;
        }
        Ok(Bench { random, programs, core: pin.then_some(CORE_OF_BRIDGE), args })
    }

    /// One flood run of a program.
    ///
    /// # Errors
    /// When an end or the bridge fails.
    pub fn flood_run(&self, program: &Program, plan: &Plan) -> Tried<Sample> {
        let mut ends = Ends::start(self.args.qos, plan.lines)?;
        let mut bridge = self.start_bridge(program, &ends, plan)?;
        bridge.wait_until_ready()?;
        let sample = self.measure(&mut ends, &bridge, plan.messages).map_err(|failure| bridge.with_output(failure))?;
        bridge.end();
        Ok(sample)
    }

    /// Starts a program between the ends; it need not be ready yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_bridge(&self, program: &Program, ends: &Ends, plan: &Plan) -> Tried<Bridge> {
        let work = Work {
            mqtt_port: ends.mqtt_port,
            brokers: ends.kafka.brokers.clone(),
            topic: TOPIC.to_owned(),
            window: plan.window,
            qos: self.args.qos,
            rules: plan.rules.clone(),
        };
        program.start(&work, self.core)
    }

    fn measure(&self, ends: &mut Ends, bridge: &Bridge, messages: u64) -> Tried<Sample> {
        let counter = Counter::new(&ends.kafka.brokers, TOPIC)?;
        let warm_up = (messages / 10).max(20_000);
        ends.blast(warm_up).context("warm up")?;
        let before_sink = counter.wait_for(warm_up, SETTLE)?;
        let before = bridge.usage()?;
        let done = ends.blast(messages)?;
        let at_sink = counter.wait_for(before_sink + messages, SETTLE)? - before_sink;
        let after = bridge.usage()?;
        // At level 0 nothing is acknowledged, so only the count says when the last message was through.
        let seconds = if self.args.qos == 0 {
            after.at.duration_since(before.at).as_secs_f64()
        } else {
            number(&done, "seconds")?
        };
        Ok(Sample {
            cpu_per_million: (after.cpu - before.cpu).as_secs_f64() * 1e6 / messages as f64,
            rate: messages as f64 / seconds,
            peak_mib: bridge.peak_mib()?,
            expected: messages + warm_up,
            at_sink: at_sink + before_sink,
            wrong_acks: (number(&done, "out_of_order")? + number(&done, "unknown_acks")?) as u64,
        })
    }
}

impl Ends {
    /// Starts a mock Kafka and a flood broker with about a thousand topics on so many lines.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(qos: u8, lines: usize) -> Tried<Self> {
        let kafka = KafkaEnd::mock(TOPIC)?;
        let topics = Topics::thousand_on(lines);
        let settings = [
            ("--qos", usize::from(qos)),
            ("--areas", topics.areas),
            ("--lines", topics.lines),
            ("--payload-bytes", PAYLOAD_BYTES),
        ];
        let arguments: Vec<String> =
            settings.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]).collect();
        let flood = Worker::start("flood", &arguments)?;
        let mqtt_port = number(&flood.event("listening", START)?, "port")? as u16;
        Ok(Ends { kafka, flood, mqtt_port })
    }

    /// Sends so many messages as fast as the window allows and waits until all are acknowledged.
    ///
    /// # Errors
    /// When the bridge goes away or is far too slow.
    pub fn blast(&mut self, messages: u64) -> Tried<serde_json::Value> {
        self.flood.order(&format!("run {messages}"))?;
        self.flood.event("done", Duration::from_secs(30 + messages / RATE_MIN))
    }
}

/// Rules without a plugin.
#[must_use]
pub fn plain_rules(count: usize) -> Rules {
    Rules { count, plugin: None }
}
