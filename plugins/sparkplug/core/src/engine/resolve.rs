//! From metrics as sent to items that records can be made of.

use super::core::{Core, Incoming, sent};
use crate::datatype::DataType;
use crate::host::Host;
use crate::options::{BirthsEmit, Historical, Options, Transient, Trigger};
use crate::output::{ContextParts, Item, ItemSource, Sent, TsSource};
use crate::session::{Entry, Node, Scope, Table, definition};
use crate::topic::Address;
use crate::value::{self, Context, Format, Quality, ValueError, Written, quality};
use crate::wire::{Metric, Raw};

/// How a message is to be shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Its metrics name themselves; some options treat births apart.
    pub birth: bool,
    /// What it says was true once.
    pub stale: bool,
    pub out_of_order: bool,
    /// The birth's table must not be used.
    pub blind: bool,
    /// Unresolved metrics give records.
    pub emit_unresolved: bool,
}

/// What is left when the records are out.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    /// Metrics that nobody can resolve, by index.
    pub unresolved: Vec<u32>,
    /// The first thing found that asks for a rebirth.
    pub trigger: Option<Trigger>,
}

struct Resolution {
    entry: Option<u32>,
    datatype: Option<DataType>,
    error: Option<ValueError>,
    /// Nobody knows the name or the type.
    unresolved: bool,
    trigger: Option<Trigger>,
}

impl Core {
    /// Whether all metrics of a message can be resolved; else what the first one is called.
    pub fn first_unresolved(&self, node: &Node, message: &Incoming<'_>, manner: Manner) -> Option<String> {
        let table = table_for(node, message, manner);
        let unresolved = |metric: &&Metric<'_>| resolve(metric, table, message, node, manner).unresolved;
        message.payload.metrics.iter().find(unresolved).map(|metric| match (metric.name, metric.alias) {
            (Some(name), _) if !name.is_empty() => format!("metric `{}`", String::from_utf8_lossy(name)),
            (_, Some(alias)) => format!("alias {alias}"),
            (_, None) => "a metric".into(),
        })
    }

    /// Makes the records of a message and remembers its values.
    pub fn show(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>, manner: Manner) -> Leftover {
        let mut arena = std::mem::take(&mut self.arena);
        arena.clear();
        let table = table_for(node, message, manner);
        let mut leftover = Leftover::default();
        let mut items = Vec::with_capacity(message.payload.metrics.len());
        let maker = ItemMaker { core: self, node, table, message, manner };
        for (index, metric) in (0..).zip(&message.payload.metrics) {
            let meant = message.only.is_empty() || message.only.binary_search(&index).is_ok();
            if !meant || definition(metric).is_some() {
                continue;
            }
            let resolution = resolve(metric, table, message, node, manner);
            leftover.trigger = leftover.trigger.or(resolution.trigger);
            if resolution.unresolved && !manner.emit_unresolved {
                leftover.unresolved.push(index);
                continue;
            }
            items.push(maker.item(&mut arena, index, metric, &resolution));
        }
        self.counters.metrics += items.len() as u64;
        self.counters.metric_errors += items.iter().filter(|item| item.error.is_some()).count() as u64;
        let sent = Sent { out_of_order: manner.out_of_order, ..sent(node, message) };
        if !items.is_empty() || leftover.unresolved.is_empty() {
            let context = |item: &Item<'_>| ContextParts {
                quirks: node.quirks,
                scope: Scope {
                    entry: item.entry.and_then(|place| table?.entry(place)),
                    definitions: &node.definitions,
                },
            };
            let source = ItemSource { arena: &arena, context: &context };
            self.outlet.message(host, &sent, &items, &source);
        }
        if !manner.stale && !message.kind.is_command() {
            remember(node, message.address.device, &items, &arena);
        }
        drop(items);
        self.arena = arena;
        leftover
    }
}

/// Notes the values; historical ones are older than what is there.
fn remember(node: &mut Node, device: Option<&str>, items: &[Item<'_>], arena: &[u8]) {
    let Some(table) = node.table_of_mut(device) else { return };
    for item in items.iter().filter(|item| item.error.is_none() && !item.metric.historical) {
        if let Some(entry) = item.entry.and_then(|place| table.entry_mut(place)) {
            entry.remember(arena.get(item.value.clone()).unwrap_or_default(), item.ts);
        }
    }
}

fn table_for<'n>(node: &'n Node, message: &Incoming<'_>, manner: Manner) -> Option<&'n Table> {
    if manner.blind { None } else { node.table_of(message.address.device) }
}

/// Order of trust: the name if there is one, else the alias; the data type if there is one, else the birth's.
fn resolve(
    metric: &Metric<'_>,
    table: Option<&Table>,
    message: &Incoming<'_>,
    node: &Node,
    manner: Manner,
) -> Resolution {
    let named = metric.name.is_some_and(|name| !name.is_empty());
    let place = match (named, metric.name, metric.alias) {
        (true, Some(name), _) => table.and_then(|table| table.by_sent_name(name)),
        (_, _, Some(alias)) => table.and_then(|table| table.by_alias(alias)),
        (_, _, None) => None,
    };
    let known = place.and_then(|place| table?.entry(place)).and_then(|entry| entry.datatype);
    let mut resolution = Resolution { entry: place, datatype: known, error: None, unresolved: false, trigger: None };
    match metric.datatype {
        Some(0) if known.is_some() => {}
        Some(code) => match DataType::from_code(code) {
            Some(datatype) => resolution.datatype = Some(datatype),
            None => {
                resolution.datatype = None;
                resolution.error = Some(ValueError::UnknownType(code));
            }
        },
        None if manner.birth => resolution.datatype = value::inferred(metric.value),
        None => {}
    }
    if !named && metric.alias.is_none() {
        resolution.error = Some(ValueError::NoName);
        return resolution;
    }
    if manner.birth {
        if !named {
            resolution.error = Some(ValueError::NoName);
        }
        return resolution;
    }
    let empty = metric.null || metric.value == Raw::None;
    let typed = resolution.datatype.is_some() || resolution.error.is_some() || (place.is_some() && empty);
    resolution.unresolved = (!named && place.is_none()) || !typed;
    if place.is_none() {
        resolution.trigger = Some(missing(node, message.address, manner, named));
    }
    resolution
}

fn missing(node: &Node, address: Address<'_>, manner: Manner, named: bool) -> Trigger {
    if manner.blind || !node.is_born() && address.device.is_none() {
        return Trigger::UnknownNode;
    }
    let device_born = |device: &str| node.devices.get(device).is_some_and(|device| device.born);
    match address.device {
        Some(device) if !device_born(device) => {
            if node.is_born() {
                Trigger::UnknownDevice
            } else {
                Trigger::UnknownNode
            }
        }
        Some(_) | None if named => Trigger::UnknownMetric,
        Some(_) | None => Trigger::UnknownAlias,
    }
}

struct ItemMaker<'c> {
    core: &'c Core,
    node: &'c Node,
    table: Option<&'c Table>,
    message: &'c Incoming<'c>,
    manner: Manner,
}

impl ItemMaker<'_> {
    fn item<'m>(&self, arena: &mut Vec<u8>, index: u32, metric: &'m Metric<'m>, found: &Resolution) -> Item<'m> {
        let options = &self.core.options;
        let entry = found.entry.and_then(|place| self.table?.entry(place));
        let name = self.push_name(arena, metric, entry);
        let datatype = found.datatype.or_else(|| found.unresolved.then(|| value::inferred(metric.value)).flatten());
        let (error, not_finite, written) = self.push_value(arena, metric, entry, datatype, found.error);
        let (ts, ts_source) = match (metric.timestamp, self.message.payload.timestamp) {
            (Some(ts), _) => (ts, TsSource::Metric),
            (None, Some(ts)) => (ts, TsSource::Payload),
            (None, None) => (self.message.received_ms, TsSource::Receive),
        };
        let (mut quality, quality_code) = quality(metric.properties);
        if self.manner.stale && quality == Quality::Good {
            quality = Quality::Stale;
        }
        let emitted = self.is_selected(metric, entry)
            && !(metric.historical && options.historical == Historical::Drop)
            && !(metric.transient && options.transient == Transient::Drop)
            && self.passes_birth(entry, arena.get(written.clone()).unwrap_or_default());
        Item {
            metric,
            index,
            entry: found.entry,
            name,
            alias: metric.alias.or_else(|| entry?.alias),
            datatype: if found.unresolved { found.datatype } else { datatype },
            resolved: !found.unresolved,
            value: written,
            not_finite,
            error,
            ts,
            ts_source,
            quality,
            quality_code,
            emitted,
        }
    }

    fn push_name(
        &self,
        arena: &mut Vec<u8>,
        metric: &Metric<'_>,
        entry: Option<&Entry>,
    ) -> Option<std::ops::Range<usize>> {
        let start = arena.len();
        let sent = metric.name.filter(|name| !name.is_empty());
        match (entry, sent, &self.core.options.path_separator) {
            (Some(entry), _, None) => arena.extend_from_slice(entry.name.as_bytes()),
            (Some(entry), _, Some(separator)) => arena.extend_from_slice(entry.name.replace('/', separator).as_bytes()),
            (None, Some(name), separator) => {
                let name = String::from_utf8_lossy(name);
                match separator {
                    Some(separator) => arena.extend_from_slice(name.replace('/', separator).as_bytes()),
                    None => arena.extend_from_slice(name.as_bytes()),
                }
            }
            (None, None, _) => return None,
        }
        Some(start..arena.len())
    }

    /// `is_null` wins over a value; neither is "no value", not zero.
    fn push_value(
        &self,
        arena: &mut Vec<u8>,
        metric: &Metric<'_>,
        entry: Option<&Entry>,
        datatype: Option<DataType>,
        error: Option<ValueError>,
    ) -> (Option<ValueError>, Option<&'static str>, std::ops::Range<usize>) {
        let start = arena.len();
        let format = &self.core.outlet.format;
        let absent = metric.null || metric.value == Raw::None;
        let outcome = match (error, datatype) {
            (Some(error), _) => Err(error),
            (None, _) if absent => Ok(None),
            (None, Some(datatype)) => self.write(arena, format, metric, entry, datatype).map(Some),
            (None, None) => Err(ValueError::UnknownType(0)),
        };
        if arena.len() == start {
            arena.extend_from_slice(b"null");
        }
        match outcome {
            Ok(Some(Written::NotFinite(name))) => (None, Some(name), start..arena.len()),
            Ok(Some(Written::Value) | None) => (None, None, start..arena.len()),
            Err(error) => (Some(error), None, start..arena.len()),
        }
    }

    fn write(
        &self,
        arena: &mut Vec<u8>,
        format: &Format,
        metric: &Metric<'_>,
        entry: Option<&Entry>,
        datatype: DataType,
    ) -> Result<Written, ValueError> {
        let depth_max = format.limits.template_depth;
        if metric.template_depth > depth_max {
            return Err(ValueError::TemplateDepth { depth_max });
        }
        let scope = Scope { entry, definitions: &self.node.definitions };
        value::write(arena, Context { format, quirks: self.node.quirks, types: &scope }, datatype, metric.value)
    }

    fn is_selected(&self, metric: &Metric<'_>, entry: Option<&Entry>) -> bool {
        match (entry, metric.name) {
            (Some(entry), _) => entry.selected,
            (None, Some(name)) => is_selected(&self.core.options, self.message.address, &String::from_utf8_lossy(name)),
            (None, None) => true,
        }
    }

    fn passes_birth(&self, entry: Option<&Entry>, json: &[u8]) -> bool {
        match self.core.options.births_emit {
            _ if !self.manner.birth => true,
            BirthsEmit::All => true,
            BirthsEmit::ChangedOnly => entry.is_none_or(|entry| entry.differs(json)),
            BirthsEmit::None => false,
        }
    }
}

/// Whether a metric gives `metric` and `flat` records.
pub(super) fn is_selected(options: &Options, address: Address<'_>, metric: &str) -> bool {
    let fits =
        |selector: &crate::glob::Selector| selector.matches(address.group, address.edge_node, address.device, metric);
    (options.include.is_empty() || options.include.iter().any(fits)) && !options.exclude.iter().any(fits)
}
