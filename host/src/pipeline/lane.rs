//! `Lane`: a thread that runs plugins. Messages of one order key come to one lane, so their order holds.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, warn};

use super::chain::{self, BATCH_MESSAGES_MAX, Carried, Draft, Nobody};
use super::groups::Groups;
use super::instances::Instances;
use super::occasions::{self, Called};
use super::records;
use super::route::Leg;
use crate::ack::{AckToken, Desk, Failure, Report, Settlement};
use crate::config::OnError;
use crate::message::{Message, Record};
use crate::router::Rule;
use crate::seam::{Shipment, Sink};
use crate::topic::KafkaTopics;

/// One message for one rule's chain.
pub struct Job {
    pub leg: Arc<Leg>,
    pub message: Message,
    pub token: AckToken,
    /// The call is without a message; `message` stands in for one.
    pub called: Option<Called>,
}

/// Where lanes send and what they need to know; shared by all.
pub struct Outlets {
    /// By cluster.
    pub sinks: Vec<Arc<dyn Sink>>,
    /// By cluster.
    pub topics: Vec<Arc<KafkaTopics>>,
    /// By rule name, the rule of today: a held message is tried again with it.
    pub rule_of_today: RuleOfToday,
    /// The process ends: what is not sent by now stays with the broker.
    pub ended: AtomicBool,
}

/// The rule that has a name today, if there is one.
pub type RuleOfToday = Box<dyn Fn(&str) -> Option<Arc<Rule>> + Send + Sync>;

/// The queue of one lane. Its bound is the windows of the sources: a job is a message in flight.
pub struct Lane {
    jobs: Mutex<Vec<Job>>,
    more: Condvar,
    /// Jobs taken in and not carried yet, by source place.
    open: [AtomicUsize; crate::ack::SourceNo::COUNT_MAX],
}

/// Shortest and longest wait before a held message is tried again.
const HOLD_WAIT_MIN: Duration = Duration::from_millis(100);
const HOLD_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a lane waits for room in a sink before it offers again.
const ROOM_WAIT: Duration = Duration::from_millis(1);

impl Default for Lane {
    fn default() -> Self {
        Self { jobs: Mutex::default(), more: Condvar::new(), open: std::array::from_fn(|_| AtomicUsize::new(0)) }
    }
}

impl Lane {
    /// Takes jobs in, in order; leaves `jobs` empty.
    pub fn push(&self, jobs: &mut Vec<Job>) {
        let Some(source) = jobs.first().map(|job| job.token.desk().source()) else { return };
        self.open[source.place()].fetch_add(jobs.len(), Ordering::AcqRel);
        let mut queue = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = queue.is_empty();
        queue.append(jobs);
        drop(queue);
        if was_empty {
            self.more.notify_one();
        }
    }

    /// Whether nothing of this source is under way here.
    #[must_use]
    pub fn is_idle(&self, desk: &Desk) -> bool {
        self.open[desk.source().place()].load(Ordering::Acquire) == 0
    }

    /// The lane's thread: runs until the process ends. A panic in it forgets the jobs in hand, which are then abandoned
    /// and come again with the next connection.
    pub fn run(&self, number: usize, outlets: &Outlets) {
        while !outlets.ended.load(Ordering::Acquire) {
            let work = AssertUnwindSafe(|| Worker::new(self, number, outlets).work());
            if catch_unwind(work).is_err() {
                error!(lane = number, "a lane failed and was started anew; its messages are delivered again");
            }
        }
    }

    /// Wakes the thread so that it sees that the process ends.
    pub fn wake(&self) {
        let _queue = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        self.more.notify_all();
    }

    /// Waits for jobs and takes all of them into `jobs`, which is empty and gives its room to the queue.
    fn wait(&self, ended: &AtomicBool, jobs: &mut Vec<Job>) {
        let mut queue = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        while queue.is_empty() && !ended.load(Ordering::Acquire) {
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut *queue, jobs);
    }
}

/// Counts jobs as carried when it goes, also in a panic; the last one of a source rings at its desk.
struct Open<'a> {
    lane: &'a Lane,
    /// By source.
    jobs: Vec<(&'static Desk, usize)>,
}

impl<'a> Open<'a> {
    fn of(lane: &'a Lane, jobs: &[Job]) -> Self {
        let mut counts: Vec<(&'static Desk, usize)> = Vec::new();
        for job in jobs {
            let desk = job.token.desk();
            match counts.iter_mut().find(|(counted, _)| std::ptr::eq(*counted, desk)) {
                Some((_, count)) => *count += 1,
                None => counts.push((desk, 1)),
            }
        }
        Self { lane, jobs: counts }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        for (desk, jobs) in &self.jobs {
            let before = self.lane.open[desk.source().place()].fetch_sub(*jobs, Ordering::AcqRel);
            if before == *jobs {
                desk.ring();
            }
        }
    }
}

struct Worker<'a> {
    lane: &'a Lane,
    outlets: &'a Outlets,
    instances: Instances,
    groups: Groups,
    /// By cluster.
    shipments: Vec<VecDeque<Shipment>>,
    reports: Vec<Report>,
    /// The records of one message with their clusters.
    records: Vec<(usize, Record)>,
}

impl<'a> Worker<'a> {
    fn new(lane: &'a Lane, number: usize, outlets: &'a Outlets) -> Self {
        let shipments = outlets.sinks.iter().map(|_| VecDeque::new()).collect();
        let (groups, reports, records) = (Groups::default(), Vec::new(), Vec::new());
        Self { lane, outlets, instances: Instances::new(number), groups, shipments, reports, records }
    }

    fn work(&mut self) {
        let mut jobs = Vec::new();
        while !self.outlets.ended.load(Ordering::Acquire) {
            self.lane.wait(&self.outlets.ended, &mut jobs);
            let open = Open::of(self.lane, &jobs);
            jobs.drain(..).for_each(|job| self.groups.add(job));
            let mut groups = self.groups.take();
            for group in &mut groups {
                self.carry_all(group);
            }
            self.groups.reuse(groups);
            self.send();
            drop(open);
            self.instances.sweep();
        }
    }

    /// Carries jobs of one rule, in order, a batch at a time; leaves `jobs` empty.
    fn carry_all(&mut self, jobs: &mut Vec<Job>) {
        if jobs.iter().any(|job| job.called.is_some()) {
            return self.carry_mixed(jobs);
        }
        if jobs.len() <= BATCH_MESSAGES_MAX {
            return self.carry_batch(jobs);
        }
        let mut batch = Vec::with_capacity(BATCH_MESSAGES_MAX);
        let mut jobs = jobs.drain(..);
        while jobs.len() > 0 {
            batch.extend(jobs.by_ref().take(BATCH_MESSAGES_MAX));
            self.carry_batch(&mut batch);
        }
    }

    /// As `carry_all`, with calls without a message in between.
    fn carry_mixed(&mut self, jobs: &mut Vec<Job>) {
        let mut messages = Vec::new();
        for mut job in jobs.drain(..) {
            match job.called.take() {
                None => messages.push(job),
                Some(called) => {
                    self.carry_all(&mut messages);
                    self.occur(job, &called);
                }
            }
        }
        self.carry_all(&mut messages);
    }

    /// A call without a message. What goes wrong with it is told and counted; there is nothing to be set aside.
    fn occur(&mut self, job: Job, called: &Called) {
        let Job { leg, token, .. } = job;
        let (rule, desk) = (&leg.rule, token.desk());
        let emissions = self.instances.occur(&rule.stages[called.stage], called.occasion).unwrap_or_else(|fault| {
            warn!(rule = %rule.name, occasion = ?called.occasion, error = %fault, "a plugin failed without a message");
            Vec::new()
        });
        for emission in emissions {
            let topics = &self.outlets.topics;
            let emitted = occasions::carry(rule, called, emission, topics, &mut self.instances).and_then(|emitted| {
                let mut drafts = emitted.drafts.into_iter();
                let drawn = drafts.try_for_each(|draft| self.draw_up(&emitted.leg, &emitted.message, &draft));
                drawn.map_err(|failure| failure.error)
            });
            if let Err(error) = emitted {
                error!(rule = %rule.name, occasion = ?called.occasion, error, "a record that a plugin made without a message is lost");
            }
        }
        match self.records.is_empty() {
            true => self.reports.push(token.report(Settlement::Nothing)),
            false => self.hand_out(token),
        }
        desk.file(&mut self.reports);
    }

    fn carry_batch(&mut self, batch: &mut Vec<Job>) {
        let Some(rule) = batch.first().map(|job| job.leg.rule.clone()) else { return };
        if rule.on_error == OnError::Hold && rule.keeps_state() {
            // What is tried again as a whole would count again.
            return self.carry_holding(batch);
        }
        let messages: Vec<&Message> = batch.iter().map(|job| &job.message).collect();
        let carried = chain::carry(&rule, &messages, &mut self.instances, &mut Nobody);
        if !carried.failures.is_empty() && rule.on_error == OnError::Hold {
            return self.carry_holding(batch);
        }
        self.ship(batch, carried);
        if self.shipments.iter().any(|shipments| shipments.len() >= BATCH_MESSAGES_MAX) {
            self.send();
        }
    }

    /// One message after the other, each tried until it passes: the order holds and nothing overtakes.
    fn carry_holding(&mut self, batch: &mut Vec<Job>) {
        for job in batch.drain(..) {
            if let Some(carried) = self.insist(&job) {
                self.ship(&mut vec![job], carried);
                self.send();
            }
        }
    }

    /// Tries a message until it passes, with the rule of the day; `None` where the process ends first, or the rule is
    /// gone and the message with it is forgotten.
    fn insist(&mut self, job: &Job) -> Option<Carried> {
        let mut rule = job.leg.rule.clone();
        let mut wait = HOLD_WAIT_MIN;
        while !self.outlets.ended.load(Ordering::Acquire) {
            let carried = chain::carry(&rule, &[&job.message], &mut self.instances, &mut Nobody);
            let holding = rule.on_error == OnError::Hold;
            match carried.failures.first() {
                Some((_, failure)) if holding => {
                    warn!(rule = %rule.name, error = %failure.error, "a message is held until its rule can carry it");
                }
                Some(_) | None => return Some(carried),
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(HOLD_WAIT_MAX);
            if let Some(today) = (self.outlets.rule_of_today)(&rule.name) {
                rule = today;
            }
        }
        None
    }

    /// Makes records of what the plugins left; leaves `batch` empty.
    fn ship(&mut self, batch: &mut Vec<Job>, carried: Carried) {
        let Some(desk) = batch.first().map(|job| job.token.desk()) else { return };
        let mut drafts = carried.drafts.into_iter().peekable();
        let mut failures = carried.failures;
        for (of, job) in batch.drain(..).enumerate() {
            let mine = std::iter::from_fn(|| drafts.next_if(|draft| draft.of == of));
            match failures.iter().position(|(failed, _)| *failed == of) {
                Some(at) => self.fail(job.token, failures.swap_remove(at).1),
                None => self.ship_one(job, mine),
            }
        }
        desk.file(&mut self.reports);
    }

    fn fail(&mut self, token: AckToken, failure: Failure) {
        self.reports.push(token.report(Settlement::Failed(Box::new(failure))));
    }

    /// All records of a message are sent, or none.
    fn ship_one(&mut self, job: Job, mut drafts: impl Iterator<Item = Draft>) {
        let Job { leg, message, token, .. } = job;
        if let Err(failure) = drafts.try_for_each(|draft| self.draw_up(&leg, &message, &draft)) {
            drafts.for_each(drop);
            self.records.clear();
            return self.fail(token, failure);
        }
        if self.records.is_empty() {
            return self.reports.push(token.report(Settlement::Filtered));
        }
        self.hand_out(token);
    }

    /// The records drawn up are to be sent, each with its share of the debt.
    fn hand_out(&mut self, token: AckToken) {
        let shares = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let tokens = token.split(shares, &mut self.reports);
        for ((cluster, record), token) in self.records.drain(..).zip(tokens) {
            self.shipments[cluster].push_back(Shipment { record, token });
        }
    }

    /// Appends the records of `draft`, one for each destination.
    fn draw_up(&mut self, leg: &Leg, message: &Message, draft: &Draft) -> Result<(), Failure> {
        for bound in &leg.destinations {
            let (payload, said) = (draft.payload.clone(), draft.said.as_deref());
            let record = records::record(bound, message, payload, said, &self.outlets.topics)?;
            self.records.push((bound.cluster, record));
        }
        Ok(())
    }

    /// Hands everything to the sinks, waiting for room where there is none.
    fn send(&mut self) {
        for (sink, shipments) in self.outlets.sinks.iter().zip(&mut self.shipments) {
            while !shipments.is_empty() && !self.outlets.ended.load(Ordering::Acquire) {
                sink.send(shipments);
                if !shipments.is_empty() {
                    std::thread::sleep(ROOM_WAIT);
                }
            }
        }
    }
}
