//! The usual stage of a row: a session of numbered messages, a mock Kafka, the bridge between them, a reader behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::figures::{Accounts, Figures, Usage};
use super::follow::{Follower, PROBE};
use super::gauge::{Gauge, usage};
use super::session::{Numbered, PayloadOf, Session};
use crate::bridge::Bridge;
use crate::guests::component;
use crate::mock::Mock;
use crate::payload::MessageId;
use crate::process::wait_until;
use crate::publish::TopicOf;
use crate::verdict::Expected;

/// Long enough for a busy machine; nothing waits that long where all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The bridge's default `window`.
pub const WINDOW: u64 = 1_024;
pub const PAYLOAD_BYTES: usize = 200;
/// Within this a fresh message passes after a fault, unless a row says otherwise.
pub const HEALED_MAX: Duration = Duration::from_secs(10);
/// Where dead letters go.
pub const DEAD_LETTERS: &str = "[dead_letter]\nkafka = \"main\"\ntopic = \"dlq\"\n";

/// One rule copies, one has a plugin; no filter covers another. `plant/probe` belongs to the copy.
pub const RULES: &str = r#"
[[rule]]
name = "copy"
from = ["plant/+/status", "plant/probe"]
to = { topic = "all" }
[[rule]]
name = "temperature"
from = ["plant/{machine}/temp"]
via = ["identity"]
to = { topic = "temp", key = "{machine}", headers = { rule = "{rule}" } }
"#;

/// Half of the messages go the way of each rule.
#[must_use]
pub fn topic_of(id: MessageId) -> String {
    let kind = if id.sequence.is_multiple_of(2) { "temp" } else { "status" };
    format!("plant/m{}/{kind}", id.publisher)
}

/// What `RULES` make of a message.
#[must_use]
pub fn expected(id: MessageId, mqtt_topic: &str) -> Vec<Expected> {
    if !mqtt_topic.ends_with("/temp") {
        return vec![Expected::plain("all", mqtt_topic)];
    }
    let plain = Expected::plain("temp", mqtt_topic);
    vec![plain.key(&format!("m{}", id.publisher)).header("rule", "temperature")]
}

/// Which records a message must become.
pub type Expect = Arc<dyn Fn(MessageId, &str) -> Vec<Expected> + Send + Sync>;

/// How a scene is set.
#[derive(Clone)]
pub struct Plan {
    /// Brokers of the mock cluster.
    pub brokers: i32,
    pub topics: Vec<(&'static str, i32)>,
    /// Beneath `[mqtt.plant]`.
    pub mqtt: String,
    /// Further tables.
    pub more: String,
    pub rules: String,
    pub plugins: Vec<&'static str>,
    pub publishers: u32,
    pub messages: u32,
    pub rate: Option<u32>,
    pub topic: TopicOf,
    pub payload: PayloadOf,
    pub expect: Expect,
}

impl Plan {
    /// `RULES`, 20 publishers, 2,000 messages a second until the row has seen enough.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            brokers: 1,
            topics: vec![("all", 6), ("temp", 6), ("dlq", 1)],
            mqtt: String::new(),
            more: DEAD_LETTERS.to_owned(),
            rules: RULES.to_owned(),
            plugins: vec!["identity"],
            publishers: 20,
            messages: 10_000_000,
            rate: Some(2_000),
            topic: Arc::new(topic_of),
            payload: Arc::new(|id| id.payload(PAYLOAD_BYTES)),
            expect: Arc::new(expected),
        }
    }

    fn numbered(&self) -> Numbered {
        Numbered {
            publishers: self.publishers,
            each: self.messages / self.publishers,
            rate: self.rate,
            topic: self.topic.clone(),
            payload: self.payload.clone(),
        }
    }
}

/// Everything in its place.
pub struct Scene {
    pub session: Session,
    pub mock: Mock,
    pub bridge: Bridge,
    pub follower: Follower,
    gauge: Gauge,
    before: Usage,
    healed: Option<(String, Instant)>,
    /// Kills and broken connections so far: each may cost a window of duplicates.
    pub breaks: u64,
    /// Whether the books of the running process are whole.
    pub whole_books: bool,
    pub healed_max: Duration,
}

impl Scene {
    /// Sets the scene and waits until a second's worth of messages has passed.
    ///
    /// # Panics
    /// Where something does not start.
    #[must_use]
    pub fn start(plan: &Plan) -> Self {
        let scene = Self::quiet(plan);
        scene.session.wait_acked(u64::from(plan.rate.unwrap_or(2_000)), PATIENCE);
        scene.warm()
    }

    /// As `start`, and does not wait for messages.
    ///
    /// # Panics
    /// Where something does not start.
    #[must_use]
    pub fn quiet(plan: &Plan) -> Self {
        let session = Session::start(plan.numbered());
        let mock = Mock::of(plan.brokers, &plan.topics);
        let topics: Vec<_> = plan.topics.iter().map(|(topic, _)| *topic).collect();
        let expect = plan.expect.clone();
        let expect = Box::new(move |id: MessageId, topic: &str| expect(id, topic));
        let follower = Follower::start(&mock.client(), &topics, plan.topic.clone(), PAYLOAD_BYTES, expect);
        let tables = format!("{}\n{}\n{}", session.table("plant", &plan.mqtt), mock.table(), plan.more);
        let mut bridge = Bridge::new(&tables, &plan.rules);
        for plugin in &plan.plugins {
            bridge.add_plugin(plugin, &component(plugin));
        }
        bridge.start();
        let gauge = Gauge::start(bridge.process().id());
        Self {
            session,
            mock,
            bridge,
            follower,
            gauge,
            before: Usage::default(),
            healed: None,
            breaks: 0,
            whole_books: true,
            healed_max: HEALED_MAX,
        }
    }

    /// What the process holds now is what it may hold at the end.
    #[must_use]
    pub fn warm(mut self) -> Self {
        self.before = usage(self.bridge.process().id()).unwrap_or_default();
        self
    }

    /// kill -9 and a new process.
    ///
    /// # Panics
    /// Where the new one does not start.
    pub fn kill(&mut self) {
        self.bridge.kill();
        self.follow_new(true);
    }

    /// Starts the bridge after its process has ended; its books begin anew.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn follow_new(&mut self, counts_as_break: bool) {
        self.bridge.start();
        self.gauge.follow(self.bridge.process().id());
        self.breaks += u64::from(counts_as_break);
        self.whole_books = false;
    }

    /// The fault has ended: a fresh message goes out now and must pass in time.
    pub fn heal(&mut self) {
        let text = next_probe();
        self.session.probe(&text);
        self.healed = Some((text, Instant::now()));
    }

    /// Waits for the fresh message of `heal`; how long it took.
    ///
    /// # Errors
    /// It did not come; how long was waited.
    ///
    /// # Panics
    /// Without `heal`.
    pub fn wait_healed(&self) -> Result<Duration, Duration> {
        let (text, since) = self.healed.as_ref().expect("`heal` comes first");
        let patience = self.healed_max * 3;
        wait_until(patience, || self.follower.probe(text).is_some());
        self.follower.probe(text).map(|at| at.duration_since(*since)).ok_or(patience)
    }

    /// Lets the load go on for `seconds`.
    pub fn go_on(&self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }

    /// Stops the load, waits until all is settled, judges.
    ///
    /// # Panics
    /// Where the bridge or the reader failed.
    #[must_use]
    pub fn judge(mut self) -> Figures {
        let healed = self.healed.is_some().then(|| self.wait_healed());
        if let Some(Err(waited)) = healed {
            let (acked, flying, records) = (self.session.acked(), self.session.flying(), self.follower.records());
            println!("after {waited:?}: {acked} acknowledged, {flying} in flight, {records} records read");
        }
        self.session.stop();
        let settled = self.session.wait_settled(PATIENCE);
        let published = self.session.published();
        let accounts = self.whole_books.then(|| self.bridge_accounts());
        let after = self.at_rest();
        if !self.whole_books {
            // Each process has threads and descriptors of its own; their number is judged where nothing is restarted.
            (self.before.descriptors, self.before.threads) = (after.descriptors, after.threads);
        }
        let (verdict, records) = self.follower.finish(&published);
        Figures {
            sent: published.sent(),
            duplicates_max: self.breaks * WINDOW,
            healed: if settled { healed } else { Some(Err(PATIENCE)) },
            healed_max: self.healed_max,
            usage: (self.before.memory_bytes > 0).then_some((self.before, after, self.gauge.peak_bytes())),
            window_bytes: WINDOW * PAYLOAD_BYTES as u64,
            ack_violations: Some(self.session.ack_violations()),
            accounts: accounts.map(|(messages_missing, told)| Accounts {
                messages_missing,
                records_missing: i64::try_from(records).unwrap_or(i64::MAX) - told,
            }),
            verdict,
            ..Figures::default()
        }
    }

    /// What the process holds when threads and sockets that it has let go have had time to end.
    fn at_rest(&mut self) -> Usage {
        let (pid, before) = (self.bridge.process().id(), self.before);
        let now = || usage(pid).unwrap_or_default();
        let flat = |now: Usage| now.threads <= before.threads && now.descriptors <= before.descriptors;
        wait_until(Duration::from_secs(if self.whole_books { 3 } else { 0 }), || flat(now()));
        now()
    }

    /// Received minus all that became of it, and the records that the metrics tell.
    fn bridge_accounts(&self) -> (i64, i64) {
        // The last acknowledgement is written before it is counted.
        let books = || {
            let metrics = self.bridge.metrics();
            let sum = |name: &str| metrics.sum(name, &[]) as i64;
            let settled = sum("tidegate_messages_acknowledged_total") + sum("tidegate_messages_abandoned_total");
            let open = sum("tidegate_inflight_messages");
            // Dead letters are records of their topic, and counted there.
            let told = sum("tidegate_records_produced_total");
            (sum("tidegate_messages_received_total") - settled - open, told, open)
        };
        wait_until(Duration::from_secs(5), || books().2 == 0);
        let (missing, told, _) = books();
        (missing, told)
    }
}

fn next_probe() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{PROBE}{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}
