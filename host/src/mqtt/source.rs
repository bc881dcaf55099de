//! The life of a source: connections, one after the other, until it is told to stop.
//!
//! Invariant: at most one connection stands; the intake hears of each in turn, `linked` and `lost` in alternation.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

use super::back::Back;
use super::backoff::Backoff;
use super::connect::{self, Grant, Linked};
use super::link::{Link, Memory};
use super::loss::Loss;
use super::reason::Handling;
use super::status::Status;
use crate::config::{BrokerUrl, Session, SourceConfig};
use crate::meters::SourceMeters;
use crate::seam::{Intake, Subscription};

/// What joins a source to the rest of the process.
pub struct Wires {
    /// What changes here applies from the next connection on; a source that waits to connect tries at once.
    pub config: watch::Receiver<Arc<SourceConfig>>,
    /// A change is brought to the broker by difference, on the connection that stands.
    pub subscriptions: watch::Receiver<Arc<[Subscription]>>,
    /// Notified (`notify_one`) when reports wait for the intake.
    pub settled: Arc<Notify>,
    pub stop: watch::Receiver<Stop>,
    /// What plugins publish to the broker.
    pub back: Arc<Back>,
    pub status: Arc<Status>,
    /// Counted here: `connected`, `connects`, `sessions_lost`, `protocol_errors`, `window`. The intake counts messages.
    pub meters: Arc<SourceMeters>,
}

/// Largest packet of MQTT (MQTT 5, section 2.1.4).
const PACKET_BYTES_MAX: usize = 268_435_455;

/// Whether a source shall go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Run,
    /// Take no more in; let acknowledgements leave until nothing is in flight, at most until then; disconnect.
    Drain {
        until: tokio::time::Instant,
    },
    /// Return at once.
    Now,
}

/// How a source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Messages taken in and not acknowledged; the broker keeps them for the next connection.
    pub left: usize,
}

/// Runs a source until `wires.stop` says otherwise. Meant to have its thread to itself, with a current-thread runtime:
/// while traffic is dense it makes that thread sleep for fractions of a millisecond.
pub async fn run(wires: Wires, intake: impl Intake) -> Drained {
    let mut source = Source::new(wires, intake);
    loop {
        let wait = match source.try_connect().await {
            Tried::Linked(linked) => match source.serve(*linked).await {
                Served::Stopped(drained) => return drained,
                Served::Lost { loss, stood } => source.on_lost(&loss, stood),
            },
            Tried::Failed(loss) => source.on_failed(&loss),
            Tried::Stopped => return source.stopped(),
        };
        if let Paused::Stopped = source.pause(wait).await {
            return source.stopped();
        }
    }
}

struct Source<I> {
    wires: Wires,
    intake: I,
    memory: Memory,
    backoff: Backoff,
    /// Which of the URLs is tried next, counted on without end.
    place: usize,
    /// The session that we had last.
    session: Option<SessionId>,
}

/// What must be equal for a kept session to be the one that we remember: each broker of a list may have kept its own.
#[derive(Clone, PartialEq, Eq)]
struct SessionId {
    url: BrokerUrl,
    client_id: String,
}

enum Tried {
    Linked(Box<Linked>),
    Failed(Loss),
    Stopped,
}

enum Served {
    Stopped(Drained),
    Lost { loss: Loss, stood: Duration },
}

enum Paused {
    Over,
    Stopped,
}

impl<I: Intake> Source<I> {
    fn new(wires: Wires, intake: I) -> Self {
        Self { wires, intake, memory: Memory::default(), backoff: Backoff::default(), place: 0, session: None }
    }

    async fn try_connect(&mut self) -> Tried {
        let config = self.wires.config.borrow_and_update().clone();
        let id = self.next_session(&config);
        let mut attempt = pin!(connect::connect(&config, &id.url, &id.client_id));
        let linked = loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.wires.stop) => return Tried::Stopped,
                () = self.wires.settled.notified() => tend(&mut self.intake),
                linked = &mut attempt => break linked,
            }
        };
        match linked {
            Ok(linked) => {
                self.on_linked(&config, &id, &linked.grant);
                Tried::Linked(Box::new(linked))
            }
            Err(loss) => Tried::Failed(loss),
        }
    }

    /// Where to connect next, and as whom: a broker that gave us an id of its own knows our session by that.
    fn next_session(&self, config: &SourceConfig) -> SessionId {
        let url = config.urls.iter().cycle().nth(self.place % config.urls.len().max(1));
        let url = url.expect("a checked configuration has at least one URL").clone();
        let assigned = self.session.as_ref().filter(|_| config.client_id.is_empty());
        let client_id = assigned.map_or(&config.client_id, |session| &session.client_id).clone();
        SessionId { url, client_id }
    }

    fn on_linked(&mut self, config: &SourceConfig, id: &SessionId, grant: &Grant) {
        let resumed = self.take_up_session(config, id, grant);
        let wanted = self.wires.subscriptions.borrow_and_update().clone();
        self.memory.inbound.linked(resumed);
        self.memory.subscriptions.want(&wanted);
        self.memory.subscriptions.linked(resumed, grant.manner());
        self.intake.linked(resumed);
        self.wires.back.linked(grant.connack.packet_bytes_max.map_or(PACKET_BYTES_MAX, |bytes| bytes as usize));
        let meters = &self.wires.meters;
        meters.connects.add(1);
        meters.connected.set(1);
        meters.window.set(config.window.into());
        let hollow = grant.hollow(config, &wanted);
        info!(source = %meters.name, broker = %id.url, resumed, "connected to the broker");
        for hollow in &hollow {
            warn!(source = %meters.name, hollow, "the broker grants less than the delivery promise rests on");
        }
        self.wires.status.update(|standing| {
            standing.connected = Some(id.url.to_string());
            standing.window = config.window;
            standing.hollow = hollow;
        });
    }

    /// Whether the broker has kept the session that we remember.
    fn take_up_session(&mut self, config: &SourceConfig, id: &SessionId, grant: &Grant) -> bool {
        let present = grant.connack.session_present;
        let known = self.session.as_ref().map(|session| session == id);
        if known == Some(true) && !present && config.session == Session::Persistent {
            self.wires.meters.sessions_lost.add(1);
            error!(source = %config.name, broker = %id.url, "the broker has forgotten our session; messages that it held for us may be lost");
        }
        let client_id = grant.connack.assigned_client_id.as_ref().unwrap_or(&id.client_id).clone();
        self.session = Some(SessionId { url: id.url.clone(), client_id });
        present && known.unwrap_or(true)
    }

    async fn serve(&mut self, linked: Linked) -> Served {
        let since = Instant::now();
        let mut link = Link::new(linked, &mut self.wires, &mut self.intake, &mut self.memory);
        let served = match link.serve().await {
            Ok(()) => Served::Stopped(Drained { left: link.drain().await }),
            Err(loss) => {
                link.part_over(&loss).await;
                Served::Lost { loss, stood: since.elapsed() }
            }
        };
        self.intake.lost();
        self.wires.back.lost();
        self.wires.meters.connected.set(0);
        self.wires.status.update(|standing| {
            standing.connected = None;
            standing.subscribed = false;
        });
        served
    }

    /// Returns how long to wait before the next try.
    fn on_lost(&mut self, loss: &Loss, stood: Duration) -> Duration {
        self.backoff.stood(stood);
        if loss.handling() == Handling::Elsewhere {
            self.place += 1;
        }
        self.tell(loss)
    }

    /// Returns how long to wait before the next try.
    fn on_failed(&mut self, loss: &Loss) -> Duration {
        self.place += 1;
        self.tell(loss)
    }

    fn tell(&mut self, loss: &Loss) -> Duration {
        let config = self.wires.config.borrow().clone();
        let handling = loss.handling();
        let chance = RandomState::new().hash_one(self.place);
        let wait = self.backoff.next(handling, config.reconnect_max, config.urls.len() > 1, chance);
        let (source, error, wait_ms) = (&config.name, loss.chain(), wait.as_millis());
        if let Loss::Violated(_) = loss {
            self.wires.meters.protocol_errors.add(1);
        }
        match handling {
            Handling::Yield => {
                error!(%source, error, wait_ms, "another client uses our client id and took the session over");
            }
            Handling::Rarely => error!(%source, error, wait_ms, "the broker does not let us in; trying again rarely"),
            Handling::Again | Handling::Later | Handling::Elsewhere => {
                warn!(%source, error, wait_ms, "no connection to the broker");
            }
        }
        self.wires.status.update(|standing| standing.last_error = Some(error));
        wait
    }

    /// Waits before the next try; a changed configuration ends the wait, since it may be what was amiss.
    async fn pause(&mut self, wait: Duration) -> Paused {
        let mut over = pin!(tokio::time::sleep(wait));
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.wires.stop) => return Paused::Stopped,
                () = self.wires.settled.notified() => tend(&mut self.intake),
                () = changed(&mut self.wires.config) => {
                    self.backoff.reset();
                    return Paused::Over;
                }
                () = &mut over => return Paused::Over,
            }
        }
    }

    fn stopped(&self) -> Drained {
        Drained { left: self.intake.in_flight() }
    }
}

/// Lets the intake work off reports while no connection stands. No acknowledgement may leave then.
fn tend(intake: &mut impl Intake) {
    intake.take_acks(&mut Vec::new());
    intake.hand_over();
}

/// Waits until a stop is asked for. A wire whose other end is gone never asks.
async fn stopped(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|stop| *stop != Stop::Run).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for a new value. A wire whose other end is gone never changes.
pub(super) async fn changed<T>(wire: &mut watch::Receiver<T>) {
    if wire.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
