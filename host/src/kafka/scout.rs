//! The thread that tries records of troubled topics one by one, over a producer of its own.
//!
//! One record of a topic is on its way at a time, so a refusal is a verdict on that record alone, nothing can overtake
//! it, and the traffic of other topics does not stop. When a topic's trouble is over, what waits goes to the producer in
//! use, in order.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::classify::{Handling, KafkaFault, describe};
use super::delivery::log;
use super::event::{Event, Reports};
use super::native::{Native, TopicHandle};
use super::options;
use super::state::State;
use super::tally::Tally;
use crate::config::OnTopicRefused;
use crate::topic::KafkaTopic;

/// Longest wait for a report, so that newly parked topics are seen.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the producer is kept after the last trouble.
const KEEP: Duration = Duration::from_secs(30);
/// How long news about one topic may take.
const NEWS_MAX: Duration = Duration::from_secs(1);

/// The state of the thread.
pub(super) struct Scout {
    state: Arc<State>,
    native: Option<Arc<Native>>,
    handles: HashMap<u32, TopicHandle>,
    /// Topics whose refusal this producer remembers: it must ask the cluster before it tries again.
    stale: HashSet<u32>,
    /// Topics that the producer in use must ask about before they can be released to it.
    unreleased: HashSet<u32>,
    tally: Tally,
}

impl Scout {
    pub(super) fn new(state: Arc<State>) -> Self {
        let tally = Tally::new(state.desks.len());
        Self { state, native: None, handles: HashMap::new(), stale: HashSet::new(), unreleased: HashSet::new(), tally }
    }

    /// Until the end of the producer.
    pub(super) fn run(mut self) {
        while self.wait_for_work() {
            let Some(native) = self.native() else { continue };
            self.ask_for_news(&native);
            self.try_due(&native);
            self.hear(&native);
            self.tally.file(&self.state);
        }
    }

    /// Tells whether to go on.
    fn wait_for_work(&mut self) -> bool {
        let state = self.state.clone();
        let mut parked = state.parked();
        while parked.is_empty() && !state.is_stopping() {
            let (again, timeout) = state.parked_news.wait_timeout(parked, KEEP).unwrap_or_else(PoisonError::into_inner);
            parked = again;
            if timeout.timed_out() && parked.is_empty() {
                self.forget_native();
            }
        }
        !state.is_stopping()
    }

    fn native(&mut self) -> Option<Arc<Native>> {
        if self.native.is_none() {
            match Native::create(&options::scout(&self.state.config())) {
                Ok(native) => self.native = Some(native),
                Err(error) => {
                    error!(cluster = self.state.cluster.name, %error, "the trial producer cannot be started");
                    std::thread::sleep(NEWS_MAX);
                }
            }
        }
        self.native.clone()
    }

    fn forget_native(&mut self) {
        self.handles.clear();
        self.stale.clear();
        self.native = None;
    }

    /// Learns what became of topics that were refused, before they are tried again.
    fn ask_for_news(&mut self, native: &Native) {
        let mut due = HashSet::new();
        self.state.parked().each_due(Instant::now(), |trial| {
            due.insert(trial.topic.id);
            false
        });
        for id in self.stale.clone().intersection(&due) {
            if let Some(handle) = self.handles.get(id) {
                let _no_answer_is_no_news = native.metadata(Some(handle), NEWS_MAX);
            }
            self.stale.remove(id);
        }
    }

    fn try_due(&mut self, native: &Arc<Native>) {
        let (state, handles) = (self.state.clone(), &mut self.handles);
        let mut refused = Vec::new();
        state.parked().each_due(Instant::now(), |trial| {
            let topic = trial.topic;
            let handle = match handles.entry(topic.id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => match native.topic(topic.name(), topic.id) {
                    Some(new) => place.insert(new),
                    None => return false,
                },
            };
            if let Err(code) = trial.letter.produce(handle, topic.id as usize) {
                refused.push((topic.id, code));
            }
            true
        });
        for (topic, code) in refused {
            self.judge(topic, code);
        }
    }

    fn hear(&mut self, native: &Arc<Native>) {
        let next = self.state.parked().next_due().map(|due| due.saturating_duration_since(Instant::now()));
        let mut event = native.poll(next.unwrap_or(LOOK_EVERY).min(LOOK_EVERY));
        while let Some(taken) = event {
            match taken {
                Event::Reports(reports) => self.hear_reports(reports),
                Event::Error { code, text } => self.hear_error(native, code, &text),
                Event::Log { level, text } => log(&self.state, level, &text),
                Event::Other => {}
            }
            event = native.poll(Duration::ZERO);
        }
    }

    fn hear_reports(&mut self, reports: Reports) {
        let mut verdicts = Vec::new();
        reports.each_batch(|batch| verdicts.extend(batch.iter().map(|report| (report.topic_id(), report.code()))));
        for (topic, code) in verdicts {
            self.judge(topic, code);
        }
    }

    fn hear_error(&mut self, native: &Native, code: i32, text: &str) {
        debug!(cluster = self.state.cluster.name, error = describe(code), text, "the trial producer reports an error");
        if native.fatal_error().is_some() {
            self.state.parked().put_all_off(Instant::now());
            self.forget_native();
        }
    }

    /// The verdict on the one record of `topic` that was tried.
    fn judge(&mut self, topic: u32, code: i32) {
        let Some(fault) = KafkaFault::of(code) else { return self.delivered(topic) };
        match fault.handling() {
            Handling::Reject => self.set_aside(topic, fault, code),
            Handling::HoldTopic if self.may_set_aside(topic) => {
                self.stale.insert(topic);
                self.set_aside(topic, fault, code);
            }
            Handling::HoldTopic | Handling::Retry => {
                self.stale.insert(topic);
                self.alarm(topic, code);
                self.state.parked().put_off(topic, Instant::now());
            }
            Handling::Fatal => self.state.parked().put_off(topic, Instant::now()),
        }
    }

    fn delivered(&mut self, topic: u32) {
        let (letter, may_release) = {
            let mut parked = self.state.parked();
            (parked.take_tried(topic, Instant::now()), parked.may_release(topic))
        };
        if let Some(letter) = letter {
            self.tally.delivered(&self.state, letter.debt.opaque, topic, || Some(letter.topic.clone()));
            if may_release {
                self.release(&letter.topic);
            }
        }
        self.show_held();
    }

    fn set_aside(&self, topic: u32, fault: KafkaFault, code: i32) {
        let letter = self.state.parked().take_tried(topic, Instant::now());
        if let Some(letter) = letter {
            self.state.reject(letter.debt.opaque, &letter.topic, fault, code);
        }
        self.show_held();
    }

    /// Whether the record under trial may be dead-lettered because of its topic. A dead letter itself always waits.
    fn may_set_aside(&self, topic: u32) -> bool {
        if self.state.config().on_topic_refused == OnTopicRefused::Hold {
            return false;
        }
        let Some(opaque) = self.state.parked().tried_opaque(topic) else { return false };
        let Some(token) = self.state.token(opaque) else { return false };
        let is_dead_letter = token.is_dead_letter();
        let _still_owed = token.into_opaque();
        !is_dead_letter
    }

    /// Tells a person once for each time of trouble.
    fn alarm(&self, topic: u32, code: i32) {
        let mut parked = self.state.parked();
        let waiting = parked.records();
        let Some(entry) = parked.get_mut(topic) else { return };
        if !std::mem::replace(&mut entry.alarmed, true) {
            let (topic, error) = (entry.topic.name(), describe(code));
            let cluster = self.state.cluster.name.as_str();
            error!(cluster, topic, error, waiting, "a Kafka topic does not take records; they wait until it does");
            self.state.status().last_error = Some(format!("topic `{topic}`: {error}"));
        }
    }

    /// The topic takes records again: hands what waits to the producer in use.
    fn release(&mut self, topic: &KafkaTopic) {
        if !self.state.add_topic(topic) {
            return;
        }
        if self.unreleased.remove(&topic.id) {
            self.refresh_in_use(topic);
        }
        let live = self.state.live();
        let Some(target) = live.as_ref().and_then(|live| live.topic(topic.id)) else { return };
        let mut parked = self.state.parked();
        let alarmed = parked.get_mut(topic.id).is_some_and(|entry| entry.alarmed);
        let gone = parked.release(topic.id, |letter| {
            let ticket = self.state.book().enter(letter.debt);
            let taken = letter.produce(&target.handle, ticket);
            if let Err(code) = taken {
                self.state.book().redeem(ticket);
                debug!(
                    topic = topic.name(),
                    error = describe(code),
                    "the producer in use does not take a topic back yet"
                );
            }
            taken.is_ok()
        });
        if !gone {
            self.unreleased.insert(topic.id);
            return;
        }
        target.set_parked(false);
        if alarmed {
            info!(cluster = self.state.cluster.name, topic = topic.name(), "a Kafka topic takes records again");
        }
    }

    /// The producer in use may still believe that the topic is not there.
    fn refresh_in_use(&self, topic: &KafkaTopic) {
        let Some(native) = self.state.live().as_ref().map(|live| live.native.clone()) else { return };
        let Some(handle) = native.topic(topic.name(), topic.id) else { return };
        if let Err(code) = native.metadata(Some(&handle), NEWS_MAX) {
            warn!(topic = topic.name(), error = describe(code), "the cluster does not answer about a topic");
        }
    }

    fn show_held(&self) {
        let records = self.state.parked().records();
        self.state.cluster.held.set(records as u64);
    }
}
