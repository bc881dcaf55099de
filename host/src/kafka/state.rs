//! What the threads of one producer share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use tracing::{error, warn};

use super::classify::{KafkaFault, describe};
use super::letter::Letter;
use super::live::Live;
use super::native::TopicState;
use super::outstanding::Outstanding;
use super::parked::Parked;
use crate::ack::{AckToken, Desk, Failure, Settlement};
use crate::config::ClusterConfig;
use crate::meters::{ClusterMeters, Meters};
use crate::topic::KafkaTopic;

/// How a cluster looks from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// A broker answered the last time it was asked.
    pub connected: bool,
    /// A broker has answered at least once since the start.
    pub answered: bool,
    /// The last trouble with the cluster, in librdkafka's words.
    pub last_error: Option<String>,
}

/// The common ground of the senders and the producer's own threads.
pub(super) struct State {
    config: Mutex<ClusterConfig>,
    /// `None` while a new producer is being made.
    live: RwLock<Option<Live>>,
    parked: Mutex<Parked>,
    /// Something was parked, or the end has come.
    pub(super) parked_news: Condvar,
    book: Mutex<Outstanding>,
    /// The topics in use, as the cluster told last.
    partitions: Mutex<Vec<TopicState>>,
    status: Mutex<Status>,
    stopping: AtomicBool,
    /// The producer in use has lost records: it is to be made anew.
    renewal: AtomicBool,
    pub(super) desks: Vec<&'static Desk>,
    pub(super) meters: Arc<Meters>,
    pub(super) cluster: Arc<ClusterMeters>,
}

impl State {
    pub(super) fn new(
        config: ClusterConfig,
        live: Live,
        desks: Vec<&'static Desk>,
        meters: Arc<Meters>,
        cluster: Arc<ClusterMeters>,
    ) -> Self {
        Self {
            parked: Mutex::new(Parked::new(config.queue_bytes)),
            config: Mutex::new(config),
            live: RwLock::new(Some(live)),
            parked_news: Condvar::new(),
            book: Mutex::default(),
            partitions: Mutex::default(),
            status: Mutex::default(),
            stopping: AtomicBool::new(false),
            renewal: AtomicBool::new(false),
            desks,
            meters,
            cluster,
        }
    }

    pub(super) fn config(&self) -> MutexGuard<'_, ClusterConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live(&self) -> RwLockReadGuard<'_, Option<Live>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live_mut(&self) -> RwLockWriteGuard<'_, Option<Live>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn parked(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Outstanding> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn partitions(&self) -> MutexGuard<'_, Vec<TopicState>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        // Under the lock, so that nobody misses it between looking and waiting.
        let _parked = self.parked();
        self.stopping.store(true, Ordering::Release);
        self.parked_news.notify_all();
    }

    pub(super) fn ask_for_renewal(&self) {
        self.renewal.store(true, Ordering::Release);
    }

    pub(super) fn take_renewal(&self) -> bool {
        self.renewal.load(Ordering::Acquire) && self.renewal.swap(false, Ordering::AcqRel)
    }

    /// Remembers whether a broker answers.
    pub(super) fn set_connected(&self, connected: bool, error: Option<String>) {
        let mut status = self.status();
        status.connected = connected;
        status.answered |= connected;
        if connected || error.is_some() {
            status.last_error = error;
        }
        self.cluster.connected.set(u64::from(connected));
    }

    /// The token behind a debt. `None` cannot happen while the list of desks is complete; then the message is never
    /// acknowledged.
    pub(super) fn token(&self, opaque: u64) -> Option<AckToken> {
        AckToken::redeem(opaque, &self.desks)
    }

    /// Settles a record that Kafka will never take.
    pub(super) fn reject(&self, opaque: u64, topic: &KafkaTopic, fault: KafkaFault, code: i32) {
        let Some(token) = self.token(opaque) else { return };
        let error = format!("produce to Kafka topic `{}`: {}", topic.name(), describe(code));
        if token.is_dead_letter() {
            error!(topic = topic.name(), error, "Kafka refuses a dead letter");
        } else {
            warn!(topic = topic.name(), error, "Kafka refuses a record for good");
        }
        token.settle(Settlement::Failed(Box::new(Failure { kind: fault.failure_kind(), error, plugin: None })));
    }

    /// Parks `letter` and sends its topic's later records after it. `live` is the producer in use, if there is one.
    pub(super) fn park(&self, live: Option<&Live>, letter: Letter, fault: Option<KafkaFault>) {
        let id = letter.topic.id;
        let mut parked = self.parked();
        parked.park(letter, fault, Instant::now());
        if let Some(topic) = live.and_then(|live| live.topic(id)) {
            topic.set_parked(true);
        }
        self.cluster.held.set(parked.records() as u64);
        self.parked_news.notify_all();
    }

    /// Makes the handle of `topic` in the producer in use, and tells whether there is one now.
    pub(super) fn add_topic(&self, topic: &KafkaTopic) -> bool {
        let mut live = self.live_mut();
        let Some(live) = &mut *live else { return false };
        let parked = self.parked().contains(topic.id);
        live.add(topic, parked);
        live.topic(topic.id).is_some()
    }

    /// Nothing is unsettled.
    pub(super) fn is_settled(&self) -> bool {
        self.live().is_some() && self.parked().records() == 0 && self.book().len() == 0
    }
}
