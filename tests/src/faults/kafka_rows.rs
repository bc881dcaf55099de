//! K: what Kafka does to the bridge, on a mock cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaRespErr;

use super::figures::Limit;
use super::scene::{Plan, Scene, WINDOW, expected, topic_of};
use super::{Figures, Row, Trial};
use crate::payload::MessageId;
use crate::process::wait_until;
use crate::verdict::{Content, Expected};

pub(super) const ROWS: &[Row] = &[
    Row { id: "K1", fault: "Kafka answers 2 s late", load: "as fast as the window", needs: &[], run: slow },
    Row { id: "K3", fault: "three brokers restarted one after the other", load: USUAL, needs: &[], run: rolling },
    Row { id: "K4", fault: "leaders move every 500 ms", load: USUAL, needs: &[], run: leaders },
    Row { id: "K6", fault: "topic missing, then created", load: USUAL, needs: &[], run: missing_topic },
    Row { id: "K7", fault: "topic not authorised, then granted", load: USUAL, needs: &[], run: denied_topic },
    Row { id: "K9", fault: "1 % of the messages too large", load: USUAL, needs: &[], run: too_large },
    Row { id: "K10", fault: "not enough replicas", load: USUAL, needs: &[], run: few_replicas },
    Row { id: "K11", fault: "fatal producer errors", load: USUAL, needs: &[], run: fatal },
    Row { id: "K13", fault: "connection cut in the middle of batches", load: USUAL, needs: &[], run: cut_batches },
    Row {
        id: "K12",
        fault: "the dead-letter topic fails",
        load: "500 msg/s, 5 % poison",
        needs: &[],
        run: dead_letters_fail,
    },
];

pub(super) const USUAL: &str = "2,000 msg/s of 200 B, half through a plugin";

/// The window is what travels, so the rate is the window by the latency, and pings go on meanwhile.
fn slow(trial: &Trial) -> Figures {
    let latency_s = 2.0;
    // librdkafka has five requests on their way to a broker, one for each partition: with more partitions they share.
    let topics = vec![("all", 2), ("temp", 2), ("dlq", 1)];
    let plan = Plan { rate: None, topics, mqtt: "keep_alive = \"2s\"".into(), ..Plan::usual() };
    let mut scene = Scene::start(&plan);
    scene.mock.delay(Duration::from_secs_f64(latency_s));
    scene.go_on(3.0 * latency_s);
    let (before, started) = (scene.session.acked(), Instant::now());
    scene.go_on(trial.scaled(4.0, 15.0) * latency_s);
    let rate = (scene.session.acked() - before) as f64 / started.elapsed().as_secs_f64();
    scene.mock.delay(Duration::ZERO);
    scene.heal();
    let connections = scene.session.connections();
    let mut figures = scene.judge();
    let ideal = WINDOW as f64 / latency_s;
    // The idempotent producer has one request on its way per partition: what arrives meanwhile waits for the next, so
    // the window takes between one and two latencies.
    figures.measure("rate", rate, "msg/s", Limit::AtLeast(ideal * 0.45));
    figures.measure("window by latency", ideal, "msg/s", Limit::Free);
    figures.measure("MQTT connections", connections as f64, "", Limit::AtMost(1.0));
    figures
}

fn rolling(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan { brokers: 3, ..Plan::usual() });
    for _ in 0..trial.scaled(1, 5) {
        for broker in 1..=3 {
            scene.mock.broker_down(broker);
            scene.go_on(2.0);
            scene.mock.broker_up(broker);
            scene.go_on(1.0);
        }
    }
    scene.heal();
    scene.judge()
}

fn leaders(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan { brokers: 3, ..Plan::usual() });
    let mut random = trial.random();
    for _ in 0..trial.scaled(20, 60) {
        for (topic, partition) in
            [("all", 6), ("temp", 6)].iter().flat_map(|(topic, count)| (0..*count).map(move |p| (*topic, p)))
        {
            scene.mock.lead(topic, partition, 1 + i32::try_from(random.below(3)).expect("below 3"));
        }
        scene.go_on(0.5);
    }
    scene.heal();
    scene.judge()
}

fn missing_topic(trial: &Trial) -> Figures {
    refused_topic(trial, rdkafka::error::RDKafkaErrorCode::UnknownTopicOrPartition)
}

fn denied_topic(trial: &Trial) -> Figures {
    refused_topic(trial, rdkafka::error::RDKafkaErrorCode::TopicAuthorizationFailed)
}

/// `hold`, the default: the source stops when its window is full, tells so, tries without haste, and goes on when it can.
fn refused_topic(trial: &Trial, error: rdkafka::error::RDKafkaErrorCode) -> Figures {
    let mut scene = Scene::quiet(&Plan { rate: Some(1), ..Plan::usual() }).warm();
    scene.mock.fail_topic("temp", Some(error));
    // The producer knows the topic; a new one must ask.
    scene.bridge.kill();
    scene.follow_new(true);
    let asked = Instant::now();
    scene.bridge.wait_metric("tidegate_kafka_held_records", &[], Duration::from_secs(30), |held| held > 0.5);
    let alarm = asked.elapsed();
    let cpu = scene.bridge.process().cpu_time();
    let seconds = trial.scaled(8, 30);
    scene.go_on(f64::from(seconds));
    let used = scene.bridge.process().cpu_time().zip(cpu).map_or(f64::MAX, |(now, then)| (now - then).as_secs_f64());
    scene.mock.fail_topic("temp", None);
    scene.heal();
    let mut figures = scene.judge();
    // The first message for the topic comes within a second at this rate, and a topic may take 5 s to be called missing.
    figures.measure("alarm after", alarm.as_secs_f64(), "s", Limit::AtMost(7.0));
    figures.measure("processor while held", 100.0 * used / f64::from(seconds), "%", Limit::AtMost(10.0));
    figures
}

const LARGE_BYTES: usize = 2 << 20;

fn is_large(id: MessageId) -> bool {
    (id.sequence + id.publisher) % 100 == 50
}

fn too_large(trial: &Trial) -> Figures {
    let plan = Plan {
        topic: Arc::new(|id| if is_large(id) { format!("plant/{id}/status") } else { topic_of(id) }),
        payload: Arc::new(|id| id.payload(if is_large(id) { LARGE_BYTES } else { super::scene::PAYLOAD_BYTES })),
        expect: Arc::new(|id, topic| match is_large(id) {
            // Even the dead-letter topic does not take it whole.
            true => vec![Expected::letter("dlq", topic, "too-large").content(Content::Absent)],
            false => expected(id, topic),
        }),
        rate: Some(500),
        ..Plan::usual()
    };
    let mut scene = Scene::start(&plan).warm();
    scene.go_on(trial.scaled(4.0, 20.0));
    scene.heal();
    let mut figures = scene.judge();
    figures.window_bytes += 64 << 20;
    figures
}

fn few_replicas(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    let end = Instant::now() + Duration::from_secs(trial.scaled(8, 60));
    while Instant::now() < end {
        scene.mock.fail_produce(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 20]);
        scene.go_on(0.2);
    }
    scene.mock.heal_produce();
    scene.heal();
    scene.judge()
}

/// The mock takes a produce request and closes the connection instead of an answer.
fn cut_batches(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    for _ in 0..trial.scaled(12, 100) {
        scene.mock.fail_produce(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT; 3]);
        // The mock does not look at sequence numbers: what it had taken on that connection it takes again.
        scene.breaks += 3;
        scene.go_on(0.5);
    }
    scene.mock.heal_produce();
    scene.heal();
    let mut figures = scene.judge();
    figures.accounts = figures.accounts.map(|accounts| super::figures::Accounts { records_missing: 0, ..accounts });
    figures
}

fn fatal(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    ];
    for _ in 0..trial.scaled(1, 5) {
        for error in errors {
            scene.mock.fail_produce(&[error]);
            // A producer made anew may give every message of the window once more.
            scene.breaks += 1;
            scene.go_on(2.0);
        }
    }
    scene.heal();
    scene.healed_max = Duration::from_secs(5);
    let recreated = scene.bridge.metric("tidegate_kafka_producers_recreated_total", &[]);
    let mut figures = scene.judge();
    figures.measure("producers made anew", recreated, "", Limit::Free);
    // What a lost answer hides is in Kafka without being told.
    figures.accounts = figures.accounts.map(|accounts| super::figures::Accounts { records_missing: 0, ..accounts });
    figures
}

fn is_poison(id: MessageId) -> bool {
    (id.sequence / 2) % 10 == 5 && topic_of(id).ends_with("/temp")
}

fn dead_letters_fail(trial: &Trial) -> Figures {
    let plan = Plan {
        rules: super::scene::RULES.replace("identity", "hostile"),
        plugins: vec!["hostile"],
        rate: Some(500),
        payload: Arc::new(|id| match is_poison(id) {
            true => id.commanded("trap", super::scene::PAYLOAD_BYTES),
            false => id.payload(super::scene::PAYLOAD_BYTES),
        }),
        expect: Arc::new(|id, topic| match is_poison(id) {
            true => vec![Expected::letter("dlq", topic, "plugin-trap").content(Content::Commanded("trap"))],
            false => expected(id, topic),
        }),
        ..Plan::usual()
    };
    let mut scene = Scene::start(&plan);
    scene.mock.fail_topic("dlq", Some(rdkafka::error::RDKafkaErrorCode::TopicAuthorizationFailed));
    scene.bridge.kill();
    scene.follow_new(true);
    scene.bridge.wait_metric("tidegate_kafka_held_records", &[], Duration::from_secs(30), |held| held > 0.5);
    scene.go_on(trial.scaled(5.0, 30.0));
    let full = wait_until(Duration::from_secs(1), || scene.session.flying() > 0);
    scene.mock.fail_topic("dlq", None);
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("held back meanwhile", f64::from(u8::from(full)), "", Limit::AtLeast(1.0));
    figures
}
