//! Rows on a real Mosquitto and a real Apache Kafka, with publishers that keep what they were promised.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::figures::{Accounts, Figures, Limit, Usage};
use super::follow::{Follower, PROBE};
use super::gauge::{Gauge, usage};
use super::needs::Need;
use super::scene::{DEAD_LETTERS, HEALED_MAX, PATIENCE, PAYLOAD_BYTES, RULES, WINDOW, expected, topic_of};
use super::{Row, Trial};
use crate::bridge::Bridge;
use crate::guests::component;
use crate::kafka::Kafka;
use crate::mosquitto::{Mosquitto, Settings};
use crate::net::loopback;
use crate::process::wait_until;
use crate::publish::{Load, Publishing};
use crate::wire::{Connect, Packet, PacketStream, Publish, Version};

pub(super) const ROWS: &[Row] = &[
    Row { id: "K2", fault: "Kafka frozen, then killed, then stopped", load: LOAD, needs: REAL, run: outages },
    Row { id: "M1", fault: "Mosquitto restarted three times", load: LOAD, needs: REAL, run: restarts },
    Row {
        id: "M2",
        fault: "Mosquitto killed three times with a window in flight",
        load: LOAD,
        needs: REAL,
        run: broker_kills,
    },
    Row { id: "M9", fault: "a second bridge with the same client id", load: LOAD, needs: REAL, run: taken_over },
    Row { id: "M11", fault: "a flood of QoS 0", load: "2,000 msg/s of QoS 1 beside it", needs: REAL, run: flood },
    Row { id: "B1-real", fault: "kill -9 at random moments", load: "5,000 msg/s", needs: REAL, run: kills },
    Row {
        id: "R3-real",
        fault: "a reload every 120 ms, 1 in 25 broken",
        load: "5,000 msg/s",
        needs: REAL,
        run: reloads,
    },
];

const LOAD: &str = "2,000 msg/s of 200 B from 20 publishers";
const REAL: &[Need] = &[Need::Mosquitto, Need::Kafka];
const TOPICS: [(&str, i32); 3] = [("all", 6), ("temp", 6), ("dlq", 1)];
const PUBLISHERS: u32 = 20;

/// Both servers, the bridge between them, publishers before and a reader behind.
struct Works {
    kafka: Kafka,
    mosquitto: Mosquitto,
    bridge: Bridge,
    publishing: Publishing,
    follower: Follower,
    gauge: Gauge,
    before: Usage,
    healed: Option<(String, Instant)>,
    breaks: u64,
    whole_books: bool,
}

impl Works {
    fn start(rate: u32) -> Self {
        let kafka = Kafka::start();
        kafka.client().create_topics(&TOPICS);
        let mosquitto = Mosquitto::start(Settings::default());
        let mut load = Load::new(mosquitto.port, u32::MAX / PUBLISHERS, topic_of);
        (load.rate, load.publishers, load.window) = (Some(rate), PUBLISHERS, 100);
        let topics = TOPICS.map(|(topic, _)| topic);
        let follower = Follower::start(&kafka.client(), &topics, load.topic.clone(), PAYLOAD_BYTES, Box::new(expected));
        let tables = format!("{}\n{}\n{DEAD_LETTERS}", mosquitto.table("client_id = \"bridge\""), kafka.table());
        let mut bridge = Bridge::new(&tables, RULES);
        bridge.add_plugin("identity", &component("identity"));
        bridge.start();
        let publishing = load.start();
        publishing.wait_acked(rate.into(), PATIENCE);
        let pid = bridge.process().id();
        let (gauge, before) = (Gauge::start(pid), usage(pid).unwrap_or_default());
        let healed = None;
        Self { kafka, mosquitto, bridge, publishing, follower, gauge, before, healed, breaks: 0, whole_books: true }
    }

    /// Kafka is back: how long until anything is read again, and until a message of now is there.
    fn heal(&mut self) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let text = format!("{PROBE}works-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        probe(self.mosquitto.port, &text).expect("Mosquitto takes the probe");
        self.healed = Some((text, Instant::now()));
    }

    fn wait_healed(&self) -> Option<Result<Duration, Duration>> {
        let (text, since) = self.healed.as_ref()?;
        let patience = HEALED_MAX * 3;
        wait_until(patience, || self.follower.probe(text).is_some());
        Some(self.follower.probe(text).map(|at| at.duration_since(*since)).ok_or(patience))
    }

    /// Time until the reader gets a record more than it has.
    fn first_record(&self) -> Duration {
        let (before, started) = (self.follower.records(), Instant::now());
        wait_until(PATIENCE, || self.follower.records() > before);
        started.elapsed()
    }

    fn judge(mut self) -> Figures {
        let healed = self.wait_healed();
        let published = self.publishing.stop();
        assert_eq!(published.unmatched, 0, "the broker had no subscription for some messages");
        let (verdict, records) = self.follower.finish(&published);
        self.bridge.wait_metric("tidegate_inflight_messages", &[], PATIENCE, |count| count < 0.5);
        let accounts = self.whole_books.then(|| accounts(&self.bridge, records));
        let after = usage(self.bridge.process().id()).unwrap_or_default();
        Figures {
            sent: published.sent(),
            duplicates_max: self.breaks * WINDOW + published.resent,
            healed,
            healed_max: HEALED_MAX,
            accounts,
            usage: Some((self.before, after, self.gauge.peak_bytes())),
            window_bytes: WINDOW * PAYLOAD_BYTES as u64,
            verdict,
            ..Figures::default()
        }
    }
}

fn accounts(bridge: &Bridge, records: u64) -> Accounts {
    let metrics = bridge.metrics();
    let sum = |name: &str| metrics.sum(name, &[]) as i64;
    let settled = sum("tidegate_messages_acknowledged_total") + sum("tidegate_messages_abandoned_total");
    let told = sum("tidegate_records_produced_total");
    Accounts {
        messages_missing: sum("tidegate_messages_received_total") - settled - sum("tidegate_inflight_messages"),
        records_missing: i64::try_from(records).unwrap_or(i64::MAX) - told,
    }
}

/// Publishes one unnumbered message and waits for its acknowledgement.
fn probe(port: u16, text: &str) -> std::io::Result<()> {
    let socket = std::net::TcpStream::connect(loopback(port))?;
    let mut stream = PacketStream::new(socket, Version::V5);
    let connect = Connect { client_id: text.to_owned(), clean: true, ..Connect::default() };
    stream.send(&Packet::Connect(Version::V5, connect))?;
    stream.receive(PATIENCE)?;
    let payload = text.as_bytes().to_vec();
    stream.send(&Packet::Publish(Publish {
        topic: "plant/probe".into(),
        payload,
        qos: 1,
        packet_id: 1,
        ..Publish::default()
    }))?;
    stream.receive(PATIENCE)?;
    stream.send(&Packet::Disconnect { code: 0 })
}

/// Kafka away in three ways; MQTT stays, nothing expires, the program says what it waits for.
fn outages(trial: &Trial) -> Figures {
    let mut works = Works::start(2_000);
    let seconds = Duration::from_secs(trial.scaled(8, 60));
    let connects = works.bridge.metric("tidegate_mqtt_connects_total", &[]);
    works.kafka.freeze();
    thread::sleep(seconds);
    let alive = works.bridge.get("/livez").is_some_and(|answer| answer.status == 200);
    let cpu = works.bridge.process().cpu_time();
    thread::sleep(Duration::from_secs(2));
    let used = works.bridge.process().cpu_time().zip(cpu).map_or(f64::MAX, |(now, then)| (now - then).as_secs_f64());
    works.kafka.thaw();
    let first = works.first_record();
    works.kafka.kill();
    thread::sleep(Duration::from_secs(1));
    works.kafka.start_again();
    // What Kafka had taken and not told comes again.
    works.breaks += 1;
    thread::sleep(Duration::from_secs(2));
    works.kafka.stop();
    thread::sleep(seconds);
    works.kafka.start_again();
    let (before, returned) = (works.follower.records(), Instant::now());
    let first_after_start = works.first_record();
    thread::sleep(Duration::from_secs(2));
    let drain = (works.follower.records() - before) as f64 / returned.elapsed().as_secs_f64();
    works.heal();
    let connections = works.bridge.metric("tidegate_mqtt_connects_total", &[]) - connects;
    let mut figures = works.judge();
    figures.measure("alive while Kafka was away", f64::from(u8::from(alive)), "", Limit::AtLeast(1.0));
    figures.measure("processor while frozen", used * 50.0, "%", Limit::AtMost(10.0));
    figures.measure("first record after thaw", first.as_secs_f64(), "s", Limit::AtMost(5.0));
    figures.measure("first record after start", first_after_start.as_secs_f64(), "s", Limit::AtMost(5.0));
    figures.measure("drain", drain, "msg/s", Limit::Free);
    figures.measure("MQTT reconnects", connections, "", Limit::AtMost(0.0));
    // After a kill Kafka holds records whose answers were never heard.
    figures.accounts = figures.accounts.map(|accounts| Accounts { records_missing: 0, ..accounts });
    figures
}

fn restarts(trial: &Trial) -> Figures {
    let mut works = Works::start(2_000);
    let mut slowest: f64 = 0.0;
    for _ in 0..trial.scaled(3, 10) {
        thread::sleep(Duration::from_secs(1));
        works.mosquitto.stop();
        thread::sleep(Duration::from_millis(300));
        works.mosquitto.start_again();
        slowest = slowest.max(reconnect_s(&works));
        works.breaks += 1;
    }
    works.heal();
    let mut figures = works.judge();
    figures.measure("slowest reconnect", slowest, "s", Limit::AtMost(3.0));
    figures
}

fn reconnect_s(works: &Works) -> f64 {
    let started = Instant::now();
    works.bridge.wait_metric("tidegate_mqtt_connected", &[], PATIENCE, |up| up > 0.5);
    started.elapsed().as_secs_f64()
}

/// What Mosquitto has not saved dies with it, so it is killed when its last save holds everything that it acknowledged,
/// and while the bridge has a window of messages that Kafka has not answered.
fn broker_kills(trial: &Trial) -> Figures {
    let mut works = Works::start(2_000);
    let mut slowest: f64 = 0.0;
    for _ in 0..trial.scaled(3, 10) {
        works.kafka.freeze();
        thread::sleep(Duration::from_millis(700));
        works.publishing.pause();
        thread::sleep(Duration::from_millis(2_500));
        works.mosquitto.kill();
        works.mosquitto.start_again();
        slowest = slowest.max(reconnect_s(&works));
        works.kafka.thaw();
        works.publishing.resume();
        works.breaks += 1;
        thread::sleep(Duration::from_millis(700));
    }
    works.heal();
    let mut figures = works.judge();
    figures.measure("slowest reconnect", slowest, "s", Limit::AtMost(3.0));
    figures
}

/// Both run the same rules, so whoever has the session delivers. They must not throw each other out without end.
fn taken_over(trial: &Trial) -> Figures {
    let mut works = Works::start(2_000);
    let tables =
        format!("{}\n{}\n{DEAD_LETTERS}", works.mosquitto.table("client_id = \"bridge\""), works.kafka.table());
    let mut second = Bridge::new(&tables, RULES);
    second.add_plugin("identity", &component("identity"));
    let connects = |works: &Works, second: &Bridge| {
        let of = |bridge: &Bridge| bridge.metric("tidegate_mqtt_connects_total", &[]);
        of(&works.bridge) + of(second)
    };
    second.spawn();
    thread::sleep(Duration::from_secs(3));
    let (before, seconds) = (connects(&works, &second), trial.scaled(15, 60));
    thread::sleep(Duration::from_secs(seconds));
    let made = connects(&works, &second) - before;
    works.breaks += connects(&works, &second) as u64;
    works.breaks += 1;
    second.terminate();
    works.whole_books = false;
    works.bridge.wait_metric("tidegate_mqtt_connected", &[], PATIENCE, |up| up > 0.5);
    works.heal();
    let mut figures = works.judge();
    figures.measure("connections of both in 10 s", made * 10.0 / seconds as f64, "", Limit::AtMost(2.0));
    figures
}

/// Unacknowledged messages as fast as the socket takes them, beside the numbered ones.
fn flood(trial: &Trial) -> Figures {
    let mut works = Works::start(2_000);
    let seconds = Duration::from_secs(trial.scaled(5, 30));
    let connects = works.bridge.metric("tidegate_mqtt_connects_total", &[]);
    let sent = flood_for(works.mosquitto.port, seconds).expect("Mosquitto takes QoS 0");
    works.heal();
    let took = works.bridge.metric("tidegate_messages_received_total", &[]);
    let reconnects = works.bridge.metric("tidegate_mqtt_connects_total", &[]) - connects;
    let mut figures = works.judge();
    figures.measure("QoS 0 sent", sent as f64, "", Limit::Free);
    figures.measure("messages that reached the bridge", took, "", Limit::Free);
    figures.measure("MQTT reconnects", reconnects, "", Limit::AtMost(0.0));
    figures
}

/// All with the payload of one probe: they are counted, and need no numbers.
fn flood_for(port: u16, long: Duration) -> std::io::Result<u64> {
    let mut stream = PacketStream::new(std::net::TcpStream::connect(loopback(port))?, Version::V5);
    let connect = Connect { client_id: "flood".into(), clean: true, ..Connect::default() };
    stream.send(&Packet::Connect(Version::V5, connect))?;
    stream.receive(PATIENCE)?;
    let payload = format!("{PROBE}flood").into_bytes();
    let publish = Publish { topic: "plant/flood/status".into(), payload, ..Publish::default() };
    let hundred = Packet::Publish(publish).encode(Version::V5).repeat(100);
    let (started, mut sent) = (Instant::now(), 0);
    while started.elapsed() < long {
        stream.write(&hundred)?;
        sent += 100;
    }
    stream.send(&Packet::Disconnect { code: 0 })?;
    Ok(sent)
}

fn kills(trial: &Trial) -> Figures {
    let mut random = trial.random();
    let mut works = Works::start(5_000);
    for _ in 0..trial.scaled(10, 50) {
        // Between being ready and being killed, and at times before being ready.
        thread::sleep(Duration::from_millis(100 + random.below(800)));
        works.bridge.kill();
        works.bridge.spawn();
        works.breaks += 1;
    }
    works.bridge.wait_ready(PATIENCE);
    works.gauge.follow(works.bridge.process().id());
    works.whole_books = false;
    works.heal();
    let mut figures = works.judge();
    // Each process has threads and descriptors of its own; their number is judged where nothing is restarted.
    figures.usage = None;
    figures
}

fn reloads(trial: &Trial) -> Figures {
    let mut works = Works::start(5_000);
    let count: u32 = trial.scaled(60, 500);
    let (connects, started) = (works.bridge.metric("tidegate_mqtt_connects_total", &[]), Instant::now());
    for number in 1..=count {
        let broken = number % 25 == 0;
        let text = if broken { "[[rule]]\nname = \"x\"\n".to_owned() } else { version(number) };
        works.bridge.write("rules.d/rules.toml", &text);
        let answer = works.bridge.reload();
        assert_eq!(answer["outcome"] == "rejected", broken, "{answer:#}");
        thread::sleep((Duration::from_millis(120) * number).saturating_sub(started.elapsed()));
    }
    let reconnects = works.bridge.metric("tidegate_mqtt_connects_total", &[]) - connects;
    let generation = works.bridge.metric("tidegate_config_generation", &[]);
    works.heal();
    let mut figures = works.judge();
    figures.measure("reloads", f64::from(count), "", Limit::Free);
    figures.measure("generations", generation, "", Limit::AtLeast(f64::from(count) * 0.9));
    figures.measure("MQTT reconnects", reconnects, "", Limit::AtMost(0.0));
    figures
}

/// Odd versions have one rule more, on a filter of its own.
fn version(number: u32) -> String {
    let extra = "[[rule]]\nname = \"extra\"\nfrom = [\"other/#\"]\nto = { topic = \"all\" }\n";
    format!("{RULES}\n# version {number}\n{}", if number % 2 == 1 { extra } else { "" })
}
