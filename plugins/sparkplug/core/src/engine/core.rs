//! What all nodes share, and the way of one message to its kind.

use super::Failure;
use crate::host::Host;
use crate::options::{Commands, EnvelopeKind, Options};
use crate::output::{Event, Happening, Outlet, PatternError, Sent};
use crate::session::{Budget, Liveness, Node};
use crate::topic::{Address, MessageType};
use crate::wire::Payload;

use super::state::HostState;

/// What happened, in numbers that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub messages: u64,
    pub failed: u64,
    pub empty: u64,
    pub commands: u64,
    pub metrics: u64,
    pub metric_errors: u64,
    pub births: u64,
    pub deaths: u64,
    pub deaths_ignored: u64,
    pub gaps: u64,
    pub duplicates: u64,
    pub late: u64,
    pub seq_missing: u64,
    pub held: u64,
    pub released: u64,
    pub given_up: u64,
    pub unresolved: u64,
    pub alias_conflicts: u64,
    pub descriptor_conflicts: u64,
    pub rebirths_wanted: u64,
    pub rebirths_requested: u64,
    pub nodes_forgotten: u64,
}

/// A message with its payload read.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub kind: MessageType,
    pub address: Address<'a>,
    pub broker: &'a str,
    pub topic: &'a str,
    pub received_ms: u64,
    pub retain: bool,
    /// The payload, not compressed.
    pub bytes: &'a [u8],
    pub payload: &'a Payload<'a>,
    /// The metrics that are meant; empty means all.
    pub only: &'a [u32],
    /// It was held before.
    pub released: bool,
}

impl Incoming<'_> {
    /// The time of the payload, else of its arrival.
    pub fn ts(&self) -> u64 {
        self.payload.timestamp.unwrap_or(self.received_ms)
    }

    /// The sequence number, where it takes part in gap logic.
    pub fn seq(&self) -> Option<u8> {
        self.payload.seq.and_then(|seq| u8::try_from(seq).ok())
    }
}

/// Everything but the nodes.
pub(super) struct Core {
    pub options: Options,
    pub outlet: Outlet,
    pub counters: Counters,
    pub budget: Budget,
    pub memory_bytes: usize,
    pub hosts: Vec<HostState>,
    pub stopping: bool,
    /// Names and values of one message's metrics.
    pub arena: Vec<u8>,
}

impl Core {
    pub fn new(options: Options) -> Result<Self, PatternError> {
        Ok(Self {
            outlet: Outlet::new(&options)?,
            counters: Counters::default(),
            budget: Budget::new(&options.rebirth),
            memory_bytes: 0,
            hosts: Vec::new(),
            stopping: false,
            arena: Vec::new(),
            options,
        })
    }

    pub fn takes_commands(&self) -> bool {
        self.options.commands == Commands::Emit
    }

    pub fn account(&mut self, before: usize, after: usize) {
        self.memory_bytes = self.memory_bytes.saturating_add(after).saturating_sub(before);
    }

    pub fn dispatch(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) -> Result<(), Failure> {
        match message.kind {
            MessageType::Ncmd | MessageType::Dcmd => {
                self.counters.commands += 1;
                self.command_records(host, node, message);
                Ok(())
            }
            MessageType::Nbirth => self.nbirth(host, node, message),
            MessageType::Dbirth => self.dbirth(host, node, message),
            MessageType::Ndata | MessageType::Ddata => self.data(host, node, message),
            MessageType::Ndeath => {
                self.ndeath(host, node, message);
                Ok(())
            }
            MessageType::Ddeath => {
                self.ddeath(host, node, message);
                Ok(())
            }
        }
    }

    pub fn raw(&mut self, host: &mut dyn Host, node: &Node, message: &Incoming<'_>, payload: &[u8]) {
        if self.outlet.emits(EnvelopeKind::Raw) && (!message.kind.is_command() || self.takes_commands()) {
            self.outlet.raw(host, &sent(node, message), payload);
        }
    }

    /// A lifecycle record that a message has caused.
    pub fn tell(&mut self, host: &mut dyn Host, sent: &Sent<'_>, event: Event, ts: u64, reason: Option<&str>) {
        self.outlet.lifecycle(host, sent, &Happening { event, ts, reason, host_id: None });
    }

    /// A lifecycle record without a message.
    pub fn tell_of(
        &mut self,
        host: &mut dyn Host,
        node: &Node,
        device: Option<&str>,
        event: Event,
        ts: u64,
        reason: &str,
    ) {
        let sent = unsent(node, device, ts);
        self.tell(host, &sent, event, ts, Some(reason));
    }
}

/// How records tell of a message.
pub(super) fn sent<'a>(node: &Node, message: &Incoming<'a>) -> Sent<'a> {
    Sent {
        kind: Some(message.kind),
        address: Some(message.address),
        broker: message.broker,
        topic: Some(message.topic),
        received_ms: message.received_ms,
        retain: message.retain,
        seq: message.payload.seq,
        timestamp: message.payload.timestamp,
        count: message.payload.metrics.len(),
        session: node.session,
        bdseq: node.bdseq,
        out_of_order: false,
    }
}

/// How records tell of what no message has caused.
pub(super) fn unsent<'a>(node: &'a Node, device: Option<&'a str>, now_ms: u64) -> Sent<'a> {
    Sent {
        kind: None,
        address: Some(Address { group: &node.group, edge_node: &node.edge_node, device }),
        broker: &node.broker,
        topic: None,
        received_ms: now_ms,
        retain: false,
        seq: None,
        timestamp: None,
        count: 0,
        session: node.session,
        bdseq: node.bdseq,
        out_of_order: false,
    }
}

/// A node that spoke again after we lost its broker is there, without any birth.
pub(super) fn is_back(node: &Node) -> bool {
    node.liveness == Liveness::Disconnected
}
