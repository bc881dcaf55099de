//! The data path on a bench: a sink in the test's hand, plugins that follow a script, rules as short texts.

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
pub(crate) struct Hand {
    pub(crate) given: Mutex<VecDeque<Shipment>>,
    pub(crate) room: Mutex<Option<usize>>,
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
    pub(crate) fn topics(&self) -> Vec<String> {
        self.given.lock().unwrap().iter().map(|shipment| shipment.record.topic.name().to_owned()).collect()
    }

    pub(crate) fn values(&self) -> Vec<String> {
        let value = |shipment: &Shipment| {
            String::from_utf8(shipment.record.payload.as_deref().unwrap_or_default().into()).unwrap()
        };
        self.given.lock().unwrap().iter().map(value).collect()
    }

    /// Kafka's answer to the shipment that was given at `place`.
    pub(crate) fn answer(&self, place: usize, settlement: Settlement) {
        let shipment = self.given.lock().unwrap().remove(place).unwrap();
        shipment.token.settle(settlement);
    }

    pub(crate) fn deliver_all(&self) {
        for shipment in self.given.lock().unwrap().drain(..) {
            shipment.token.settle(Settlement::Delivered);
        }
    }

    pub(crate) fn header(&self, place: usize, wanted: &str) -> Option<String> {
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
pub(crate) struct Scripted;

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
pub(crate) struct Occasional(Wishes);

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

pub(crate) fn stage_of(rule: &str) -> Arc<dyn Stage> {
    match rule {
        "hearing" => Arc::new(Occasional(Wishes { hears_connection: true, ..Wishes::default() })),
        "ticking" => Arc::new(Occasional(Wishes { tick: Some(Duration::from_millis(10)), ..Wishes::default() })),
        _ => Arc::new(Scripted),
    }
}

pub(crate) struct Running;

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

pub(crate) struct Bench {
    pub(crate) pipeline: Pipeline,
    pub(crate) hand: Arc<Hand>,
    pub(crate) live: Arc<ArcSwap<Snapshot>>,
    pub(crate) outlets: Arc<Outlets>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) source: Arc<SourceMeters>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) next_id: u16,
}

pub(crate) struct RuleText<'a> {
    pub(crate) name: &'a str,
    pub(crate) from: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) staged: bool,
    pub(crate) on_error: OnError,
}

pub(crate) const COPY: RuleText<'_> =
    RuleText { name: "copy", from: "a/{b}", topic: "k.{b}", staged: false, on_error: OnError::DeadLetter };
pub(crate) const STAGED: RuleText<'_> = RuleText { name: "staged", staged: true, ..COPY };

pub(crate) fn snapshot(
    rules: &[RuleText<'_>],
    generation: u64,
    topics: &KafkaTopics,
    meters: &Meters,
    before: &Plan,
) -> Snapshot {
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
    pub(crate) fn new(rules: &[RuleText<'_>]) -> Self {
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
    pub(crate) fn with_lane(self) -> Self {
        let (lane, outlets) = (self.lane.clone(), self.outlets.clone());
        std::thread::spawn(move || lane.run(0, &outlets));
        self
    }

    pub(crate) fn arrive(&mut self, topic: &'static str, payload: &'static str) -> u16 {
        self.next_id += 1;
        self.deliver(topic, payload, self.next_id, false);
        self.next_id
    }

    pub(crate) fn deliver(&mut self, topic: &'static str, payload: &'static str, id: u16, dup: bool) {
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

    pub(crate) fn acks(&mut self) -> Vec<u16> {
        let mut acks = Vec::new();
        self.pipeline.take_acks(&mut acks);
        let id = |ack| match ack {
            Ack::Puback(PacketId(id)) | Ack::Pubrec(PacketId(id)) => id,
        };
        acks.into_iter().map(id).collect()
    }

    /// Takes acknowledgements until `done` says so; fails after ten seconds.
    pub(crate) fn until(&mut self, done: impl Fn(&mut Self) -> bool) -> Vec<u16> {
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

    pub(crate) fn reload(&mut self, rules: &[RuleText<'_>]) {
        let before = self.live.load_full();
        let next =
            snapshot(rules, before.generation + 1, &self.outlets.topics[0], &self.meters, before.sources[0].plan());
        self.live.store(Arc::new(next));
    }
}

pub(crate) fn refusal(kind: FailureKind) -> Settlement {
    Settlement::Failed(Box::new(Failure { kind, error: "refused".into(), plugin: None }))
}
