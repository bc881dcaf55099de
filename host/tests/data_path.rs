//! The data path between its edges: messages in, shipments and acknowledgements out. The sink here is the test's hand: it
//! keeps what it is given until the test says what Kafka answered.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too")]

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tidegate::ack::{Ack, Desk, Failure, FailureKind, PacketId, RuleNo, Settlement, SourceNo};
use tidegate::config::OnError;
use tidegate::message::{Message, Qos, SubscriptionIds};
use tidegate::meters::{Meters, SourceMeters};
use tidegate::pipeline::lane::{Lane, Outlets};
use tidegate::pipeline::{Limits, Pipeline, Wiring};
use tidegate::router::pattern::Pattern;
use tidegate::router::subscriptions::Plan;
use tidegate::router::template::Template;
use tidegate::router::{Destination, Rule, RuleSet, RuleStage, Snapshot};
use tidegate::seam::{
    Arrival, Emission, Instance, Intake, Occasion, Outcome, Output, Shipment, Sink, Stage, StageFault, StageMessage,
    Wishes,
};
use tidegate::topic::{ClusterNo, KafkaTopics, TopicName};

/// Keeps what it is given.
#[derive(Default)]
struct Hand {
    given: Mutex<VecDeque<Shipment>>,
    room: Mutex<Option<usize>>,
}

impl Sink for Hand {
    fn send(&self, shipments: &mut VecDeque<Shipment>) {
        let mut given = self.given.lock().unwrap();
        let room = self.room.lock().unwrap().map_or(usize::MAX, |room| room.saturating_sub(given.len()));
        let taken = shipments.len().min(room);
        given.extend(shipments.drain(..taken));
    }
}

impl Hand {
    fn topics(&self) -> Vec<String> {
        self.given.lock().unwrap().iter().map(|shipment| shipment.record.topic.name().to_owned()).collect()
    }

    fn values(&self) -> Vec<String> {
        let value = |shipment: &Shipment| {
            String::from_utf8(shipment.record.payload.as_deref().unwrap_or_default().into()).unwrap()
        };
        self.given.lock().unwrap().iter().map(value).collect()
    }

    /// Kafka's answer to the shipment that was given at `place`.
    fn answer(&self, place: usize, settlement: Settlement) {
        let shipment = self.given.lock().unwrap().remove(place).unwrap();
        shipment.token.settle(settlement);
    }

    fn deliver_all(&self) {
        for shipment in self.given.lock().unwrap().drain(..) {
            shipment.token.settle(Settlement::Delivered);
        }
    }

    fn header(&self, place: usize, wanted: &str) -> Option<String> {
        let mut found = None;
        self.given.lock().unwrap()[place].record.headers.each(|name, value| {
            if name == wanted {
                found = Some(String::from_utf8(value.into()).unwrap());
            }
        });
        found
    }
}

/// A stage that answers by the payload: `drop`, `fail`, `trap`, `two`, else a replacement.
struct Scripted;

impl Stage for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn sha256(&self) -> &str {
        "00"
    }

    fn open(&self) -> Result<Box<dyn Instance>, StageFault> {
        Ok(Box::new(Running))
    }
}

/// A stage that hears of the connection, and one that ticks.
struct Occasional(Wishes);

impl Stage for Occasional {
    fn name(&self) -> &str {
        "occasional"
    }

    fn sha256(&self) -> &str {
        "01"
    }

    fn open(&self) -> Result<Box<dyn Instance>, StageFault> {
        Ok(Box::new(Running))
    }

    fn wishes(&self) -> Wishes {
        self.0.clone()
    }
}

fn stage_of(rule: &str) -> Arc<dyn Stage> {
    match rule {
        "hearing" => Arc::new(Occasional(Wishes { hears_connection: true, ..Wishes::default() })),
        "ticking" => Arc::new(Occasional(Wishes { tick: Some(Duration::from_millis(10)), ..Wishes::default() })),
        _ => Arc::new(Scripted),
    }
}

struct Running;

impl Instance for Running {
    fn process(&mut self, batch: &[StageMessage<'_>]) -> Result<Vec<Outcome>, StageFault> {
        let answer = |message: &StageMessage<'_>| match message.payload {
            b"drop" => Ok(Outcome::Drop),
            b"fail" => Ok(Outcome::Fail("no".into())),
            b"trap" => Err(StageFault { kind: FailureKind::PluginTrap, text: "trapped".into(), cause: None }),
            b"two" => {
                let output = |text: &'static str| Output { payload: Some(Bytes::from(text)), ..Output::default() };
                Ok(Outcome::Emit(vec![output("one"), Output { topic: Some("named".into()), ..output("other") }]))
            }
            other => Ok(Outcome::Replace([b"<", other, b">"].concat().into())),
        };
        batch.iter().map(answer).collect()
    }

    fn occur(&mut self, occasion: Occasion) -> Result<Result<Vec<Emission>, String>, StageFault> {
        let about = |topic: &str, text: &'static str| Emission {
            about: Some(topic.into()),
            output: Output { payload: Some(Bytes::from(text)), ..Output::default() },
        };
        Ok(match occasion {
            Occasion::Tick => Ok(vec![about("a/tick", "tick"), about("not/of/this/rule", "lost")]),
            Occasion::Linked { .. } => Ok(vec![about("a/x", "up")]),
            Occasion::Lost => Err("nothing to say".into()),
        })
    }

    fn memory_bytes(&self) -> usize {
        0
    }
}

struct Bench {
    pipeline: Pipeline,
    hand: Arc<Hand>,
    live: Arc<ArcSwap<Snapshot>>,
    outlets: Arc<Outlets>,
    meters: Arc<Meters>,
    source: Arc<SourceMeters>,
    lane: Arc<Lane>,
    next_id: u16,
}

struct RuleText<'a> {
    name: &'a str,
    from: &'a str,
    topic: &'a str,
    staged: bool,
    on_error: OnError,
}

const COPY: RuleText<'_> =
    RuleText { name: "copy", from: "a/{b}", topic: "k.{b}", staged: false, on_error: OnError::DeadLetter };
const STAGED: RuleText<'_> = RuleText { name: "staged", staged: true, ..COPY };

fn snapshot(rules: &[RuleText<'_>], generation: u64, topics: &KafkaTopics, meters: &Meters, before: &Plan) -> Snapshot {
    let rule = |(place, text): (usize, &RuleText<'_>)| {
        let no = RuleNo::new(place).unwrap();
        let meters = meters.rule(no, text.name);
        let stage = || RuleStage { stage: stage_of(text.name), meters: Arc::default() };
        Arc::new(Rule {
            no,
            name: text.name.into(),
            from: vec![Pattern::parse(text.from).unwrap()],
            qos: Qos::AtLeastOnce,
            stages: text.staged.then(stage).into_iter().collect(),
            order: tidegate::router::Order::default(),
            to: vec![Destination {
                cluster: ClusterNo(0),
                topic: Template::parse(text.topic).unwrap(),
                key: None,
                headers: Vec::new(),
            }],
            on_error: text.on_error,
            meters,
        })
    };
    let rules = rules.iter().enumerate().map(rule).collect();
    let dead_letter = Some(topics.intern("dead").unwrap());
    Snapshot { generation, sources: vec![Arc::new(RuleSet::new("plant".into(), rules, before))], dead_letter }
}

impl Bench {
    fn new(rules: &[RuleText<'_>]) -> Self {
        let hand = Arc::new(Hand::default());
        let topics = vec![Arc::new(KafkaTopics::new(ClusterNo(0), 100))];
        let meters = Arc::new(Meters::default());
        let live = Arc::new(ArcSwap::from_pointee(snapshot(rules, 1, &topics[0], &meters, &Plan::default())));
        let today = live.clone();
        let outlets = Arc::new(Outlets {
            sinks: vec![hand.clone() as Arc<dyn Sink>],
            topics,
            rule_of_today: Box::new(move |name| today.load().rule(name).cloned()),
            ended: AtomicBool::new(false),
        });
        let source = Arc::new(SourceMeters::default());
        let lane = Arc::<Lane>::default();
        let wiring = Wiring {
            desk: Desk::open(SourceNo::new(0).unwrap(), || {}),
            live: live.clone(),
            lanes: vec![lane.clone()].into(),
            outlets: outlets.clone(),
            meters: meters.clone(),
            source_meters: source.clone(),
            limits: Limits { messages_max: 1000, bytes_max: 100_000 },
            ring_later: Box::new(|_| {}),
        };
        Self { pipeline: Pipeline::new(wiring), hand, live, outlets, meters, source, lane, next_id: 0 }
    }

    /// Starts the lane's thread, which ends with the test's process.
    fn with_lane(self) -> Self {
        let (lane, outlets) = (self.lane.clone(), self.outlets.clone());
        std::thread::spawn(move || lane.run(0, &outlets));
        self
    }

    fn arrive(&mut self, topic: &'static str, payload: &'static str) -> u16 {
        self.next_id += 1;
        self.deliver(topic, payload, self.next_id, false);
        self.next_id
    }

    fn deliver(&mut self, topic: &'static str, payload: &'static str, id: u16, dup: bool) {
        let message = Message {
            topic: TopicName::parse(Bytes::from(topic)).unwrap(),
            payload: Bytes::from(payload),
            qos: Qos::AtLeastOnce,
            retain: false,
            received_ms: 5,
            properties: None,
            subscriptions: SubscriptionIds::None,
        };
        self.pipeline.arrive(Arrival { message, packet_id: Some(PacketId(id)), dup });
        self.pipeline.hand_over();
    }

    fn acks(&mut self) -> Vec<u16> {
        let mut acks = Vec::new();
        self.pipeline.take_acks(&mut acks);
        let id = |ack| match ack {
            Ack::Puback(PacketId(id)) | Ack::Pubrec(PacketId(id)) => id,
        };
        acks.into_iter().map(id).collect()
    }

    /// Takes acknowledgements until `done` says so; fails after ten seconds.
    fn until(&mut self, done: impl Fn(&mut Self) -> bool) -> Vec<u16> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut acks = Vec::new();
        loop {
            acks.extend(self.acks());
            if done(self) {
                acks.extend(self.acks());
                return acks;
            }
            assert!(Instant::now() < deadline, "it never came to that");
            std::thread::yield_now();
        }
    }

    fn reload(&mut self, rules: &[RuleText<'_>]) {
        let before = self.live.load_full();
        let next =
            snapshot(rules, before.generation + 1, &self.outlets.topics[0], &self.meters, before.sources[0].plan());
        self.live.store(Arc::new(next));
    }
}

fn refusal(kind: FailureKind) -> Settlement {
    Settlement::Failed(Box::new(Failure { kind, error: "refused".into(), plugin: None }))
}

#[test]
fn news_of_the_connection_stand_before_its_messages_and_are_none() {
    let mut bench = Bench::new(&[RuleText { name: "hearing", ..STAGED }]).with_lane();
    bench.pipeline.linked(false);
    let id = bench.arrive("a/x", "1");
    assert_eq!(bench.until(|bench| bench.hand.values().len() == 2), Vec::<u16>::new());
    assert_eq!((bench.hand.values(), bench.hand.topics()), (vec!["up".into(), "<1>".into()], vec!["k.x".into(); 2]));
    bench.hand.answer(1, Settlement::Delivered);
    assert!(bench.acks().is_empty());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.until(|bench| bench.source.in_flight.get() == 0), [id]);
    bench.pipeline.lost();
    bench.acks();
    assert_eq!((bench.source.received.get(), bench.source.acknowledged.get(), bench.source.abandoned.get()), (1, 1, 0));
}

#[test]
fn a_tick_makes_records_and_one_that_fails_holds_nothing_up() {
    let mut bench = Bench::new(&[RuleText { name: "ticking", ..STAGED }]).with_lane();
    bench.until(|bench| !bench.hand.values().is_empty());
    assert_eq!((bench.hand.values(), bench.hand.topics()), (vec!["tick".into()], vec!["k.tick".into()]));
    let id = bench.arrive("a/x", "1");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    let acks = bench.until(|bench| {
        bench.hand.deliver_all();
        bench.source.acknowledged.get() == 1
    });
    assert_eq!(acks, [id]);
    assert_eq!(bench.hand.topics().iter().filter(|topic| **topic == "dead").count(), 0);
}

#[test]
fn a_message_is_acknowledged_after_kafka_has_every_record_of_it() {
    let mut bench = Bench::new(&[COPY, RuleText { name: "second", topic: "all", ..COPY }]);
    let id = bench.arrive("a/x", "1");
    assert_eq!(bench.hand.topics(), ["k.x", "all"]);
    bench.hand.answer(0, Settlement::Delivered);
    assert!(bench.acks().is_empty());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), [id]);
}

#[test]
fn acknowledgements_wait_for_those_before_them() {
    let mut bench = Bench::new(&[COPY]);
    let ids = [bench.arrive("a/x", "1"), bench.arrive("a/y", "2")];
    bench.hand.answer(1, Settlement::Delivered);
    assert!(bench.acks().is_empty());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), ids);
}

#[test]
fn a_message_that_no_rule_wants_is_acknowledged_and_counted() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("b", "1");
    assert_eq!(bench.acks(), [id]);
    assert_eq!(bench.source.unrouted.get(), 1);
}

#[test]
fn a_token_that_is_dropped_never_acknowledges() {
    let mut bench = Bench::new(&[COPY]);
    bench.arrive("a/x", "1");
    bench.hand.given.lock().unwrap().clear();
    assert!(bench.acks().is_empty());
    assert!(bench.pipeline.is_stuck());
    assert_eq!(bench.source.abandoned.get(), 1);
}

#[test]
fn a_refused_record_becomes_a_dead_letter_which_settles_the_message() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "big");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    assert!(bench.acks().is_empty());
    assert_eq!(bench.hand.topics(), ["dead"]);
    assert_eq!(bench.hand.values(), ["big"]);
    assert_eq!(bench.hand.header(0, "dlq.reason").as_deref(), Some("too-large"));
    assert_eq!(bench.hand.header(0, "mqtt.topic").as_deref(), Some("a/x"));
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), [id]);
}

#[test]
fn a_dead_letter_that_is_refused_goes_without_its_value() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "big");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    bench.acks();
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    bench.acks();
    assert_eq!(bench.hand.header(0, "dlq.size").as_deref(), Some("3"));
    assert!(bench.hand.given.lock().unwrap()[0].record.payload.is_none());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), [id]);
}

#[test]
fn on_error_drop_settles_and_counts() {
    let mut bench = Bench::new(&[RuleText { on_error: OnError::Drop, ..COPY }]);
    let id = bench.arrive("a/x", "1");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    assert_eq!(bench.acks(), [id]);
    assert_eq!(bench.source.dropped_by_rule.get(), 1);
}

#[test]
fn a_topic_that_kafka_forbids_is_a_dead_letter() {
    let mut bench = Bench::new(&[RuleText { topic: "{b}", ..COPY }]);
    bench.arrive("a/..", "1");
    bench.acks();
    assert_eq!(bench.hand.header(0, "dlq.reason").as_deref(), Some("bad-topic"));
}

#[test]
fn what_a_full_sink_leaves_is_offered_again_in_order() {
    let mut bench = Bench::new(&[COPY]);
    *bench.hand.room.lock().unwrap() = Some(1);
    for payload in ["1", "2", "3"] {
        bench.arrive("a/x", payload);
    }
    assert_eq!(bench.hand.values(), ["1"]);
    *bench.hand.room.lock().unwrap() = None;
    bench.acks();
    assert_eq!(bench.hand.values(), ["1", "2", "3"]);
}

#[test]
fn plugins_replace_filter_split_and_fail() {
    let mut bench = Bench::new(&[STAGED]).with_lane();
    let ids = [
        bench.arrive("a/x", "v"),
        bench.arrive("a/x", "drop"),
        bench.arrive("a/x", "two"),
        bench.arrive("a/x", "fail"),
    ];
    bench.until(|bench| bench.hand.values().len() == 4);
    assert_eq!(bench.hand.values(), ["<v>", "one", "other", "fail"]);
    assert_eq!(bench.hand.topics(), ["k.x", "k.x", "named", "dead"]);
    bench.hand.deliver_all();
    assert_eq!(bench.acks(), ids);
}

#[test]
fn of_a_trapped_batch_only_the_poisonous_message_fails() {
    let mut bench = Bench::new(&[STAGED]);
    for payload in ["1", "2", "trap", "3"] {
        bench.arrive("a/x", payload);
    }
    let mut bench = bench.with_lane();
    bench.until(|bench| bench.hand.values().len() == 4);
    assert_eq!(bench.hand.values(), ["<1>", "<2>", "<3>", "trap"]);
    assert_eq!(bench.hand.header(3, "dlq.reason").as_deref(), Some("plugin-trap"));
    assert_eq!(bench.hand.header(3, "dlq.plugin").as_deref(), Some("scripted"));
}

#[test]
fn a_held_message_waits_for_the_rule_of_the_day_and_nothing_overtakes_it() {
    let hold = RuleText { on_error: OnError::Hold, ..STAGED };
    let mut bench = Bench::new(&[hold]).with_lane();
    bench.arrive("a/x", "1");
    bench.until(|bench| bench.hand.values().len() == 1);
    bench.arrive("a/x", "fail");
    bench.arrive("a/x", "2");
    assert_eq!(bench.hand.values(), ["<1>"]);
    bench.reload(&[RuleText { staged: false, name: "staged", ..COPY }]);
    bench.until(|bench| bench.hand.values().len() == 3);
    assert_eq!(bench.hand.values()[1], "fail");
}

#[test]
fn several_rules_of_one_lane_each_keep_their_order() {
    let second = RuleText { name: "second", from: "b/{b}", ..STAGED };
    let mut bench = Bench::new(&[STAGED, second]);
    // All are there before the lane begins: more than one batch of each rule, mixed.
    for _ in 0..80 {
        bench.arrive("a/x", "1");
        bench.arrive("b/x", "2");
        bench.arrive("a/x", "3");
    }
    let mut bench = bench.with_lane();
    bench.until(|bench| bench.hand.values().len() == 240);
    let (values, topics) = (bench.hand.values(), bench.hand.topics());
    assert!(topics.iter().all(|topic| topic == "k.x"));
    let of_first: Vec<_> = values.iter().filter(|value| *value != "<2>").collect();
    assert!(of_first.chunks(2).all(|pair| pair == ["<1>", "<3>"]), "{of_first:?}");
    bench.hand.deliver_all();
    assert_eq!(bench.until(|bench| bench.pipeline.in_flight() == 0), (1..=240).collect::<Vec<_>>());
}

#[test]
fn a_message_of_which_a_record_cannot_be_made_fails_whole_and_alone() {
    // The second record of `two` names a topic; the first has the rule's, which is too long here.
    let long = "x".repeat(250);
    let mut bench = Bench::new(&[RuleText { topic: &long, ..STAGED }]).with_lane();
    for payload in ["two", "drop", "two"] {
        bench.arrive("a/x", payload);
    }
    bench.until(|bench| bench.hand.topics() == ["dead", "dead"]);
    assert_eq!(bench.hand.values(), ["two", "two"]);
    bench.hand.deliver_all();
    assert_eq!(bench.until(|bench| bench.pipeline.in_flight() == 0), [1, 2, 3]);
}

#[test]
fn a_rule_that_leaves_its_lane_overtakes_nothing() {
    let mut bench = Bench::new(&[STAGED]);
    bench.arrive("a/x", "1");
    bench.reload(&[RuleText { staged: false, ..STAGED }]);
    bench.acks();
    assert!(!bench.pipeline.has_room(), "nothing is taken in while the lane works for the old rules");
    let mut bench = bench.with_lane();
    bench.until(|bench| bench.pipeline.has_room());
    bench.arrive("a/x", "2");
    assert_eq!(bench.hand.values(), ["<1>", "2"]);
}

#[test]
fn a_redelivery_of_what_is_under_way_is_not_produced_again() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "1");
    bench.pipeline.lost();
    bench.pipeline.linked(true);
    bench.deliver("a/x", "1", id, true);
    assert_eq!(bench.hand.values(), ["1"]);
    bench.hand.deliver_all();
    assert_eq!(bench.acks(), [id]);
    assert_eq!(bench.source.rejoined.get(), 1);
}

#[test]
fn a_record_of_a_lost_connection_acknowledges_nothing_of_the_next() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "1");
    bench.pipeline.lost();
    bench.pipeline.linked(false);
    bench.deliver("a/x", "other", id, false);
    bench.hand.answer(0, Settlement::Delivered);
    assert!(bench.acks().is_empty());
}

#[test]
fn a_full_window_stops_intake() {
    let mut bench = Bench::new(&[COPY]);
    for _ in 0..1000 {
        bench.arrive("a/x", "1");
    }
    assert!(!bench.pipeline.has_room());
    bench.hand.deliver_all();
    bench.acks();
    assert!(bench.pipeline.has_room());
}
