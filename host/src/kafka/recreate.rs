//! A new producer in the place of one that met a fatal error or lost records, without losing a record or its place.
//!
//! After a fatal error librdkafka takes nothing more, so every record that it still has was handed over before. All
//! of them come back as failed reports, in no useful order; sorted by turn they go to the new producer before any
//! sender does. Those that were on their way may be in Kafka already: they are written twice, which is what the promise
//! allows after a fault.

use std::collections::{HashSet, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::classify::{Handling, KafkaFault};
use super::delivery::{Delivery, Returned};
use super::letter::Letter;
use super::live::Live;
use super::native::Native;
use super::options;

/// How long answers to what is on its way are awaited, so that it need not be written twice.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How long the rest may take to come back.
const RETURN_MAX: Duration = Duration::from_secs(3);
/// One wait for reports.
const STEP: Duration = Duration::from_millis(20);
/// Before the second producer in a row; doubled for each further one.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A producer that lived this long was sound.
const SOUND_AFTER: Duration = Duration::from_secs(30);

impl Delivery {
    /// Takes the producer in use down and puts a new one in its place.
    pub(super) fn recreate(&mut self, reason: &str) {
        warn!(cluster = self.state.cluster.name, reason, "the Kafka producer is of no use any more and is made anew");
        self.state.status().last_error = Some(reason.into());
        self.let_go();
        let mut backlog = VecDeque::new();
        let mut old = self.state.live_mut().take();
        while !self.state.is_stopping() {
            if let Some(old) = old.take() {
                self.drain(&old);
            }
            self.sort_returned(&mut backlog);
            self.back_off();
            let Some(mut live) = self.create() else { continue };
            if self.resend(&mut live, &mut backlog) {
                info!(cluster = self.state.cluster.name, "the new Kafka producer has taken over");
                *self.state.live_mut() = Some(live);
                return;
            }
            old = Some(live);
        }
    }

    /// Waits until `old` has reported on everything.
    fn drain(&mut self, old: &Live) {
        old.native.purge(false);
        self.hear_until_empty(old, LAST_ANSWERS);
        if self.state.book().len() > 0 {
            old.native.purge(true);
            self.hear_until_empty(old, RETURN_MAX);
        }
        let missing = self.state.book().redeem_all();
        if !missing.is_empty() {
            error!(records = missing.len(), "librdkafka did not give all records back, their messages are abandoned");
        }
        for debt in missing {
            drop(self.state.token(debt.opaque));
        }
    }

    fn hear_until_empty(&mut self, old: &Live, at_most: Duration) {
        let end = Instant::now() + at_most;
        while self.state.book().len() > 0 && Instant::now() < end && !self.state.is_stopping() {
            self.hear(STEP, Some(old));
        }
    }

    /// Parks what belongs to troubled topics; the rest is put into `backlog`, all by turn.
    fn sort_returned(&mut self, backlog: &mut VecDeque<Letter>) {
        self.returned.extend(backlog.drain(..).map(|letter| Returned { letter, fault: KafkaFault::ProducerLost }));
        self.returned.sort_by_key(|returned| returned.letter.debt.turn);
        let troubled: HashSet<u32> = self.returned.iter().filter_map(troubled_topic).collect();
        for Returned { letter, fault } in self.returned.drain(..) {
            let topic = letter.topic.id;
            if troubled.contains(&topic) || self.state.parked().contains(topic) {
                self.state.park(None, letter, Some(fault));
            } else {
                backlog.push_back(letter);
            }
        }
    }

    fn back_off(&mut self) {
        self.recreations = if self.recreated_at.elapsed() > SOUND_AFTER { 0 } else { self.recreations + 1 };
        let wait = BACKOFF.saturating_mul(1 << self.recreations.min(10)).min(BACKOFF_MAX);
        let end = Instant::now() + if self.recreations == 0 { Duration::ZERO } else { wait };
        while Instant::now() < end && !self.state.is_stopping() {
            thread::sleep(STEP);
        }
        self.recreated_at = Instant::now();
    }

    fn create(&mut self) -> Option<Live> {
        let properties = options::producer(&self.state.config());
        match Native::create(&properties) {
            Ok(native) => {
                self.state.cluster.recreated.add(1);
                self.start_over(native.clone());
                Some(Live::new(native))
            }
            Err(error) => {
                error!(cluster = self.state.cluster.name, %error, "the Kafka producer cannot be made anew");
                None
            }
        }
    }

    /// Hands `backlog` to `live` in order. Tells whether `live` took everything; else it has met a fatal error itself.
    fn resend(&mut self, live: &mut Live, backlog: &mut VecDeque<Letter>) -> bool {
        while let Some(letter) = backlog.pop_front() {
            match self.resend_one(live, &letter) {
                Ok(()) => {}
                Err(code) => match KafkaFault::of(code).unwrap_or(KafkaFault::Unknown) {
                    KafkaFault::QueueFull => {
                        backlog.push_front(letter);
                        self.hear(STEP, Some(live));
                    }
                    KafkaFault::ProducerLost => {
                        backlog.push_front(letter);
                        return false;
                    }
                    fault if fault.handling() == Handling::Reject => {
                        self.state.reject(letter.debt.opaque, &letter.topic, fault, code);
                    }
                    fault => self.state.park(Some(live), letter, Some(fault)),
                },
            }
            if self.state.is_stopping() {
                return true;
            }
        }
        true
    }

    fn resend_one(&self, live: &mut Live, letter: &Letter) -> Result<(), i32> {
        let topic = &letter.topic;
        if live.topic(topic.id).is_none() {
            live.add(topic, false);
        }
        let Some(known) = live.topic(topic.id) else { return Err(i32::MIN) };
        if known.is_parked() {
            // An unknown code is retried: the letter goes behind those that wait.
            return Err(i32::MIN);
        }
        let ticket = self.state.book().enter(letter.debt);
        letter.produce(&known.handle, ticket).inspect_err(|_| {
            self.state.book().redeem(ticket);
        })
    }
}

/// The topic of a record that failed by itself, not only because its producer did.
fn troubled_topic(returned: &Returned) -> Option<u32> {
    match returned.fault.handling() {
        Handling::Reject | Handling::Retry | Handling::HoldTopic => Some(returned.letter.topic.id),
        Handling::Fatal => None,
    }
}
