//! M: what MQTT brokers do to the bridge.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::figures::{Figures, Limit};
use super::gauge::usage;
use super::kafka_rows::USUAL;
use super::scene::{PATIENCE, Plan, Scene};
use super::session::Memory;
use super::{Row, Trial};
use crate::bridge::Bridge;
use crate::mock::Mock;
use crate::payload::{MessageId, Random};
use crate::process::wait_until;
use crate::read::Reader;
use crate::scripted::{Script, ScriptedBroker};
use crate::verdict::Expected;
use crate::wire::{Packet, Publish, Version};

pub(super) const ROWS: &[Row] = &[
    Row { id: "M3", fault: "the broker forgets the session", load: USUAL, needs: &[], run: forgotten },
    Row { id: "M4", fault: "the connection falls silent, both ways", load: USUAL, needs: &[], run: silent },
    Row {
        id: "M7",
        fault: "mutated packets",
        load: "random frames, one fresh message after each connection",
        needs: &[],
        run: mutated,
    },
    Row { id: "M8", fault: "SUBACK refuses, then grants", load: "single messages", needs: &[], run: refused },
    Row { id: "M10", fault: "connection cut, everything again with DUP", load: USUAL, needs: &[], run: repeated },
    Row {
        id: "M12",
        fault: "100,000 messages queued at connect",
        load: "as fast as the window",
        needs: &[],
        run: backlog,
    },
    Row { id: "M14", fault: "DISCONNECT with every reason code", load: USUAL, needs: &[], run: goodbyes },
    Row {
        id: "M15",
        fault: "one message, three rules, one of them slow",
        load: "2,000 msg/s to three topics",
        needs: &[],
        run: slowest_rule,
    },
];

/// Kafka is slow, so that a whole window is at work when the session goes.
fn forgotten(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    let mut slowest: f64 = 0.0;
    scene.session.set_memory(Memory::Forgets);
    let count = trial.scaled(4, 20);
    for _ in 0..count {
        scene.mock.delay(Duration::from_millis(400));
        scene.go_on(0.6);
        let (acked, cut) = (scene.session.connections(), Instant::now());
        scene.session.hang_up();
        wait_until(PATIENCE, || scene.session.connections() > acked && scene.session.flying() > 0);
        slowest = slowest.max(cut.elapsed().as_secs_f64());
        scene.breaks += 1;
        scene.go_on(0.6);
        scene.mock.delay(Duration::ZERO);
    }
    scene.heal();
    let lost = scene.bridge.metric("tidegate_mqtt_sessions_lost_total", &[]);
    let mut figures = scene.judge();
    figures.measure("subscribed again after", slowest, "s", Limit::AtMost(2.0));
    figures.measure("sessions lost, as told", lost, "", Limit::AtLeast(f64::from(count)));
    figures
}

fn repeated(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    for _ in 0..trial.scaled(5, 30) {
        scene.mock.delay(Duration::from_millis(200));
        scene.go_on(0.5);
        scene.session.hang_up();
        scene.breaks += 1;
        scene.go_on(0.5);
        scene.mock.delay(Duration::ZERO);
    }
    scene.heal();
    let rejoined = scene.bridge.metric("tidegate_messages_rejoined_total", &[]);
    let mut figures = scene.judge();
    figures.measure("repetitions taken for what they are", rejoined, "", Limit::AtLeast(1.0));
    figures
}

fn backlog(_: &Trial) -> Figures {
    let queued = 100_000;
    let plan = Plan { messages: queued, rate: None, mqtt: "keep_alive = \"1s\"".into(), ..Plan::usual() };
    let started = Instant::now();
    let mut scene = Scene::quiet(&plan).warm();
    let ready = started.elapsed().as_secs_f64();
    scene.session.wait_acked(u64::from(queued), PATIENCE);
    let rate = f64::from(queued) / started.elapsed().as_secs_f64();
    scene.heal();
    let connections = scene.session.connections();
    let mut figures = scene.judge();
    // The process was looked at before its first message: lanes, routes and the producer's buffers come on top.
    figures.window_bytes += 48 << 20;
    figures.measure("ready after", ready, "s", Limit::AtMost(5.0));
    figures.measure("drained at", rate, "msg/s", Limit::Free);
    figures.measure("MQTT connections", connections as f64, "", Limit::AtMost(1.0));
    figures
}

/// Reason codes of a server's DISCONNECT (MQTT 5, section 3.14.2.1) after which a client may come back at once or soon.
const PASSING: [u8; 11] = [0x80, 0x81, 0x82, 0x83, 0x89, 0x8b, 0x8d, 0x93, 0x96, 0x97, 0x98];

fn goodbyes(_: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan { mqtt: "reconnect_max = \"1s\"".into(), ..Plan::usual() });
    let mut slowest: f64 = 0.0;
    for code in PASSING {
        let (before, said) = (scene.session.connections(), Instant::now());
        scene.session.send(&Packet::Disconnect { code });
        scene.session.hang_up();
        let back =
            wait_until(Duration::from_secs(20), || scene.session.connections() > before && scene.session.flying() > 0);
        assert!(back, "not back 20 s after DISCONNECT {code:#04x}\n{}", scene.bridge.log());
        slowest = slowest.max(said.elapsed().as_secs_f64());
        scene.breaks += 1;
    }
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("codes", PASSING.len() as f64, "", Limit::Free);
    figures.measure("slowest return", slowest, "s", Limit::AtMost(3.0));
    figures
}

/// No packet is lost in the network as far as the bridge can see: it must notice by its own pings.
fn silent(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan { mqtt: "keep_alive = \"2s\"".into(), ..Plan::usual() });
    let mut slowest: f64 = 0.0;
    for _ in 0..trial.scaled(2, 10) {
        let (before, fell) = (scene.session.connections(), Instant::now());
        scene.session.fall_silent();
        wait_until(PATIENCE, || scene.session.connections() > before);
        slowest = slowest.max(fell.elapsed().as_secs_f64());
        scene.breaks += 1;
        scene.go_on(1.0);
    }
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("noticed after", slowest, "s", Limit::AtMost(6.0));
    figures
}

const THREE_RULES: &str = r#"
[[rule]]
name = "one"
from = ["plant/#"]
to = { topic = "one" }
[[rule]]
name = "two"
from = ["plant/#"]
to = { topic = "two" }
[[rule]]
name = "three"
from = ["plant/#"]
to = { topic = "three" }
"#;

/// The third topic has a broker of its own, which answers late: until then nothing may be acknowledged.
fn slowest_rule(trial: &Trial) -> Figures {
    let topics = vec![("one", 1), ("two", 1), ("three", 1)];
    let expect = |_: MessageId, topic: &str| ["one", "two", "three"].map(|to| Expected::plain(to, topic)).to_vec();
    let plan = Plan {
        brokers: 3,
        topics,
        more: String::new(),
        rules: THREE_RULES.into(),
        plugins: Vec::new(),
        ..Plan::usual()
    };
    let mut scene = Scene::quiet(&Plan { expect: Arc::new(expect), ..plan });
    (1..).zip(["one", "two", "three"]).for_each(|(broker, topic)| scene.mock.lead(topic, 0, broker));
    scene.session.wait_acked(2_000, PATIENCE);
    scene = scene.warm();
    scene.go_on(1.0);
    scene.mock.delay_broker(3, Duration::from_secs(2));
    scene.go_on(0.3);
    let acked = scene.session.acked();
    scene.go_on(1.2);
    let early = scene.session.acked() - acked;
    scene.go_on(trial.scaled(3.0, 20.0));
    scene.mock.delay_broker(3, Duration::ZERO);
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("acknowledged before the slowest had it", early as f64, "", Limit::AtMost(0.0));
    figures
}

const COPY: &str = "[[rule]]\nname = \"copy\"\nfrom = [\"a/#\"]\nto = { topic = \"t\" }\n";

/// A scripted broker, a mock Kafka, a bridge that copies.
struct Small {
    broker: ScriptedBroker,
    mock: Mock,
    bridge: Bridge,
}

impl Small {
    fn prepare() -> Self {
        let broker = ScriptedBroker::start(Script::default());
        let mock = Mock::start(&[("t", 1)]);
        let bridge = Bridge::new(&format!("{}\n{}", broker.table("reconnect_max = \"50ms\""), mock.table()), COPY);
        Self { broker, mock, bridge }
    }

    /// How long until a message sent on the newest connection is in Kafka.
    fn pass(&self, text: &str) -> Option<Duration> {
        let started = Instant::now();
        let mut reader = Reader::open(&self.mock.client(), &["t"]);
        let came = wait_until(Duration::from_secs(20), || {
            // The connection may have been on its way out when it was sent.
            self.broker.publish("a/x", text.as_bytes(), 0, 0);
            reader.all().iter().any(|record| record.payload_text() == text)
        });
        came.then(|| started.elapsed())
    }
}

/// Honest packets, then bytes changed at random: the process lives, its memory stays, the next connection works.
fn mutated(trial: &Trial) -> Figures {
    let mut small = Small::prepare();
    small.bridge.start();
    let mut figures = Figures { healed_max: super::scene::HEALED_MAX, ..Figures::default() };
    let mut random = trial.random();
    small.pass("warm").expect("a first message passes");
    let before = usage(small.bridge.process().id()).unwrap_or_default();
    let (rounds, per_round) = (trial.scaled(100, 1_000), 100);
    let mut peak = 0;
    for _ in 0..rounds {
        let connection = small.broker.connections();
        small.broker.wait("a connection", PATIENCE, |log| log.iter().any(|seen| seen.connection >= connection));
        let bytes: Vec<u8> = (0..per_round).flat_map(|number| mutant(&mut random, number)).collect();
        small.broker.raw(&bytes);
        wait_until(Duration::from_secs(2), || small.broker.connections() > connection);
        // Where the bytes happened to begin a long frame, the bridge waits for its rest with good reason.
        small.broker.hang_up();
        wait_until(Duration::from_secs(10), || small.broker.connections() > connection);
        assert!(small.bridge.process().is_running(), "the bridge ended:\n{}", small.bridge.log());
        peak = peak.max(usage(small.bridge.process().id()).unwrap_or_default().memory_bytes);
    }
    figures.healed = Some(small.pass("fresh").ok_or(Duration::from_secs(20)));
    let after = usage(small.bridge.process().id()).unwrap_or_default();
    figures.usage = Some((before, after, peak));
    figures.measure("frames", f64::from(rounds * per_round), "", Limit::Free);
    figures.measure("connections", small.broker.connections() as f64, "", Limit::Free);
    let panics = small.bridge.log().matches("panicked").count();
    figures.measure("panics", panics as f64, "", Limit::AtMost(0.0));
    figures
}

/// A packet that a broker may send, with up to three bytes changed.
fn mutant(random: &mut Random, number: u16) -> Vec<u8> {
    let publish = Publish {
        topic: "a/b".into(),
        payload: b"mutant".to_vec(),
        qos: u8::try_from(random.below(3)).expect("below 3"),
        packet_id: number + 1,
        content_type: Some("text/plain".into()),
        user: vec![("k".into(), "v".into())],
        topic_alias: (random.below(4) == 0).then_some(1),
        subscription_ids: vec![1],
        ..Publish::default()
    };
    let packet = match random.below(8) {
        0 => Packet::Puback { packet_id: number, code: 0 },
        1 => Packet::Pubrel { packet_id: number, code: 0 },
        2 => Packet::Suback { packet_id: number, codes: vec![0, 1, 2, 0x80] },
        3 => Packet::Pingresp,
        _ => Packet::Publish(Publish { packet_id: if publish.qos == 0 { 0 } else { publish.packet_id }, ..publish }),
    };
    let mut bytes = packet.encode(Version::V5);
    for _ in 0..random.below(4) {
        let at = usize::try_from(random.below(bytes.len() as u64)).expect("short");
        bytes[at] = u8::try_from(random.below(256)).expect("below 256");
    }
    bytes
}

fn refused(_: &Trial) -> Figures {
    let mut small = Small::prepare();
    small.broker.refuse("a/#", 0x87);
    small.bridge.spawn();
    small.broker.wait_subscribed("a/#", PATIENCE);
    thread::sleep(Duration::from_millis(500));
    let was_ready = small.bridge.is_ready();
    let tries = small.broker.subscribes().len();
    thread::sleep(Duration::from_secs(2));
    let tries = small.broker.subscribes().len() - tries;
    let granted = Instant::now();
    small.broker.change(|script| script.suback.clear());
    small.bridge.wait_ready(Duration::from_secs(60));
    let mut figures = Figures { healed_max: Duration::from_secs(60), ..Figures::default() };
    let ready = granted.elapsed().as_secs_f64();
    figures.healed = Some(small.pass("fresh").ok_or(Duration::from_secs(20)));
    figures.measure("ready while refused", f64::from(u8::from(was_ready)), "", Limit::AtMost(0.0));
    figures.measure("tries in 2 s", tries as f64, "", Limit::AtMost(20.0));
    figures.measure("ready after the grant", ready, "s", Limit::AtMost(60.0));
    figures
}
