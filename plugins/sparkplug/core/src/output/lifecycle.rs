//! The envelope `lifecycle`: what happened to nodes, devices and hosts.

use super::{Maker, Sent, Stream};
use crate::host::Host;
use crate::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    NodeOnline,
    NodeOffline,
    DeviceOnline,
    DeviceOffline,
    DeviceStale,
    RebirthRequested,
    RebirthReceived,
    Gap,
    Duplicate,
    Unresolved,
    HostDisconnected,
    HostOnline,
    HostOffline,
}

impl Event {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NodeOnline => "node_online",
            Self::NodeOffline => "node_offline",
            Self::DeviceOnline => "device_online",
            Self::DeviceOffline => "device_offline",
            Self::DeviceStale => "device_stale",
            Self::RebirthRequested => "rebirth_requested",
            Self::RebirthReceived => "rebirth_received",
            Self::Gap => "gap",
            Self::Duplicate => "duplicate",
            Self::Unresolved => "unresolved",
            Self::HostDisconnected => "host_disconnected",
            Self::HostOnline => "host_online",
            Self::HostOffline => "host_offline",
        }
    }
}

/// An event with its time, by the clock that the specification names for it.
#[derive(Clone, Copy, Debug)]
pub struct Happening<'a> {
    pub event: Event,
    pub ts: u64,
    pub reason: Option<&'a str>,
    pub host_id: Option<&'a str>,
}

pub(super) fn emit(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    happening: &Happening<'_>,
) {
    maker.open();
    let buf = &mut *maker.body;
    json::raw(buf, ",\"event\":");
    json::text(buf, happening.event.name());
    json::raw(buf, ",\"ts\":");
    json::unsigned(buf, happening.ts);
    json::raw(buf, ",\"reason\":");
    json::optional_text(buf, happening.reason);
    if let Some(host_id) = happening.host_id {
        json::raw(buf, ",\"host_id\":");
        json::text(buf, host_id);
    }
    buf.push(b'}');
    maker.record(host, stream, sent, None, happening.ts, false);
}
