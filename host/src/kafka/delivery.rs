//! The thread that hears a producer's delivery reports.
//!
//! What was delivered is settled, many at a time; what failed is parked, or sent again by a new producer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::classify::{KafkaFault, describe};
use super::event::{Event, Reports};
use super::letter::Letter;
use super::live::Live;
use super::native::{Native, PartitionList};
use super::options;
use super::outstanding::Debt;
use super::stall::{Stall, Step, Traffic};
use super::state::State;
use super::tally::{Tally, known_topic};

/// How long a broker counts as lost after an error of its connection. librdkafka repeats the error of a broker that stays
/// away every 30 s.
const LOST: Duration = Duration::from_secs(40);

/// Events that are taken before anything is filed.
const EVENTS_AT_ONCE: usize = 64;

/// A record that came back, with what happened to it.
pub(super) struct Returned {
    pub(super) letter: Letter,
    pub(super) fault: KafkaFault,
}

/// The state of the thread.
pub(super) struct Delivery {
    pub(super) state: Arc<State>,
    pub(super) native: Arc<Native>,
    tally: Tally,
    /// Failed records, not dealt with yet.
    pub(super) returned: Vec<Returned>,
    /// Of the batch that is being looked at.
    debts: Vec<Option<Debt>>,
    stall: Stall,
    held: Option<PartitionList>,
    partitions: usize,
    /// Reports or signs of life since the last look.
    progress: bool,
    /// Failed records or errors since the last look.
    trouble: bool,
    /// When librdkafka last told of an error of a connection.
    lost_at: Option<Instant>,
    /// How often a producer was made anew lately, and when last.
    pub(super) recreations: u32,
    pub(super) recreated_at: Instant,
}

impl Delivery {
    pub(super) fn new(state: Arc<State>, native: Arc<Native>) -> Self {
        let (now, linger, sources) = (Instant::now(), state.config().linger, state.desks.len());
        Self {
            state,
            native,
            tally: Tally::new(sources),
            returned: Vec::new(),
            debts: Vec::new(),
            stall: Stall::new(linger, now),
            held: None,
            partitions: 0,
            progress: false,
            trouble: false,
            lost_at: None,
            recreations: 0,
            recreated_at: now,
        }
    }

    /// Until the end of the producer.
    pub(super) fn run(mut self) {
        let mut wait = Duration::ZERO;
        while !self.state.is_stopping() {
            self.hear(wait, None);
            if std::mem::take(&mut self.trouble) {
                match self.native.fatal_error() {
                    Some(reason) => self.recreate(&reason),
                    None => self.park_returned(),
                }
            }
            if self.state.take_renewal() {
                self.recreate("records without a report although the cluster answers");
            }
            wait = self.look_for_silence();
        }
    }

    /// Takes what has happened, waiting at most `wait` for the first event. `old` is the producer that is being taken
    /// down, where there is none in use.
    pub(super) fn hear(&mut self, wait: Duration, old: Option<&Live>) {
        let mut event = self.native.poll(wait);
        if event.is_some() {
            // Before the reports are gone through: Kafka is not to wait for that.
            self.let_go();
        }
        let mut count = 0;
        while let Some(next) = event {
            self.take(next, old);
            count += 1;
            event = if count < EVENTS_AT_ONCE { self.native.poll(Duration::ZERO) } else { None };
        }
        self.tally.file(&self.state);
        let queued = self.state.book().len();
        self.state.cluster.queued.set(queued as u64);
    }

    fn take(&mut self, event: Event, old: Option<&Live>) {
        match event {
            Event::Reports(reports) => self.take_reports(reports, old),
            Event::Error { code, text } => self.take_error(code, text),
            Event::Log { level, text } => log(&self.state, level, &text),
            Event::Other => {}
        }
    }

    fn take_reports(&mut self, reports: Reports, old: Option<&Live>) {
        self.progress = true;
        let state = self.state.clone();
        reports.each_batch(|batch| {
            {
                let mut book = state.book();
                self.debts.extend(batch.iter().map(|report| book.redeem(report.ticket())));
            }
            for (report, debt) in batch.iter().zip(self.debts.drain(..)) {
                let Some(debt) = debt else { continue };
                let topic_id = report.topic_id();
                let topic = || match old {
                    Some(old) => known_topic(Some(old), topic_id),
                    None => known_topic(state.live().as_ref(), topic_id),
                };
                match KafkaFault::of(report.code()) {
                    None => self.tally.delivered(&state, debt.opaque, topic_id, topic),
                    Some(fault) => {
                        self.trouble = true;
                        let Some(topic) = topic() else { continue };
                        debug!(topic = topic.name(), error = describe(report.code()), "a record came back");
                        self.returned.push(Returned { letter: Letter::returned(report, debt, topic), fault });
                    }
                }
            }
        });
    }

    fn take_error(&mut self, code: i32, text: String) {
        // Whatever it is, something moved: what waits may have to be sent again.
        self.progress = true;
        self.trouble = true;
        self.lost_at = Some(Instant::now());
        debug!(cluster = self.state.cluster.name, error = describe(code), text, "librdkafka reports an error");
        let all_down = rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN as i32;
        if code == all_down {
            self.state.set_connected(false, Some(text));
        } else {
            self.state.status().last_error = Some(text);
        }
    }

    /// The producer is sound: each record that failed waits for a verdict of its own.
    fn park_returned(&mut self) {
        let live = self.state.live();
        for Returned { letter, fault } in self.returned.drain(..) {
            self.state.park(live.as_ref(), letter, Some(fault));
        }
    }

    /// Holds all partitions while Kafka is silent. Tells how long to wait for the next event.
    fn look_for_silence(&mut self) -> Duration {
        let (outstanding, turns) = {
            let book = self.state.book();
            (book.len() > 0, book.turns())
        };
        let progress = std::mem::take(&mut self.progress);
        let broker_lost = self.lost_at.is_some_and(|at| at.elapsed() < LOST);
        let traffic = Traffic { outstanding, progress, turns, partitions: self.partitions, broker_lost };
        let (step, wait) = self.stall.look(Instant::now(), traffic);
        match step {
            Step::Stay => {}
            Step::Hold => self.hold(),
            Step::LetGo => self.let_go(),
        }
        wait
    }

    fn hold(&mut self) {
        let mut list = {
            let partitions = self.state.partitions();
            self.partitions = partitions.iter().map(|topic| usize::try_from(topic.partitions).unwrap_or(0)).sum();
            PartitionList::new(self.native.clone(), &partitions)
        };
        list.hold();
        self.held = Some(list);
    }

    pub(super) fn let_go(&mut self) {
        if let Some(list) = self.held.take() {
            list.let_go();
        }
    }

    /// Another producer has taken over; nothing of it is on hold.
    pub(super) fn start_over(&mut self, native: Arc<Native>) {
        self.native = native;
        self.stall = Stall::new(self.state.config().linger, Instant::now());
    }
}

/// librdkafka's own lines. Those that it marks as errors are told as warnings, since it goes on by itself.
pub(super) fn log(state: &State, level: i32, text: &str) {
    let cluster = state.cluster.name.as_str();
    if text.contains(options::EXPERIMENTAL) {
        // Said at each start, and chosen on purpose.
        return debug!(cluster, text, "librdkafka");
    }
    match level {
        i32::MIN..=2 => error!(cluster, text, "librdkafka"),
        3 | 4 => warn!(cluster, text, "librdkafka"),
        5 | 6 => info!(cluster, text, "librdkafka"),
        7.. => debug!(cluster, text, "librdkafka"),
    }
}
