//! Births: a node or a device says what it has (Sparkplug 6.4.19, 6.4.21).

use super::Failure;
use super::core::{Core, Incoming, sent};
use super::data::Turn;
use super::resolve::{Manner, is_selected};
use crate::host::Host;
use crate::options::{BirthsEmit, EnvelopeKind, Trigger};
use crate::output::{CatalogEntry, Event};
use crate::session::{BirthError, Definitions, Device, Liveness, Node, Table, TableBuilder, definition};
use crate::topic::Address;
use crate::value::Template;
use crate::wire::{Metric, Raw};

const BIRTH: Manner = Manner { birth: true, stale: false, out_of_order: false, blind: false, emit_unresolved: true };

impl Core {
    /// Starts a session, or renews one when the node was asked to.
    pub fn nbirth(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) -> Result<(), Failure> {
        if message.retain {
            return self.kept_birth(host, node, message);
        }
        self.close_window(host, node, message.received_ms, None);
        let bdseq = message.payload.metrics.iter().find(|metric| is_bdseq(metric)).and_then(number);
        let other_session = node.is_born() && node.bdseq != bdseq;
        let renewed = node.liveness == Liveness::Online && node.is_born() && !other_session;
        let vanished = self.learn_node(node, message)?;
        self.counters.births += 1;
        node.liveness = Liveness::Online;
        node.since_ms = message.ts();
        node.bdseq = bdseq;
        node.sequence.restart(message.seq());
        node.changed.sequence = true;
        if node.rebirth.born(&self.options.rebirth, message.received_ms, bdseq) {
            self.counters.descriptor_conflicts += 1;
        }
        let event = if renewed { Event::RebirthReceived } else { Event::NodeOnline };
        self.tell(host, &sent(node, message), event, message.ts(), None);
        self.devices_stale(host, node, message);
        if other_session {
            self.give_up(host, node, message.received_ms, "a new session has begun", |_| true);
        }
        self.tombstones(host, node, message, &vanished);
        self.catalog(host, node, message);
        self.show(host, node, message, BIRTH);
        self.check_aliases(host, node, message);
        self.release(host, node, None);
        Ok(())
    }

    pub fn dbirth(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) -> Result<(), Failure> {
        let Some(id) = message.address.device else { return Ok(()) };
        if message.retain {
            return self.kept_birth(host, node, message);
        }
        let Turn::Now { out_of_order } = self.turn(host, node, message) else { return Ok(()) };
        self.greet(host, node, message);
        let vanished = self.learn_device(node, message, id)?;
        self.counters.births += 1;
        if let Some(device) = node.devices.get_mut(id) {
            device.online = true;
            device.since_ms = message.ts();
        }
        self.tell(host, &sent(node, message), Event::DeviceOnline, message.ts(), None);
        self.tombstones(host, node, message, &vanished);
        self.catalog(host, node, message);
        self.show(host, node, message, Manner { out_of_order, ..BIRTH });
        if !node.is_born() || node.liveness == Liveness::Offline {
            self.want_rebirth(host, node, Trigger::UnknownNode, message.received_ms);
        }
        self.check_aliases(host, node, message);
        self.release(host, node, Some(id));
        self.after_turn(host, node, message);
        Ok(())
    }

    /// A birth that the broker has kept: tells names and types while there is nothing newer, but not that anybody is there.
    fn kept_birth(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) -> Result<(), Failure> {
        self.certificate(node, message)?;
        self.show(host, node, message, Manner { stale: true, ..BIRTH });
        Ok(())
    }

    /// Learns from a kept birth without a record.
    pub fn certificate(&mut self, node: &mut Node, message: &Incoming<'_>) -> Result<(), Failure> {
        if node.table_of(message.address.device).is_some() {
            return Ok(());
        }
        match message.address.device {
            None => {
                self.learn_node(node, message)?;
                node.bdseq = message.payload.metrics.iter().find(|metric| is_bdseq(metric)).and_then(number);
            }
            Some(id) => drop(self.learn_device(node, message, id)?),
        }
        Ok(())
    }

    /// Replaces the node's tables; gives the names that have vanished, for the catalog.
    fn learn_node(&mut self, node: &mut Node, message: &Incoming<'_>) -> Result<Vec<Box<str>>, Failure> {
        let definitions = Definitions::of(&message.payload.metrics);
        let mut table = self.build(&definitions, message);
        let before = node.table.bytes() + node.definitions.bytes();
        self.replace(before, table.bytes() + definitions.bytes())?;
        if self.options.births_emit == BirthsEmit::ChangedOnly {
            table.inherit(&mut node.table);
        }
        let old = std::mem::replace(&mut node.table, table);
        node.definitions = definitions;
        node.session = Some(message.ts());
        for device in node.devices.values_mut() {
            device.born = false;
        }
        node.changed.head = true;
        node.changed.table = true;
        Ok(self.vanished(&old, &node.table))
    }

    fn learn_device(&mut self, node: &mut Node, message: &Incoming<'_>, id: &str) -> Result<Vec<Box<str>>, Failure> {
        let devices_max = self.options.limits.devices;
        if !node.devices.contains_key(id) && node.devices.len() >= devices_max {
            return Err(Failure::Birth(BirthError::Devices { devices_max }));
        }
        let mut table = self.build(&node.definitions, message);
        let before = node.devices.get(id).map_or(0, |device| 200 + id.len() + device.table.bytes());
        self.replace(before, 200 + id.len() + table.bytes())?;
        if !node.devices.contains_key(id) {
            node.devices.insert(id.into(), Device::default());
        }
        let Some(device) = node.devices.get_mut(id) else { return Ok(Vec::new()) };
        if self.options.births_emit == BirthsEmit::ChangedOnly {
            table.inherit(&mut device.table);
        }
        let old = std::mem::replace(&mut device.table, table);
        device.birth_ts = Some(message.ts());
        device.born = true;
        node.changed.head = true;
        node.changed.devices.insert(id.into());
        let new = node.devices.get(id).map(|device| &device.table);
        Ok(new.map_or_else(Vec::new, |new| self.vanished(&old, new)))
    }

    fn build(&self, definitions: &Definitions, message: &Incoming<'_>) -> Table {
        let mut builder = TableBuilder::new(definitions, message.payload.metrics.len());
        for metric in message.payload.metrics.iter().filter(|metric| definition(metric).is_none()) {
            builder.add(metric, |name| is_selected(&self.options, message.address, name));
        }
        builder.finish()
    }

    fn replace(&mut self, before: usize, after: usize) -> Result<(), Failure> {
        let bytes_max = self.options.limits.memory_bytes;
        let total = self.memory_bytes.saturating_add(after).saturating_sub(before);
        if total > bytes_max && after > before {
            return Err(Failure::Birth(BirthError::Memory { bytes_max }));
        }
        self.memory_bytes = total;
        Ok(())
    }

    fn vanished(&self, old: &Table, new: &Table) -> Vec<Box<str>> {
        if !self.outlet.emits(EnvelopeKind::Catalog) {
            return Vec::new();
        }
        let gone = old.entries().iter().filter(|entry| new.by_name(&entry.name).is_none());
        gone.map(|entry| entry.name.clone()).collect()
    }

    fn devices_stale(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) {
        for device in node.devices.values_mut().filter(|device| device.online) {
            device.online = false;
            device.since_ms = message.ts();
        }
        for id in node.devices.keys() {
            let mut sent = sent(node, message);
            sent.address = Some(Address { device: Some(id), ..message.address });
            self.tell(host, &sent, Event::DeviceStale, message.ts(), Some("the node was born"));
        }
    }

    fn tombstones(&mut self, host: &mut dyn Host, node: &Node, message: &Incoming<'_>, vanished: &[Box<str>]) {
        for name in vanished {
            self.outlet.catalog(host, &sent(node, message), name, None);
        }
    }

    fn catalog(&mut self, host: &mut dyn Host, node: &Node, message: &Incoming<'_>) {
        if !self.outlet.emits(EnvelopeKind::Catalog) {
            return;
        }
        let table = node.table_of(message.address.device);
        for metric in &message.payload.metrics {
            let Some(name) = metric.name.filter(|name| !name.is_empty()) else { continue };
            let name = String::from_utf8_lossy(name);
            let entry = table.and_then(|table| table.entry(table.by_name(&name)?));
            let template = match metric.value {
                Raw::Template(bytes) if !metric.null => Some(Template::parse(bytes)),
                _ => None,
            };
            let entry = CatalogEntry {
                alias: metric.alias,
                datatype: match entry {
                    Some(entry) => entry.datatype,
                    None => template.map(|_| crate::datatype::DataType::Template),
                },
                properties: metric.properties,
                metadata: metric.metadata,
                template,
                birth_ts: message.ts(),
            };
            self.outlet.catalog(host, &sent(node, message), &name, Some(&entry));
        }
    }

    /// An alias given twice stands for nothing until a better birth comes (`tck-id-payloads-alias-uniqueness`).
    fn check_aliases(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) {
        let ambiguous = node.table_of(message.address.device).map_or(0, Table::ambiguous);
        if ambiguous > 0 {
            self.counters.alias_conflicts += ambiguous as u64;
            self.want_rebirth(host, node, Trigger::UnknownAlias, message.received_ms);
        }
    }
}

fn is_bdseq(metric: &Metric<'_>) -> bool {
    metric.name == Some(b"bdSeq")
}

/// bdSeq comes as Int64 or as UInt64, and as smaller types.
pub(super) fn number(metric: &Metric<'_>) -> Option<u64> {
    match metric.value {
        Raw::Int(number) => Some(u64::from(number)),
        Raw::Long(number) => Some(number),
        _ => None,
    }
}
