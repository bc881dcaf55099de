//! Behind a real Mosquitto, at a rate that it carries easily: what wake-ups cost.

use super::{RULES, standing};
use crate::bridge::{Program, Work};
use crate::client::{Client, templates};
use crate::failure::{Context, Failure, Tried};
use crate::kafka_end::KafkaEnd;
use crate::mosquitto::Mosquitto;
use crate::paired::{Arm, Comparison, Sample};
use crate::report::{Limit, RowReport};
use crate::rig::{Bench, PAYLOAD_BYTES, SETTLE, TOPIC, plain_rules};
use crate::sink::Counter;
use crate::traffic::Topics;
use std::time::Instant;

/// Messages a second.
const RATE: f64 = 20_000.0;
/// Messages that do not count.
const WARM_UP: u64 = 20_000;

pub(super) fn row(bench: &mut Bench) -> Tried<RowReport> {
    let messages = bench.args.messages(300_000);
    let kafka = bench.args.kafka.as_deref().unwrap_or("the mock cluster");
    let about = format!(
        "Mosquitto at {RATE} msg/s (open loop), MQTT 5, QoS 1, 200 B, 1,000 topics, {RULES} rules, window 1024, \
         {messages} messages a run, into {kafka}"
    );
    let mut report = RowReport::new("mosquitto", about);
    let (rounds, mut random) = (bench.args.rounds(), bench.random.clone());
    let mut number = 0;
    let comparison = Comparison::run(rounds, &mut random, |arm| {
        number += 1;
        match arm {
            Arm::Reference | Arm::Control => run(bench, &bench.programs.baseline, messages, number),
            Arm::Subject => run(bench, &bench.programs.subject, messages, number),
        }
    })?;
    let standing = standing(bench, comparison.lossy_runs() > 0);
    let ratio = report.compare(["baseline", bench.programs.subject.name()], &comparison, &mut random);
    bench.random = random;
    report.check("CPU ratio", ratio.median, Limit::AtMost(0.85), standing);
    Ok(report)
}

fn run(bench: &Bench, program: &Program, messages: u64, number: u64) -> Tried<Sample> {
    // A real Kafka outlives the run, so each run has a topic of its own.
    let topic = format!("{TOPIC}.{}.{number}", std::process::id());
    let kafka = KafkaEnd::real_or_mock(bench.args.kafka.as_deref(), &topic)?;
    let mosquitto = Mosquitto::start()?;
    let (mqtt_port, brokers) = (mosquitto.port, kafka.brokers.clone());
    let work = Work { mqtt_port, brokers, topic: topic.clone(), window: 1024, qos: 1, rules: plain_rules(RULES) };
    let mut bridge = program.start(&work, bench.core)?;
    bridge.wait_until_ready()?;

    let counter = Counter::new(&kafka.brokers, &topic)?;
    let mut publisher = Client::connect(mqtt_port, "bench-publisher")?;
    let topics = templates(&Topics::thousand_on(RULES).names(), PAYLOAD_BYTES);
    let epoch = Instant::now();
    publisher.publish(&topics, WARM_UP, RATE, epoch).context("warm up")?;
    counter.wait_for(WARM_UP, SETTLE)?;

    let before = bridge.usage()?;
    let published = publisher.publish(&topics, messages, RATE, epoch)?;
    let at_sink = counter.wait_for(WARM_UP + messages, SETTLE)?;
    let after = bridge.usage()?;
    if published.acknowledged < messages {
        return Err(Failure::new(format!("Mosquitto took only {} of {messages} messages", published.acknowledged)));
    }
    let sample = Sample {
        cpu_per_million: (after.cpu - before.cpu).as_secs_f64() * 1e6 / messages as f64,
        rate: messages as f64 / after.at.duration_since(before.at).as_secs_f64(),
        peak_mib: bridge.peak_mib()?,
        expected: WARM_UP + messages,
        at_sink,
        wrong_acks: 0,
    };
    bridge.end();
    Ok(sample)
}
