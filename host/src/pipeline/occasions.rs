//! Calls of plugins without a message: when ticks are due, and what becomes of the records that they make.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::chain::{self, Draft, Nobody};
use super::instances::Instances;
use super::route::Leg;
use crate::message::{Message, Qos, SubscriptionIds};
use crate::router::{Rule, RuleSet};
use crate::seam::{Emission, Occasion};
use crate::topic::{KafkaTopics, TopicName};

/// Stands for the MQTT topic of a record that speaks of none.
const NO_TOPIC: &str = "$tidegate/occasion";

/// A call without a message, for one lane.
pub struct Called {
    pub occasion: Occasion,
    /// Place of the stage in the rule's chain.
    pub stage: usize,
    pub source: Arc<str>,
    /// Released when the call has ended.
    pub under_way: Option<UnderWay>,
}

/// Keeps a tick from being called while the one before it in the same lane has not ended.
pub struct UnderWay(Arc<AtomicBool>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// When the ticks of a source's rules are due.
#[derive(Default)]
pub struct Timetable {
    ticks: Vec<Tick>,
}

struct Tick {
    rule: Arc<Rule>,
    stage: usize,
    interval: Duration,
    due: Instant,
    /// By lane.
    under_way: Vec<Arc<AtomicBool>>,
}

impl Timetable {
    /// The ticks that `rules` want. What goes on as before keeps its time.
    #[must_use]
    pub fn of(rules: &RuleSet, lanes: usize, before: &Self, now: Instant) -> Self {
        let mut ticks = Vec::new();
        for rule in rules.rules() {
            for (stage, interval) in intervals(rule) {
                let is_same =
                    |tick: &&Tick| tick.rule.no == rule.no && tick.stage == stage && tick.interval == interval;
                let (due, under_way) = match before.ticks.iter().find(is_same) {
                    Some(known) => (known.due, known.under_way.clone()),
                    None => (now + interval, (0..lanes).map(|_| Arc::default()).collect()),
                };
                ticks.push(Tick { rule: rule.clone(), stage, interval, due, under_way });
            }
        }
        Self { ticks }
    }

    /// When the next tick is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.ticks.iter().map(|tick| tick.due).min()
    }

    /// Gives `call` each tick that is due: rule, place of the stage, lane. One that is late is not made up for.
    pub fn due(&mut self, now: Instant, mut call: impl FnMut(&Arc<Rule>, usize, usize, UnderWay)) {
        for tick in self.ticks.iter_mut().filter(|tick| tick.due <= now) {
            tick.due = now + tick.interval;
            for (lane, under_way) in tick.under_way.iter().enumerate() {
                if !under_way.swap(true, Ordering::AcqRel) {
                    call(&tick.rule, tick.stage, lane, UnderWay(under_way.clone()));
                }
            }
        }
    }
}

fn intervals(rule: &Rule) -> impl Iterator<Item = (usize, Duration)> {
    let wished = rule.stages.iter().enumerate();
    wished.filter_map(|(place, stage)| stage.stage.wishes().tick.map(|interval| (place, interval)))
}

/// The places of the stages that hear of the connection.
pub fn hearers(rule: &Rule) -> impl Iterator<Item = usize> {
    let wished = rule.stages.iter().enumerate();
    wished.filter_map(|(place, stage)| stage.stage.wishes().hears_connection.then_some(place))
}

/// The message that stands for an occasion or for what a record speaks of.
#[must_use]
pub fn stand_in(topic: Option<TopicName>) -> Message {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let no_topic = || TopicName::parse(Bytes::from_static(NO_TOPIC.as_bytes())).expect("it has no wildcard");
    Message {
        topic: topic.unwrap_or_else(no_topic),
        payload: Bytes::new(),
        qos: Qos::AtMostOnce,
        retain: false,
        received_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        properties: None,
        subscriptions: SubscriptionIds::None,
    }
}

/// What an emission became behind the stage that made it.
pub struct Emitted {
    pub leg: Leg,
    pub message: Message,
    pub drafts: Vec<Draft>,
}

/// Carries an emission of the stage at `called.stage` through the stages behind it.
///
/// # Errors
/// Why it makes no records.
pub fn carry(
    rule: &Arc<Rule>,
    called: &Called,
    emission: Emission,
    topics: &[Arc<KafkaTopics>],
    instances: &mut Instances,
) -> Result<Emitted, String> {
    let Emission { about, output } = emission;
    let about =
        about.map(|topic| TopicName::parse(Bytes::from(topic)).map_err(|error| error.to_string())).transpose()?;
    let leg = match &about {
        Some(topic) => Leg::about(rule, &called.source, topic, topics)
            .ok_or_else(|| format!("it speaks of the topic `{}`, which the rule does not have", topic.as_str()))?,
        None if output.topic.is_none() && rule.to.iter().any(|to| to.topic.capture_names().next().is_some()) => {
            return Err("it names neither a Kafka topic nor the MQTT topic that it speaks of".into());
        }
        None => Leg::without_message(rule, &called.source, NO_TOPIC, topics),
    };
    let message = stand_in(about);
    let draft = chain::emitted(&Draft { of: 0, payload: None, said: None }, output);
    let carried = chain::carry_on(rule, called.stage + 1, &[&message], vec![draft], instances, &mut Nobody);
    match carried.failures.into_iter().next() {
        Some((_, failure)) => Err(failure.error),
        None => Ok(Emitted { leg, message, drafts: carried.drafts }),
    }
}
