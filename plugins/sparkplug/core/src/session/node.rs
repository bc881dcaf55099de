//! One edge node and its devices.

use std::collections::{BTreeMap, BTreeSet};

use super::held::HeldQueue;
use super::rebirth::RebirthState;
use super::sequence::Sequence;
use super::table::{Definitions, Table};
use crate::value::Quirks;

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Data have come, but no birth.
    Unknown,
    Online,
    /// Its death has come.
    Offline,
    /// We have lost the broker through which it was known.
    Disconnected,
}

/// What is remembered of one edge node (group and edge node id, at one broker).
#[derive(Clone, Debug)]
pub struct Node {
    pub broker: Box<str>,
    pub group: Box<str>,
    pub edge_node: Box<str>,
    pub liveness: Liveness,
    /// Since when, in milliseconds since 1970: of a birth by its own clock, of a death by ours.
    pub since_ms: u64,
    /// Time of the latest NBIRTH; names the session in records.
    pub session: Option<u64>,
    pub bdseq: Option<u64>,
    pub table: Table,
    pub definitions: Definitions,
    pub devices: BTreeMap<Box<str>, Device>,
    pub sequence: Sequence,
    /// Until when missing sequence numbers are waited for.
    pub reorder_until_ms: Option<u64>,
    pub rebirth: RebirthState,
    pub held: HeldQueue,
    pub quirks: Quirks,
    /// When the last message came, by our clock.
    pub seen_ms: u64,
    pub changed: Changed,
}

/// One device of a node.
#[derive(Clone, Debug, Default)]
pub struct Device {
    pub online: bool,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    pub birth_ts: Option<u64>,
    /// Its birth belongs to the node's session, so its table may be used.
    pub born: bool,
    pub table: Table,
}

/// What has to be exported again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub head: bool,
    pub sequence: bool,
    pub table: bool,
    pub devices: BTreeSet<Box<str>>,
    /// Held messages that came or went, by their number.
    pub held: BTreeSet<u64>,
}

impl Changed {
    #[must_use]
    pub fn any(&self) -> bool {
        self.head || self.sequence || self.table || !self.devices.is_empty() || !self.held.is_empty()
    }
}

impl Node {
    #[must_use]
    pub fn new(broker: &str, group: &str, edge_node: &str, quirks: Quirks) -> Self {
        Self {
            broker: broker.into(),
            group: group.into(),
            edge_node: edge_node.into(),
            liveness: Liveness::Unknown,
            since_ms: 0,
            session: None,
            bdseq: None,
            table: Table::default(),
            definitions: Definitions::default(),
            devices: BTreeMap::new(),
            sequence: Sequence::default(),
            reorder_until_ms: None,
            rebirth: RebirthState::default(),
            held: HeldQueue::default(),
            quirks,
            seen_ms: 0,
            changed: Changed::default(),
        }
    }

    /// A birth of the node is known.
    #[must_use]
    pub fn is_born(&self) -> bool {
        self.session.is_some()
    }

    /// The table to resolve by, if a birth of this session gave one.
    #[must_use]
    pub fn table_of(&self, device: Option<&str>) -> Option<&Table> {
        match device {
            None => self.is_born().then_some(&self.table),
            Some(device) => self.devices.get(device).filter(|device| device.born).map(|device| &device.table),
        }
    }

    pub fn table_of_mut(&mut self, device: Option<&str>) -> Option<&mut Table> {
        match device {
            None => self.session.is_some().then_some(&mut self.table),
            Some(device) => self.devices.get_mut(device).filter(|device| device.born).map(|device| &mut device.table),
        }
    }

    /// What it takes of `limits.memory_bytes`.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let devices: usize = self.devices.iter().map(|(id, device)| 200 + id.len() + device.table.bytes()).sum();
        600 + self.group.len()
            + self.edge_node.len()
            + self.table.bytes()
            + self.definitions.bytes()
            + devices
            + self.held.bytes()
    }

    /// Something waits for time to pass.
    #[must_use]
    pub fn is_restless(&self) -> bool {
        self.reorder_until_ms.is_some() || !self.held.is_empty() || self.rebirth.wanted().is_some()
    }
}
