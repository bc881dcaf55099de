//! From MQTT publish to the record being readable, at a steady rate, and how much of it is the bridge.

use super::{RULES, standing};
use crate::bridge::{Program, Work};
use crate::failure::Tried;
use crate::kafka_end::KafkaEnd;
use crate::latency::{Load, Percentiles, in_a_row, kafka_alone, mqtt_alone, through_bridge};
use crate::mosquitto::Mosquitto;
use crate::report::{Limit, RowReport};
use crate::rig::{Bench, TOPIC, plain_rules};
use crate::stats::median;
use serde_json::json;

/// Messages a second.
const RATE: f64 = 5000.0;
/// Seconds that do not count, and seconds that do; those in a quick bench.
const SECONDS: (usize, usize) = (2, 20);
const SECONDS_QUICK: (usize, usize) = (1, 4);
/// Rounds; each has every part once.
const ROUNDS: usize = 3;

/// Percentiles of every part, one for each round.
#[derive(Debug, Default)]
struct Parts {
    mqtt: Vec<Percentiles>,
    kafka: Vec<Percentiles>,
    floor: Vec<Percentiles>,
    baseline: Vec<Percentiles>,
    subject: Vec<Percentiles>,
}

/// What one round measures, in random order.
#[derive(Debug, Clone, Copy)]
enum Part {
    Brokers,
    Baseline,
    Subject,
}

pub(super) fn row(bench: &mut Bench) -> Tried<RowReport> {
    let (warm_up, measured) = if bench.args.quick { SECONDS_QUICK } else { SECONDS };
    let load = Load { rate: RATE, warm_up: warm_up * RATE as usize, measured: measured * RATE as usize };
    let kafka = bench.args.kafka.as_deref().unwrap_or("the mock cluster");
    let about = format!(
        "{RATE} msg/s (open loop) through Mosquitto into {kafka}, QoS 1, 200 B, {RULES} rules, window 1024, linger 1 ms, \
         {} messages a run, {ROUNDS} rounds; delays count from the moment a message was due",
        load.measured
    );
    let mut report = RowReport::new("latency", about);
    let mut parts = Parts::default();
    for round in 0..ROUNDS {
        let mut order = [Part::Brokers, Part::Baseline, Part::Subject];
        bench.random.shuffle(&mut order);
        for part in order {
            eprintln!("    round {} of {ROUNDS}: {part:?}", round + 1);
            measure(bench, &mut parts, part, load, round)?;
        }
    }
    parts.tell(bench, &mut report);
    Ok(report)
}

fn measure(bench: &mut Bench, parts: &mut Parts, part: Part, load: Load, round: usize) -> Tried<()> {
    let topic = format!("{TOPIC}.latency.{}.{round}.{part:?}", std::process::id());
    let kafka = KafkaEnd::real_or_mock(bench.args.kafka.as_deref(), &topic)?;
    let mosquitto = Mosquitto::start()?;
    match part {
        Part::Brokers => {
            let mqtt_alone = mqtt_alone(mosquitto.port, load)?;
            let kafka_alone = kafka_alone(&kafka.brokers, &topic, load)?;
            parts.mqtt.push(Percentiles::of(&mqtt_alone)?);
            parts.kafka.push(Percentiles::of(&kafka_alone)?);
            parts.floor.push(Percentiles::of(&in_a_row(&mqtt_alone, &kafka_alone, &mut bench.random))?);
        }
        Part::Baseline => {
            parts.baseline.push(with_bridge(bench, &bench.programs.baseline, &mosquitto, &kafka, &topic, load)?);
        }
        Part::Subject => {
            parts.subject.push(with_bridge(bench, &bench.programs.subject, &mosquitto, &kafka, &topic, load)?);
        }
    }
    Ok(())
}

fn with_bridge(
    bench: &Bench,
    program: &Program,
    mosquitto: &Mosquitto,
    kafka: &KafkaEnd,
    topic: &str,
    load: Load,
) -> Tried<Percentiles> {
    let (mqtt_port, brokers) = (mosquitto.port, kafka.brokers.clone());
    let work = Work { mqtt_port, brokers, topic: topic.to_owned(), window: 1024, qos: 1, rules: plain_rules(RULES) };
    let mut bridge = program.start(&work, bench.core)?;
    bridge.wait_until_ready()?;
    let delays =
        through_bridge(mqtt_port, &kafka.brokers, topic, load).map_err(|failure| bridge.with_output(failure))?;
    bridge.end();
    Percentiles::of(&delays)
}

impl Parts {
    fn tell(&self, bench: &Bench, report: &mut RowReport) {
        let subject = bench.programs.subject.name();
        let all = [
            ("Mosquitto alone", &self.mqtt),
            ("Kafka alone", &self.kafka),
            ("both in a row (the floor)", &self.floor),
            ("with baseline", &self.baseline),
            (&*format!("with {subject}"), &self.subject),
        ];
        for (name, rounds) in all {
            report.line(line(name, rounds));
            report.raw[name] = json!(rounds.iter().map(|round| round.to_json()).collect::<Vec<_>>());
        }
        let standing = standing(bench, false);
        let added = |of: fn(&Percentiles) -> f64| middle(&self.subject, of) - middle(&self.floor, of);
        report.check("p50 above the floor, ms", added(|round| round.p50), Limit::AtMost(2.0), standing);
        report.check("p99 above the floor, ms", added(|round| round.p99), Limit::AtMost(6.0), standing);
    }
}

fn middle(rounds: &[Percentiles], of: fn(&Percentiles) -> f64) -> f64 {
    median(&rounds.iter().map(of).collect::<Vec<_>>())
}

fn line(name: &str, rounds: &[Percentiles]) -> String {
    let at = |of| middle(rounds, of);
    format!(
        "{name:<26} p50 {:7.3} ms  p99 {:7.3} ms  p99.9 {:7.3} ms  max {:7.3} ms",
        at(|round| round.p50),
        at(|round| round.p99),
        at(|round| round.p999),
        at(|round| round.max)
    )
}
