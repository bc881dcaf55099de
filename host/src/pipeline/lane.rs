//! `Lane`: a thread that runs plugins. Messages of one order key come to one lane, so their order holds.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, warn};

use super::chain::{self, BATCH_MESSAGES_MAX, Carried, Draft, Nobody};
use super::instances::Instances;
use super::records;
use super::route::Leg;
use crate::ack::{AckToken, Desk, Failure, Report, Settlement};
use crate::config::OnError;
use crate::message::Message;
use crate::router::Rule;
use crate::seam::{Shipment, Sink};
use crate::topic::KafkaTopics;

/// One message for one rule's chain.
pub struct Job {
    pub leg: Arc<Leg>,
    pub message: Message,
    pub token: AckToken,
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

    fn wait(&self, ended: &AtomicBool) -> Vec<Job> {
        let mut queue = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        while queue.is_empty() && !ended.load(Ordering::Acquire) {
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut *queue)
    }
}

/// Counts jobs as carried when it goes, also in a panic; the last one of a source rings at its desk.
struct Open<'a> {
    lane: &'a Lane,
    desk: &'static Desk,
    jobs: usize,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let before = self.lane.open[self.desk.source().place()].fetch_sub(self.jobs, Ordering::AcqRel);
        if before == self.jobs {
            self.desk.ring();
        }
    }
}

struct Worker<'a> {
    lane: &'a Lane,
    outlets: &'a Outlets,
    instances: Instances,
    shipments: Vec<VecDeque<Shipment>>,
    reports: Vec<Report>,
}

impl<'a> Worker<'a> {
    fn new(lane: &'a Lane, number: usize, outlets: &'a Outlets) -> Self {
        let shipments = outlets.sinks.iter().map(|_| VecDeque::new()).collect();
        Self { lane, outlets, instances: Instances::new(number), shipments, reports: Vec::new() }
    }

    fn work(&mut self) {
        while !self.outlets.ended.load(Ordering::Acquire) {
            let jobs = self.lane.wait(&self.outlets.ended);
            for (desk, jobs) in by_rule(jobs) {
                self.carry_all(desk, jobs);
            }
            self.instances.sweep();
        }
    }

    /// Carries jobs of one rule and one source, in order, a batch at a time.
    fn carry_all(&mut self, desk: &'static Desk, jobs: Vec<Job>) {
        let mut jobs = jobs.into_iter();
        loop {
            let batch: Vec<Job> = jobs.by_ref().take(BATCH_MESSAGES_MAX).collect();
            if batch.is_empty() {
                return;
            }
            let open = Open { lane: self.lane, desk, jobs: batch.len() };
            self.carry_batch(batch);
            drop(open);
        }
    }

    fn carry_batch(&mut self, batch: Vec<Job>) {
        let rule = batch[0].leg.rule.clone();
        let messages: Vec<&Message> = batch.iter().map(|job| &job.message).collect();
        let carried = chain::carry(&rule, &messages, &mut self.instances, &mut Nobody);
        if !carried.failures.is_empty() && rule.on_error == OnError::Hold {
            return self.carry_holding(batch);
        }
        self.ship(batch, carried);
        self.send();
    }

    /// One message after the other, each tried until it passes: the order holds and nothing overtakes.
    fn carry_holding(&mut self, batch: Vec<Job>) {
        for job in batch {
            if let Some(carried) = self.insist(&job) {
                self.ship(vec![job], carried);
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

    fn ship(&mut self, batch: Vec<Job>, carried: Carried) {
        let desk = batch[0].token.desk();
        let mut drafts = carried.drafts.into_iter().peekable();
        let mut failures = carried.failures;
        for (of, job) in batch.into_iter().enumerate() {
            let failure = failures.iter().position(|(failed, _)| *failed == of).map(|at| failures.swap_remove(at).1);
            let mine: Vec<Draft> = std::iter::from_fn(|| drafts.next_if(|draft| draft.of == of)).collect();
            match failure {
                Some(failure) => self.fail(job.token, failure),
                None => self.ship_one(job, mine),
            }
        }
        desk.file(&mut self.reports);
    }

    fn fail(&mut self, token: AckToken, failure: Failure) {
        self.reports.push(token.report(Settlement::Failed(Box::new(failure))));
    }

    fn ship_one(&mut self, job: Job, drafts: Vec<Draft>) {
        let Job { leg, message, token } = job;
        let records: Result<Vec<_>, Failure> = drafts
            .into_iter()
            .flat_map(|draft| {
                leg.destinations.iter().map(move |bound| (bound, draft.payload.clone(), draft.said.clone()))
            })
            .map(|(bound, payload, said)| {
                let record = records::record(bound, &message, payload, said.as_deref(), &self.outlets.topics)?;
                Ok((bound.cluster, record))
            })
            .collect();
        match records {
            Err(failure) => self.fail(token, failure),
            Ok(records) if records.is_empty() => self.reports.push(token.report(Settlement::Filtered)),
            Ok(records) => {
                let shares = u32::try_from(records.len()).unwrap_or(u32::MAX);
                let tokens = token.split(shares, &mut self.reports);
                for ((cluster, record), token) in records.into_iter().zip(tokens) {
                    self.shipments[cluster].push_back(Shipment { record, token });
                }
            }
        }
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

/// The jobs by rule, source and generation, each list in order. Between rules no order is owed.
fn by_rule(jobs: Vec<Job>) -> Vec<(&'static Desk, Vec<Job>)> {
    let mut lists: Vec<(&'static Desk, Vec<Job>)> = Vec::new();
    for job in jobs {
        let desk = job.token.desk();
        let same = |list: &&mut (&'static Desk, Vec<Job>)| {
            std::ptr::eq(list.0, desk) && Arc::ptr_eq(&list.1[0].leg.rule, &job.leg.rule)
        };
        match lists.iter_mut().find(same) {
            Some((_, list)) => list.push(job),
            None => lists.push((desk, vec![job])),
        }
    }
    lists
}
