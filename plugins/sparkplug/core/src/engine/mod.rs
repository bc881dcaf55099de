//! The host: messages, ticks and connection events come in, effects go out through [`Host`].

mod birth;
mod command;
mod core;
mod data;
mod death;
mod memory;
mod rebirths;
mod resolve;
mod state;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

pub use command::CommandError;
pub use core::Counters;
pub use state::Will;
pub use view::ViewFilter;

use self::core::{Core, Incoming};
use crate::host::Host;
use crate::options::{Options, Quirk, Trigger};
use crate::output::PatternError;
use crate::session::{BirthError, Liveness, Node};
use crate::topic::{Address, MessageType, Topic, TopicError};
use crate::value::Quirks;
use crate::wire::{Payload, PayloadError};

/// One message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Names the broker it came from.
    pub broker: &'a str,
    pub topic: &'a str,
    pub payload: &'a [u8],
    /// Milliseconds since 1970, by our clock; this is also the time of every decision it leads to.
    pub received_ms: u64,
    pub retain: bool,
}

/// What became of a message, beside its effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Outside of the namespace: passes unchanged.
    Foreign,
    /// Its records have gone out; there may be none.
    Handled,
    /// A dead letter, with the reason.
    Failed(Failure),
}

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Topic(TopicError),
    Payload(PayloadError),
    Birth(BirthError),
    /// `unresolved = "dead_letter"`.
    Unresolved {
        metric: String,
    },
    /// A STATE message that is neither JSON of 3.0 nor text of 2.2.
    State,
    /// As many edge nodes are online as may be kept.
    Nodes {
        nodes_max: usize,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::Payload(error) => error.fmt(f),
            Self::Birth(error) => error.fmt(f),
            Self::Unresolved { metric } => write!(f, "no birth tells what {metric} is"),
            Self::State => f.write_str("the STATE message is neither of Sparkplug 3.0 nor of 2.2"),
            Self::Nodes { nodes_max } => write!(f, "more than {nodes_max} edge nodes are online"),
        }
    }
}

impl std::error::Error for Failure {}

/// A host of Sparkplug B: decodes, remembers, decides.
///
/// Invariants: nothing here reads a clock or waits; what a message leads to depends on the messages of its own edge node
/// and on the options alone, but for the bounds shared by all nodes.
pub struct Engine {
    core: Core,
    nodes: HashMap<Box<str>, Node>,
    /// Nodes that wait for time to pass.
    restless: BTreeSet<Box<str>>,
    /// Nodes with memory to export.
    changed: BTreeSet<Box<str>>,
    key: String,
}

impl Engine {
    /// # Errors
    /// All problems of the options.
    pub fn new(options: Options) -> Result<Self, Vec<String>> {
        options.check()?;
        let core = Core::new(options).map_err(|error: PatternError| vec![error.to_string()])?;
        Ok(Self {
            core,
            nodes: HashMap::new(),
            restless: BTreeSet::new(),
            changed: BTreeSet::new(),
            key: String::new(),
        })
    }

    /// Takes one message. All of one edge node must come to the same engine, in order.
    pub fn message(&mut self, arrival: &Arrival<'_>, host: &mut dyn Host) -> Verdict {
        match self.take(arrival, host) {
            Ok(verdict) => verdict,
            Err(failure) => {
                self.core.counters.failed += 1;
                Verdict::Failed(failure)
            }
        }
    }

    fn take(&mut self, arrival: &Arrival<'_>, host: &mut dyn Host) -> Result<Verdict, Failure> {
        let topic = Topic::parse(arrival.topic, &self.core.options.topic_prefix).map_err(Failure::Topic)?;
        let (kind, address, certificate) = match topic {
            Topic::Foreign => return Ok(Verdict::Foreign),
            Topic::State { host_id, .. } => return self.core.state_message(host, arrival, host_id),
            Topic::Message { kind, address } => (kind, address, false),
            Topic::Certificate { kind, address } => (kind, address, true),
        };
        self.core.counters.messages += 1;
        if arrival.payload.is_empty() {
            self.core.counters.empty += 1;
            return Ok(Verdict::Handled);
        }
        if kind.is_command() && !self.core.takes_commands() {
            self.core.counters.commands += 1;
            return Ok(Verdict::Handled);
        }
        let decoded = decode(arrival.payload, &self.core.options.limits);
        let inflated = match &decoded {
            Ok(Decoded::Plain(_)) => None,
            Ok(Decoded::Inflated(bytes, outer)) => Some((bytes, outer)),
            Err(error) => {
                self.malformed(arrival, kind, address, host);
                return Err(Failure::Payload(*error));
            }
        };
        let inner;
        let (bytes, payload) = match (&decoded, inflated) {
            (Ok(Decoded::Plain(payload)), _) => (arrival.payload, payload),
            (_, Some((bytes, outer))) => {
                inner = outer.parse_inner(bytes, &self.core.options.limits).map_err(Failure::Payload)?;
                (bytes.as_slice(), &inner)
            }
            (Ok(Decoded::Inflated(..)) | Err(_), None) => return Ok(Verdict::Handled),
        };
        let incoming = Incoming {
            kind,
            address,
            broker: arrival.broker,
            topic: arrival.topic,
            received_ms: arrival.received_ms,
            retain: arrival.retain || certificate,
            bytes,
            payload,
            only: &[],
            released: false,
        };
        self.on_node(arrival.broker, address, arrival.received_ms, host, |core, node, host| {
            if certificate {
                return core.certificate(node, &incoming);
            }
            core.raw(host, node, &incoming, arrival.payload);
            core.dispatch(host, node, &incoming)
        })??;
        Ok(Verdict::Handled)
    }

    /// A payload that cannot be read may hide a birth: the node is asked again, if the options say so.
    fn malformed(&mut self, arrival: &Arrival<'_>, kind: MessageType, address: Address<'_>, host: &mut dyn Host) {
        if kind.is_command() || kind == MessageType::Ndeath || arrival.retain {
            return;
        }
        let now = arrival.received_ms;
        let asked = self.on_node(arrival.broker, address, now, host, |core, node, host| {
            core.want_rebirth(host, node, Trigger::Malformed, now);
        });
        drop(asked);
    }

    /// Time has passed: call it every 100 ms to 1 s, or at [`Self::next_deadline_ms`].
    pub fn tick(&mut self, now_ms: u64, host: &mut dyn Host) {
        for key in std::mem::take(&mut self.restless) {
            if let Some(node) = self.nodes.get_mut(&key) {
                let held_bytes = node.held.bytes();
                self.core.node_tick(host, node, now_ms);
                self.core.account(held_bytes, node.held.bytes());
                if node.is_restless() {
                    self.restless.insert(key.clone());
                }
                if node.changed.any() {
                    self.changed.insert(key);
                }
            }
        }
    }

    /// When [`Self::tick`] has something to do next; `None` while nothing waits.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let nodes = self.restless.iter().filter_map(|key| self.nodes.get(key));
        nodes.filter_map(|node| self.core.deadline(node)).min()
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.core.counters
    }

    /// Bytes that births and held messages take of `limits.memory_bytes`, as estimated.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.core.memory_bytes
    }

    /// Edge nodes kept.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Runs `act` on the node, which is loaded or made when it is not there, and keeps the books.
    fn on_node<R>(
        &mut self,
        broker: &str,
        address: Address<'_>,
        now_ms: u64,
        host: &mut dyn Host,
        act: impl FnOnce(&mut Core, &mut Node, &mut dyn Host) -> R,
    ) -> Result<R, Failure> {
        memory::write_node_key(&mut self.key, broker, address.group, address.edge_node);
        if !self.nodes.contains_key(self.key.as_str()) {
            self.meet(broker, address, host)?;
        }
        let Some(node) = self.nodes.get_mut(self.key.as_str()) else {
            return Err(Failure::Nodes { nodes_max: self.core.options.limits.nodes });
        };
        let (was_changed, was_restless, held_bytes) = (node.changed.any(), node.is_restless(), node.held.bytes());
        node.seen_ms = now_ms;
        let outcome = act(&mut self.core, node, host);
        self.core.account(held_bytes, node.held.bytes());
        if !was_changed && node.changed.any() {
            self.changed.insert(self.key.as_str().into());
        }
        if !was_restless && node.is_restless() {
            self.restless.insert(self.key.as_str().into());
        }
        Ok(outcome)
    }

    fn meet(&mut self, broker: &str, address: Address<'_>, host: &mut dyn Host) -> Result<(), Failure> {
        if self.nodes.len() >= self.core.options.limits.nodes {
            self.make_room()?;
        }
        let quirks = quirks_of(&self.core.options.quirks, address);
        let fresh = Node::new(broker, address.group, address.edge_node, quirks);
        let node = memory::load(host, &self.key, fresh, &self.core.options);
        self.core.account(0, node.bytes());
        if node.is_restless() {
            self.restless.insert(self.key.as_str().into());
        }
        self.nodes.insert(self.key.as_str().into(), node);
        Ok(())
    }

    /// Forgets the node that has been silent for longest among those that are not online.
    fn make_room(&mut self) -> Result<(), Failure> {
        let idle = self.nodes.iter().filter(|(_, node)| node.liveness != Liveness::Online && node.held.is_empty());
        let oldest = idle.min_by_key(|(_, node)| node.seen_ms).map(|(key, _)| key.clone());
        let Some(key) = oldest else { return Err(Failure::Nodes { nodes_max: self.core.options.limits.nodes }) };
        if let Some(node) = self.nodes.remove(&key) {
            self.core.account(node.bytes(), 0);
        }
        self.restless.remove(&key);
        self.changed.remove(&key);
        self.core.counters.nodes_forgotten += 1;
        Ok(())
    }
}

enum Decoded<'a> {
    Plain(Payload<'a>),
    Inflated(Vec<u8>, Payload<'a>),
}

fn decode<'a>(bytes: &'a [u8], limits: &crate::options::Limits) -> Result<Decoded<'a>, PayloadError> {
    let payload = Payload::parse(bytes, limits)?;
    match payload.inflate(limits)? {
        None => Ok(Decoded::Plain(payload)),
        Some(inflated) => {
            payload.parse_inner(&inflated, limits)?;
            Ok(Decoded::Inflated(inflated, payload))
        }
    }
}

fn quirks_of(quirks: &[Quirk], address: Address<'_>) -> Quirks {
    let fits = |quirk: &&Quirk| {
        quirk.group.as_ref().is_none_or(|glob| glob.matches(address.group))
            && quirk.node.as_ref().is_none_or(|glob| glob.matches(address.edge_node))
    };
    quirks.iter().find(fits).map_or_else(Quirks::default, |quirk| Quirks {
        bit_order: quirk.boolean_array_bit_order,
        string_array_hex: quirk.string_array_hex,
    })
}
