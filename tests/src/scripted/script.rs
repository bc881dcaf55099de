//! What the broker answers by itself. Pure: packet in, packets out.

use std::collections::BTreeMap;

use crate::wire::{Connack, Connect, Packet, Subscribe, Version};

/// What CONNACK says about the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAnswer {
    /// As an honest broker: present from the second connection on, where the client wants to keep it.
    Honest,
    /// This, whatever is true.
    Always(bool),
}

/// How the broker behaves.
#[derive(Clone, Debug)]
pub struct Script {
    pub session: SessionAnswer,
    pub connack_code: u8,
    /// Whether CONNECT gets an answer at all.
    pub answers_connect: bool,
    pub answers_pings: bool,
    /// Codes for single filters; all others get the QoS they ask for.
    pub suback: BTreeMap<String, u8>,
    pub answers_subscribe: bool,
    /// Whether PUBREC gets its PUBREL.
    pub releases: bool,
    /// What CONNACK says about subscription identifiers (MQTT 5).
    pub subscription_ids_available: Option<bool>,
    /// Whether a session is kept; the broker sets it itself.
    pub has_session: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            session: SessionAnswer::Honest,
            connack_code: 0,
            answers_connect: true,
            answers_pings: true,
            suback: BTreeMap::new(),
            answers_subscribe: true,
            releases: true,
            subscription_ids_available: None,
            has_session: false,
        }
    }
}

impl Script {
    /// The answers to `packet`.
    pub(super) fn answer(&mut self, packet: &Packet) -> Vec<Packet> {
        match packet {
            Packet::Connect(version, connect) => self.connack(*version, connect).into_iter().collect(),
            Packet::Subscribe(subscribe) if self.answers_subscribe => vec![self.suback(subscribe)],
            Packet::Unsubscribe { packet_id, filters } => {
                vec![Packet::Unsuback { packet_id: *packet_id, codes: vec![0; filters.len()] }]
            }
            Packet::Pubrec { packet_id, code } if self.releases && *code < 0x80 => {
                vec![Packet::Pubrel { packet_id: *packet_id, code: 0 }]
            }
            Packet::Pingreq if self.answers_pings => vec![Packet::Pingresp],
            _ => Vec::new(),
        }
    }

    fn connack(&mut self, version: Version, connect: &Connect) -> Option<Packet> {
        let session_present = match self.session {
            SessionAnswer::Honest => self.has_session && !connect.clean && self.connack_code == 0,
            SessionAnswer::Always(present) => present,
        };
        self.has_session = match version {
            Version::V311 => !connect.clean,
            Version::V5 => connect.session_expiry_s.unwrap_or(0) > 0 || !connect.clean,
        };
        let subscription_ids_available = self.subscription_ids_available;
        let connack =
            Connack { session_present, code: self.connack_code, receive_maximum: None, subscription_ids_available };
        self.answers_connect.then_some(Packet::Connack(connack))
    }

    fn suback(&self, subscribe: &Subscribe) -> Packet {
        let code = |(filter, qos): &(String, u8)| self.suback.get(filter).copied().unwrap_or(*qos);
        Packet::Suback { packet_id: subscribe.packet_id, codes: subscribe.filters.iter().map(code).collect() }
    }
}
