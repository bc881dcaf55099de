//! Asking nodes to be born again, and everything else that waits for time to pass.

use super::Engine;
use super::core::Core;
use crate::datatype::DataType;
use crate::host::{Host, Publish};
use crate::options::{Role, Trigger};
use crate::output::Event;
use crate::session::{Liveness, Node};
use crate::topic::Address;
use crate::wire::{Encoder, MetricOut, ValueOut};

impl Core {
    /// Notes a reason and asks at once where role, throttle and budget let it.
    pub fn want_rebirth(&mut self, host: &mut dyn Host, node: &mut Node, trigger: Trigger, now_ms: u64) {
        if self.options.role == Role::Observer || !self.options.rebirth.on.contains(&trigger) {
            return;
        }
        self.counters.rebirths_wanted += 1;
        node.rebirth.want(trigger);
        self.ask(host, node, now_ms);
    }

    fn ask(&mut self, host: &mut dyn Host, node: &mut Node, now_ms: u64) {
        let Some(trigger) = node.rebirth.wanted() else { return };
        let settings = &self.options.rebirth;
        if now_ms < node.rebirth.due_ms(settings, salt(node)) || !self.budget.take(settings, now_ms) {
            return;
        }
        self.request(host, node, now_ms, trigger.name());
    }

    fn request(&mut self, host: &mut dyn Host, node: &mut Node, now_ms: u64, reason: &str) {
        node.rebirth.sent(&self.options.rebirth, now_ms);
        self.counters.rebirths_requested += 1;
        if self.options.rebirth.dry_run {
            let reason = format!("{reason} (dry run)");
            return self.tell_of(host, node, None, Event::RebirthRequested, now_ms, &reason);
        }
        let mut payload = Encoder::new(now_ms);
        payload.metric(MetricOut {
            name: "Node Control/Rebirth",
            alias: None,
            timestamp_ms: now_ms,
            datatype: DataType::Boolean,
            value: ValueOut::Bool(true),
        });
        self.publish_command(host, node, None, &payload.finish());
        self.tell_of(host, node, None, Event::RebirthRequested, now_ms, reason);
    }

    /// QoS 0, not retained (`tck-id-payloads-ncmd-qos`, `tck-id-payloads-ncmd-retain`).
    pub fn publish_command(&self, host: &mut dyn Host, node: &Node, device: Option<&str>, payload: &[u8]) {
        let prefix = &self.options.topic_prefix;
        let slash = if prefix.is_empty() { "" } else { "/" };
        let (group, edge) = (&node.group, &node.edge_node);
        let topic = match device {
            None => format!("{prefix}{slash}spBv1.0/{group}/NCMD/{edge}"),
            Some(device) => format!("{prefix}{slash}spBv1.0/{group}/DCMD/{edge}/{device}"),
        };
        host.publish(Publish { broker: &node.broker, topic: &topic, payload, qos: 0, retain: false });
    }

    pub fn node_tick(&mut self, host: &mut dyn Host, node: &mut Node, now_ms: u64) {
        if node.reorder_until_ms.is_some_and(|until| now_ms >= until) {
            self.close_window(host, node, now_ms, Some("the reorder timeout is over"));
        }
        let age = self.options.hold_limit.age.0;
        if oldest_ms(node).is_some_and(|received| now_ms >= received.saturating_add(age)) {
            self.give_up(host, node, now_ms, "no birth has come in time", |held| {
                held.seq.is_none() && now_ms >= held.received_ms.saturating_add(age)
            });
        }
        self.ask(host, node, now_ms);
    }

    pub fn deadline(&self, node: &Node) -> Option<u64> {
        let asking = node.rebirth.wanted().map(|_| node.rebirth.due_ms(&self.options.rebirth, salt(node)));
        let expiry = oldest_ms(node).map(|received| received.saturating_add(self.options.hold_limit.age.0));
        [node.reorder_until_ms, asking, expiry].into_iter().flatten().min()
    }
}

fn oldest_ms(node: &Node) -> Option<u64> {
    node.held.iter().filter(|(_, held)| held.seq.is_none()).map(|(_, held)| held.received_ms).min()
}

/// The same for a node every time, different between nodes.
fn salt(node: &Node) -> u64 {
    let bytes = node.group.bytes().chain(node.edge_node.bytes());
    bytes.fold(17, |salt: u64, byte| salt.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

impl Engine {
    /// Asks a node to be born again because a person wants it: no throttle, roles `active` and `primary` only.
    ///
    /// # Errors
    /// The role, or the node, does not allow it.
    pub fn rebirth(
        &mut self,
        broker: &str,
        group: &str,
        edge_node: &str,
        now_ms: u64,
        host: &mut dyn Host,
    ) -> Result<(), super::CommandError> {
        if self.core.options.role == Role::Observer {
            return Err(super::CommandError::Role);
        }
        let address = Address { group, edge_node, device: None };
        super::command::check_ids(address)?;
        let asked = self.on_node(broker, address, now_ms, host, |core, node, host| {
            core.request(host, node, now_ms, "manual");
        });
        asked.map_err(|_| super::CommandError::UnknownNode)
    }

    /// Tells that our connection to a broker is there; the will given by [`Self::will`] was in its CONNECT, and the
    /// subscriptions have been made. The first thing published is our birth.
    pub fn connected(&mut self, broker: &str, now_ms: u64, host: &mut dyn Host) {
        for (key, node) in &mut self.nodes {
            if &*node.broker == broker && node.liveness == Liveness::Online {
                node.rebirth.forget();
                node.liveness = Liveness::Disconnected;
                node.since_ms = now_ms;
                node.changed.head = true;
                for device in node.devices.values_mut().filter(|device| device.online) {
                    device.online = false;
                    device.since_ms = now_ms;
                }
                self.changed.insert(key.clone());
            }
        }
        self.core.host_connected(host, broker, now_ms);
    }
}
