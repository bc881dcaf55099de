//! STATE: hosts tell that they are there (Sparkplug 6.4.26, 5.15).

use serde::Deserialize;

use super::core::Core;
use super::{Arrival, Engine, Failure, Verdict};
use crate::host::{Host, Publish};
use crate::options::{Role, StateDialect};
use crate::output::{Event, Happening, Sent};

/// The will of one connection, to be put into its CONNECT with QoS 1, retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
}

/// What is known of our connection to one broker.
#[derive(Clone, Debug)]
pub(super) struct HostState {
    broker: Box<str>,
    /// In the will and in the birth of this connection; kept for each broker
    /// (`tck-id-operational-behavior-host-application-multi-server-timestamp`).
    timestamp_ms: u64,
    connected: bool,
}

#[derive(Deserialize)]
struct StatePayload {
    online: bool,
    timestamp: Option<u64>,
}

impl StatePayload {
    fn parse(payload: &[u8]) -> Option<Self> {
        match payload.trim_ascii() {
            b"ONLINE" => Some(Self { online: true, timestamp: None }),
            b"OFFLINE" => Some(Self { online: false, timestamp: None }),
            text => serde_json::from_slice(text).ok(),
        }
    }
}

impl Core {
    fn is_primary(&self) -> bool {
        self.options.role == Role::Primary
    }

    fn own_id(&self) -> &str {
        self.options.host_id.as_deref().unwrap_or_default()
    }

    fn state(&self, online: bool, timestamp_ms: u64) -> Will {
        let prefix = &self.options.topic_prefix;
        let slash = if prefix.is_empty() { "" } else { "/" };
        let host_id = self.own_id();
        let (topic, payload) = match self.options.state_dialect {
            StateDialect::V3 => (
                format!("{prefix}{slash}spBv1.0/STATE/{host_id}"),
                format!("{{\"online\":{online},\"timestamp\":{timestamp_ms}}}"),
            ),
            StateDialect::V2 => {
                (format!("{prefix}{slash}STATE/{host_id}"), if online { "ONLINE" } else { "OFFLINE" }.to_owned())
            }
        };
        Will { topic, payload: payload.into_bytes(), qos: 1, retain: true }
    }

    fn publish_state(&self, host: &mut dyn Host, broker: &str, online: bool, timestamp_ms: u64) {
        let Will { topic, payload, qos, retain } = self.state(online, timestamp_ms);
        host.publish(Publish { broker, topic: &topic, payload: &payload, qos, retain });
    }

    fn host_state(&mut self, broker: &str) -> Option<&mut HostState> {
        self.hosts.iter_mut().find(|state| &*state.broker == broker)
    }

    /// Own offline seen while connected: a late will; told online again with the same timestamp
    /// (`tck-id-message-flow-hid-sparkplug-state-message-delivered`). Others give a lifecycle record.
    pub fn state_message(
        &mut self,
        host: &mut dyn Host,
        arrival: &Arrival<'_>,
        host_id: &str,
    ) -> Result<Verdict, Failure> {
        self.counters.messages += 1;
        if arrival.payload.is_empty() {
            self.counters.empty += 1;
            return Ok(Verdict::Handled);
        }
        let state = StatePayload::parse(arrival.payload).ok_or(Failure::State)?;
        if self.is_primary() && host_id == self.own_id() {
            let stopping = self.stopping;
            let connection = self.host_state(arrival.broker).filter(|state| state.connected);
            if let Some(timestamp_ms) = connection.map(|state| state.timestamp_ms)
                && !state.online
                && !stopping
            {
                self.publish_state(host, arrival.broker, true, timestamp_ms);
            }
            return Ok(Verdict::Handled);
        }
        let event = if state.online { Event::HostOnline } else { Event::HostOffline };
        let ts = state.timestamp.unwrap_or(arrival.received_ms);
        let sent = host_sent(arrival.broker, Some(arrival.topic), arrival.received_ms, arrival.retain);
        self.outlet.lifecycle(host, &sent, &Happening { event, ts, reason: None, host_id: Some(host_id) });
        Ok(Verdict::Handled)
    }

    pub fn host_connected(&mut self, host: &mut dyn Host, broker: &str, now_ms: u64) {
        if !self.is_primary() {
            return;
        }
        if self.host_state(broker).is_none() {
            self.hosts.push(HostState { broker: broker.into(), timestamp_ms: now_ms, connected: false });
        }
        let Some(state) = self.host_state(broker) else { return };
        state.connected = true;
        let timestamp_ms = state.timestamp_ms;
        self.publish_state(host, broker, true, timestamp_ms);
    }

    pub fn host_lost(&mut self, host: &mut dyn Host, broker: &str, now_ms: u64) {
        if let Some(state) = self.host_state(broker) {
            state.connected = false;
        }
        let sent = host_sent(broker, None, now_ms, false);
        let happening = Happening { event: Event::HostDisconnected, ts: now_ms, reason: None, host_id: None };
        self.outlet.lifecycle(host, &sent, &happening);
    }
}

fn host_sent<'a>(broker: &'a str, topic: Option<&'a str>, received_ms: u64, retain: bool) -> Sent<'a> {
    Sent {
        kind: None,
        address: None,
        broker,
        topic,
        received_ms,
        retain,
        seq: None,
        timestamp: None,
        count: 0,
        session: None,
        bdseq: None,
        out_of_order: false,
    }
}

impl Engine {
    /// The will for the next connection to this broker (`tck-id-host-topic-phid-death-required`); `None` unless the role
    /// is `primary`. Ask right before CONNECT: its timestamp is `now_ms`.
    pub fn will(&mut self, broker: &str, now_ms: u64) -> Option<Will> {
        if !self.core.is_primary() {
            return None;
        }
        match self.core.host_state(broker) {
            Some(state) => state.timestamp_ms = now_ms,
            None => {
                let state = HostState { broker: broker.into(), timestamp_ms: now_ms, connected: false };
                self.core.hosts.push(state);
            }
        }
        Some(self.core.state(false, now_ms))
    }

    /// A clean stop: tells every broker that this host goes, before DISCONNECT.
    pub fn stopping(&mut self, now_ms: u64, host: &mut dyn Host) {
        self.core.stopping = true;
        let brokers: Vec<_> =
            self.core.hosts.iter().filter(|state| state.connected).map(|state| state.broker.clone()).collect();
        for broker in brokers {
            self.core.publish_state(host, &broker, false, now_ms);
        }
    }

    /// Tells nodes with this host as primary to store what they have, or, with `online`, to go on: for outages behind us.
    pub fn announce(&mut self, broker: &str, online: bool, now_ms: u64, host: &mut dyn Host) {
        if let Some(state) = self.core.host_state(broker).filter(|state| state.connected) {
            let timestamp_ms = if online { state.timestamp_ms } else { now_ms };
            self.core.publish_state(host, broker, online, timestamp_ms);
        }
    }
}
