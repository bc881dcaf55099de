//! `Producer`: the `Sink` of one cluster.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::warn;

use super::classify::{Handling, KafkaFault};
use super::delivery::Delivery;
use super::keeper::Keeper;
use super::letter::{Letter, header_list};
use super::live::{Live, LiveTopic};
use super::native::{Native, Piece, StartError};
use super::options;
use super::outstanding::Debt;
use super::scout::Scout;
use super::state::{State, Status};
use crate::ack::Desk;
use crate::config::ClusterConfig;
use crate::message::Record;
use crate::meters::{ClusterMeters, Meters};
use crate::seam::{Shipment, Sink};
use crate::topic::{ClusterNo, KafkaTopic};

/// Shipments that are entered in the book under one lock.
const AT_ONCE: usize = 64;
/// How often `stop` looks whether everything is settled.
const STOP_LOOK: Duration = Duration::from_millis(2);

/// The records of one cluster on their way to Kafka.
pub struct Producer {
    state: Arc<State>,
    keeper: Arc<Keeper>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Producer {
    /// Starts the producer of `config`; brokers need not be there. `desks` are those of all sources, by `SourceNo`.
    ///
    /// # Errors
    /// Where librdkafka refuses a property or cannot read a file that one names.
    pub fn start(
        config: &ClusterConfig,
        cluster: ClusterNo,
        desks: Vec<&'static Desk>,
        meters: Arc<Meters>,
    ) -> Result<Arc<Self>, StartError> {
        let native = Native::create(&options::producer(config))?;
        let of_clusters = meters.clusters.get();
        let own = of_clusters.and_then(|all| all.get(usize::from(cluster.0)).cloned());
        let own = own.unwrap_or_else(|| ClusterMeters { name: config.name.clone(), ..ClusterMeters::default() }.into());
        let state = Arc::new(State::new(config.clone(), Live::new(native.clone()), desks, meters, own));
        let keeper = Arc::new(Keeper::default());
        let producer = Arc::new(Self { state: state.clone(), keeper: keeper.clone(), threads: Mutex::default() });
        let (for_delivery, for_scout) = (state.clone(), state.clone());
        producer.spawn("kafka-reports", move || Delivery::new(for_delivery, native).run())?;
        producer.spawn("kafka-scout", move || Scout::new(for_scout).run())?;
        // Not waited for at the end: it may be in the middle of a question that nobody answers.
        let _detached = thread("kafka-keeper", move || keeper.run(&state))?;
        Ok(producer)
    }

    /// How the cluster looks from here.
    #[must_use]
    pub fn status(&self) -> Status {
        self.state.status().clone()
    }

    /// Takes over the login of `config`, for the connections to come. All else of `config` needs a restart.
    pub fn update_credentials(&self, config: &ClusterConfig) {
        self.state.config().sasl.clone_from(&config.sasl);
        let Some(sasl) = &config.sasl else { return };
        if let Some(live) = &*self.state.live()
            && let Err(error) = live.native.set_credentials(&sasl.username, sasl.password.reveal())
        {
            warn!(cluster = config.name, error, "the new Kafka login was not taken over");
        }
        self.keeper.ask_now();
    }

    /// Waits until every record is settled or `deadline` has passed, then ends. What is unsettled then is never
    /// acknowledged. Tells how many records that are.
    pub fn stop(&self, deadline: Instant) -> usize {
        while !self.state.is_settled() && Instant::now() < deadline {
            thread::sleep(STOP_LOOK);
        }
        self.end();
        self.state.book().len() + self.state.parked().records()
    }

    fn end(&self) {
        self.state.stop();
        self.keeper.ask_now();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                warn!("a thread of the Kafka producer ended in a panic");
            }
        }
        self.state.live_mut().take();
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread(name, run)?);
        Ok(())
    }

    /// The shared ground, for tests.
    #[cfg(test)]
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Sends from the front as long as all topics are known.
    fn hand_over(&self, live: &Live, shipments: &mut VecDeque<Shipment>) -> Outcome {
        let mut taken = Vec::with_capacity(AT_ONCE.min(shipments.len()));
        loop {
            while taken.len() < AT_ONCE
                && let Some(front) = shipments.front()
                && live.topic(front.record.topic.id).is_some()
                && let Some(Shipment { record, token }) = shipments.pop_front()
            {
                let (timestamp_ms, topic) = (record.timestamp_ms, record.topic.id);
                let debt = Debt { opaque: token.into_opaque(), turn: 0, timestamp_ms, topic };
                taken.push(Taken { record, debt, ticket: 0 });
            }
            if taken.is_empty() {
                return shipments.front().map_or(Outcome::Done, |next| Outcome::NewTopic(next.record.topic.clone()));
            }
            self.enter(&mut taken);
            let mut rest = taken.drain(..);
            while let Some(next) = rest.next() {
                if let Some(refused) = self.hand_over_one(live, next) {
                    self.give_back(refused, rest, shipments);
                    return Outcome::Full;
                }
            }
        }
    }

    fn enter(&self, taken: &mut [Taken]) {
        let mut book = self.state.book();
        for next in taken {
            next.debt.turn = book.next_turn();
            next.ticket = book.enter(next.debt);
        }
    }

    /// Gives the record back where nobody can take it now.
    fn hand_over_one(&self, live: &Live, taken: Taken) -> Option<Taken> {
        let topic = live.topic(taken.record.topic.id).expect("looked up before it was taken");
        if topic.is_parked() {
            return self.hand_over_behind(live, topic, taken);
        }
        self.produce(live, topic, taken)
    }

    fn produce(&self, live: &Live, topic: &LiveTopic, taken: Taken) -> Option<Taken> {
        let record = &taken.record;
        let piece = Piece {
            key: record.key.as_deref(),
            payload: record.payload.as_deref(),
            timestamp_ms: record.timestamp_ms,
            ticket: taken.ticket,
        };
        match topic.handle.produce(piece, header_list(&record.headers)) {
            Ok(()) => None,
            Err(code) => self.not_produced(live, taken, code),
        }
    }

    #[cold]
    fn not_produced(&self, live: &Live, taken: Taken, code: i32) -> Option<Taken> {
        let fault = KafkaFault::of(code).unwrap_or(KafkaFault::Unknown);
        match fault.handling() {
            Handling::Fatal => Some(taken),
            Handling::Reject => {
                self.state.book().redeem(taken.ticket);
                self.state.reject(taken.debt.opaque, &taken.record.topic, fault, code);
                None
            }
            Handling::Retry | Handling::HoldTopic => {
                if fault == KafkaFault::QueueFull || !self.state.parked().has_room() {
                    return Some(taken);
                }
                self.state.book().redeem(taken.ticket);
                self.state.park(Some(live), Letter::fresh(taken.record, taken.debt), Some(fault));
                None
            }
        }
    }

    /// For records of a parked topic: they go behind those that wait.
    #[cold]
    fn hand_over_behind(&self, live: &Live, topic: &LiveTopic, taken: Taken) -> Option<Taken> {
        {
            let mut parked = self.state.parked();
            if parked.contains(taken.record.topic.id) {
                if !parked.has_room() {
                    return Some(taken);
                }
                self.state.book().redeem(taken.ticket);
                parked.park(Letter::fresh(taken.record, taken.debt), None, Instant::now());
                self.state.cluster.held.set(parked.records() as u64);
                return None;
            }
        }
        self.produce(live, topic, taken)
    }

    /// Puts what was taken too early back to the front, in order.
    fn give_back(&self, first: Taken, rest: impl DoubleEndedIterator<Item = Taken>, to: &mut VecDeque<Shipment>) {
        let mut book = self.state.book();
        for Taken { record, debt, ticket } in rest.rev().chain([first]) {
            book.redeem(ticket);
            if let Some(token) = self.state.token(debt.opaque) {
                to.push_front(Shipment { record, token });
            }
        }
    }
}

impl Sink for Producer {
    fn send(&self, shipments: &mut VecDeque<Shipment>) {
        while !shipments.is_empty() && !self.state.is_stopping() {
            let outcome = match &*self.state.live() {
                Some(live) => self.hand_over(live, shipments),
                None => return,
            };
            match outcome {
                Outcome::Done | Outcome::Full => return,
                Outcome::NewTopic(topic) => {
                    if !self.state.add_topic(&topic) {
                        return;
                    }
                    self.keeper.ask_soon();
                }
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.end();
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(StartError::Thread)
}

/// A shipment between the queue and librdkafka.
struct Taken {
    record: Record,
    debt: Debt,
    ticket: usize,
}

/// Why handing over stopped.
enum Outcome {
    Done,
    Full,
    NewTopic(KafkaTopic),
}
