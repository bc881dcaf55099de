//! Deaths: of a node, of a device, of our own connection (Sparkplug 6.4.23 to 6.4.25).

use super::Engine;
use super::birth::number;
use super::core::{Core, Incoming, sent, unsent};
use super::data::Turn;
use crate::host::Host;
use crate::options::{NdeathWithoutBdseq, StaleEmit, StaleOn, Trigger};
use crate::output::{ContextParts, Event, Item, ItemSource, Sent, TsSource};
use crate::session::{Liveness, Node, Scope};
use crate::topic::Address;
use crate::value::Quality;
use crate::wire::Metric;

impl Core {
    /// Counts only if its bdSeq is the birth's; a late will of an older session must not end this one.
    pub fn ndeath(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) {
        let ours = match (bdseq_of(node, message), node.bdseq) {
            (Some(bdseq), Some(born)) => bdseq == born,
            (_, None) => true,
            (None, Some(_)) => self.options.ndeath_without_bdseq == NdeathWithoutBdseq::Accept,
        };
        let alive = matches!(node.liveness, Liveness::Online | Liveness::Disconnected);
        if !ours || !alive || message.retain {
            self.counters.deaths_ignored += 1;
            return;
        }
        self.counters.deaths += 1;
        let now = message.received_ms; // the host's clock, whatever the payload says
        self.close_window(host, node, now, None);
        node.liveness = Liveness::Offline;
        node.since_ms = now;
        node.changed.head = true;
        let head = sent(node, message);
        self.tell(host, &head, Event::NodeOffline, now, None);
        for device in node.devices.values_mut().filter(|device| device.online) {
            device.online = false;
            device.since_ms = now;
        }
        for id in node.devices.keys() {
            let device = Sent { address: Some(Address { device: Some(id), ..message.address }), ..sent(node, message) };
            self.tell(host, &device, Event::DeviceOffline, now, Some("the node died"));
        }
        if self.options.stale_on.contains(&StaleOn::Ndeath) {
            self.metrics_stale(host, node, None, &sent(node, message), now);
        }
    }

    /// Stamped with the payload's time.
    pub fn ddeath(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) {
        let Some(id) = message.address.device else { return };
        if message.retain {
            self.counters.deaths_ignored += 1;
            return;
        }
        let Turn::Now { .. } = self.turn(host, node, message) else { return };
        self.greet(host, node, message);
        if !node.is_born() {
            self.want_rebirth(host, node, Trigger::UnknownNode, message.received_ms);
        }
        let ts = message.ts();
        if let Some(device) = node.devices.get_mut(id) {
            self.counters.deaths += 1;
            device.online = false;
            device.since_ms = ts;
            node.changed.head = true;
            self.tell(host, &sent(node, message), Event::DeviceOffline, ts, None);
            if self.options.stale_on.contains(&StaleOn::Ddeath) {
                self.metrics_stale(host, node, Some(id), &sent(node, message), ts);
            }
        } else {
            self.counters.deaths_ignored += 1;
            if node.is_born() {
                self.want_rebirth(host, node, Trigger::UnknownDevice, message.received_ms);
            }
        }
        self.after_turn(host, node, message);
    }

    /// All that came through a broker is stale when we lose it.
    fn lost(&mut self, host: &mut dyn Host, node: &mut Node, now_ms: u64) {
        self.close_window(host, node, now_ms, None);
        node.rebirth.forget();
        node.liveness = Liveness::Disconnected;
        node.since_ms = now_ms;
        node.changed.head = true;
        for device in node.devices.values_mut().filter(|device| device.online) {
            device.online = false;
            device.since_ms = now_ms;
        }
        if self.options.stale_on.contains(&StaleOn::HostDisconnect) {
            self.tell_of(host, node, None, Event::NodeOffline, now_ms, "the connection to the broker is lost");
            for id in node.devices.keys() {
                self.tell_of(host, node, Some(id), Event::DeviceStale, now_ms, "the connection to the broker is lost");
            }
            self.metrics_stale(host, node, None, &unsent(node, None, now_ms), now_ms);
        }
    }

    /// With `stale_emit = "per_metric"`: one record for each metric, with its last value and quality STALE. Of the whole
    /// node when no device is given.
    fn metrics_stale(&mut self, host: &mut dyn Host, node: &Node, device: Option<&str>, sent: &Sent<'_>, ts: u64) {
        if self.options.stale_emit != StaleEmit::PerMetric {
            return;
        }
        let of_node = device.is_none().then_some((None, &node.table));
        let devices = node.devices.iter().filter(|(id, _)| device.is_none_or(|only| ***id == *only));
        let tables = of_node.into_iter().chain(devices.map(|(id, device)| (Some(&**id), &device.table)));
        for (device, table) in tables {
            let address = Address { group: &node.group, edge_node: &node.edge_node, device };
            let sent = Sent { address: Some(address), count: table.entries().len(), ..*sent };
            let mut arena = Vec::new();
            let items: Vec<Item<'_>> = (0..)
                .zip(table.entries())
                .filter(|(_, entry)| entry.selected)
                .map(|(index, entry)| {
                    let start = arena.len();
                    arena.extend_from_slice(entry.name.as_bytes());
                    let named = arena.len();
                    arena.extend_from_slice(entry.last().and_then(|(json, _)| json).unwrap_or(b"null"));
                    Item {
                        metric: &NOTHING,
                        index,
                        entry: Some(index),
                        name: Some(start..named),
                        alias: entry.alias,
                        datatype: entry.datatype,
                        resolved: true,
                        value: named..arena.len(),
                        not_finite: None,
                        error: None,
                        ts,
                        ts_source: TsSource::Receive,
                        quality: Quality::Stale,
                        quality_code: None,
                        emitted: true,
                    }
                })
                .collect();
            let context = |_: &Item<'_>| ContextParts {
                quirks: node.quirks,
                scope: Scope { entry: None, definitions: &node.definitions },
            };
            self.outlet.metrics(host, &sent, &items, &ItemSource { arena: &arena, context: &context });
        }
    }
}

static NOTHING: Metric<'static> = Metric {
    name: None,
    alias: None,
    timestamp: None,
    datatype: None,
    historical: false,
    transient: false,
    null: false,
    template_depth: 0,
    metadata: None,
    properties: None,
    value: crate::wire::Raw::None,
};

/// By name, or by the alias that the birth gave it: some nodes send it that way.
fn bdseq_of(node: &Node, message: &Incoming<'_>) -> Option<u64> {
    let is_bdseq = |metric: &&Metric<'_>| match (metric.name, metric.alias) {
        (Some(name), _) if !name.is_empty() => name == b"bdSeq",
        (_, Some(alias)) => {
            let entry = node.table.by_alias(alias).and_then(|place| node.table.entry(place));
            entry.is_some_and(|entry| &*entry.name == "bdSeq")
        }
        (_, None) => false,
    };
    message.payload.metrics.iter().find(is_bdseq).and_then(number)
}

impl Engine {
    /// Our connection to a broker is lost: all that was learned through it is stale.
    pub fn disconnected(&mut self, broker: &str, now_ms: u64, host: &mut dyn Host) {
        self.core.host_lost(host, broker, now_ms);
        for (key, node) in &mut self.nodes {
            if &*node.broker == broker && node.liveness == Liveness::Online {
                let held_bytes = node.held.bytes();
                self.core.lost(host, node, now_ms);
                self.core.account(held_bytes, node.held.bytes());
                self.changed.insert(key.clone());
            }
        }
    }
}
