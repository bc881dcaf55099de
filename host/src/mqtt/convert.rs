//! Packets of the broker, of both protocol versions, as this module's own values.
//!
//! Invariant: the codec sees one whole frame, cut by `frame`, of a kind that a broker may send us; and nothing behind
//! this file knows the codec's packet types of what came in.

use bytes::{BufMut, Bytes, BytesMut};
use rumqttc::mqttbytes::{self, v4};
use rumqttc::v5::mqttbytes::v5;

use super::frame::{Frame, Frames, Header};
use super::publish::{self, Aliases, Publish};
use super::reason::{ReasonCode, Violation};
use crate::config::Protocol;
use crate::message::Qos;

/// A packet that a broker may send to a client that only subscribes.
#[derive(Debug)]
pub enum Incoming {
    Publish(Publish),
    /// QoS 2: the broker has seen our PUBREC.
    Pubrel {
        packet_id: u16,
    },
    /// The broker has a message of ours.
    Puback {
        packet_id: u16,
    },
    Pingresp,
    Connack(Box<Connack>),
    Suback {
        packet_id: u16,
        codes: Vec<ReasonCode>,
    },
    Unsuback {
        packet_id: u16,
    },
    Disconnect {
        code: ReasonCode,
        /// The broker's own words.
        reason: Option<String>,
    },
}

/// The broker's answer to our CONNECT. What it leaves out has the value that MQTT 5 gives it then (section 3.2.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connack {
    pub code: ReasonCode,
    pub session_present: bool,
    pub session_expiry_s: Option<u32>,
    pub qos_max: Qos,
    pub packet_bytes_max: Option<u32>,
    pub assigned_client_id: Option<String>,
    pub keep_alive_s: Option<u16>,
    pub wildcards: bool,
    pub subscription_ids: bool,
    pub shared: bool,
    pub reason: Option<String>,
    /// Told to people, never followed: credentials go only where the configuration says.
    pub server_reference: Option<String>,
}

impl Connack {
    fn bare(code: ReasonCode, session_present: bool, protocol: Protocol) -> Self {
        Self {
            code,
            session_present,
            session_expiry_s: None,
            qos_max: Qos::ExactlyOnce,
            packet_bytes_max: None,
            assigned_client_id: None,
            keep_alive_s: None,
            wildcards: true,
            subscription_ids: protocol == Protocol::V5,
            shared: true,
            reason: None,
            server_reference: None,
        }
    }
}

/// Everything that the broker sends on one connection, from bytes to values.
pub struct Decoder {
    protocol: Protocol,
    frames: Frames,
    aliases: Aliases,
}

impl Decoder {
    #[must_use]
    pub fn new(protocol: Protocol, packet_bytes_max: usize) -> Self {
        let aliases_max = match protocol {
            Protocol::V311 => 0,
            Protocol::V5 => Aliases::COUNT_MAX,
        };
        Self { protocol, frames: Frames::new(packet_bytes_max), aliases: Aliases::new(aliases_max) }
    }

    /// Where to append what the socket gives.
    pub fn room(&mut self) -> &mut BytesMut {
        self.frames.room()
    }

    /// The next packet; `None` until more bytes are here.
    ///
    /// # Errors
    /// What breaks MQTT. There is no way to go on after it.
    #[inline]
    pub fn take_next(&mut self) -> Result<Option<Incoming>, Violation> {
        let Some(frame) = self.frames.take_next()? else { return Ok(None) };
        match frame.header.kind() {
            3 => publish::read(frame, self.protocol, &mut self.aliases).map(|publish| Some(Incoming::Publish(publish))),
            _ => read_control(frame, self.protocol).map(Some),
        }
    }
}

/// Reads any packet but a PUBLISH.
fn read_control(frame: Frame, protocol: Protocol) -> Result<Incoming, Violation> {
    let Frame { header, bytes } = frame;
    let expected_flags = if header.kind() == 6 { 0b0010 } else { 0 };
    if header.flags() != expected_flags {
        return Err(Violation::malformed("a packet with flags that its type does not have"));
    }
    match (header.kind(), protocol) {
        (2, _) => read_connack(header, bytes, protocol).map(|connack| Incoming::Connack(Box::new(connack))),
        (4, _) => read_puback(header, &bytes),
        (6, Protocol::V311) => v4::PubRel::read(v4_header(header), bytes)
            .map(|pubrel| Incoming::Pubrel { packet_id: pubrel.pkid })
            .map_err(|_| Violation::malformed("a PUBREL that cannot be read")),
        (6, Protocol::V5) => read_v5_pubrel(header, bytes),
        (9, _) => read_suback(header, bytes, protocol),
        (11, Protocol::V311) => v4::UnsubAck::read(v4_header(header), bytes)
            .map(|unsuback| Incoming::Unsuback { packet_id: unsuback.pkid })
            .map_err(|_| Violation::malformed("an UNSUBACK that cannot be read")),
        (11, Protocol::V5) => v5::UnsubAck::read(v5_header(header), bytes)
            .map(|unsuback| Incoming::Unsuback { packet_id: unsuback.pkid })
            .map_err(|_| Violation::malformed("an UNSUBACK that cannot be read")),
        (13, _) if header.remaining == 0 => Ok(Incoming::Pingresp),
        (13, _) => Err(Violation::malformed("a PINGRESP with a body")),
        (14, Protocol::V5) => read_disconnect(header, bytes),
        _ => Err(Violation::protocol("a packet that a broker may not send us")),
    }
}

/// Its reason does not matter: a message that the broker refuses is not wanted by it the next time either.
fn read_puback(header: Header, bytes: &Bytes) -> Result<Incoming, Violation> {
    match bytes.get(header.header_bytes..) {
        Some([high, low, ..]) => Ok(Incoming::Puback { packet_id: u16::from_be_bytes([*high, *low]) }),
        Some(_) | None => Err(Violation::malformed("a PUBACK that ends too early")),
    }
}

fn v4_header(header: Header) -> mqttbytes::FixedHeader {
    mqttbytes::FixedHeader::new(header.first, header.header_bytes - 1, header.remaining)
}

fn v5_header(header: Header) -> v5::FixedHeader {
    v5::FixedHeader::new(header.first, header.header_bytes - 1, header.remaining)
}

fn read_v5_pubrel(header: Header, bytes: Bytes) -> Result<Incoming, Violation> {
    v5::PubRel::read(v5_header(header), bytes)
        .map(|pubrel| Incoming::Pubrel { packet_id: pubrel.pkid })
        .map_err(|_| Violation::malformed("a PUBREL that cannot be read"))
}

fn read_connack(header: Header, bytes: Bytes, protocol: Protocol) -> Result<Connack, Violation> {
    let body = &bytes[header.header_bytes..];
    let &[flags, code, ..] = body else { return Err(Violation::malformed("a CONNACK that ends too early")) };
    let session_present = flags & 1 == 1;
    match protocol {
        Protocol::V311 => Ok(Connack::bare(ReasonCode::from_v311(code), session_present, protocol)),
        // A broker that knows only 3.1.1 refuses MQTT 5 in its own language (MQTT 5, section 3.1.2.2).
        Protocol::V5 if body.len() == 2 => Ok(Connack::bare(ReasonCode::from_v311(code), session_present, protocol)),
        Protocol::V5 => read_v5_connack(header, bytes, ReasonCode(code)),
    }
}

fn read_v5_connack(header: Header, bytes: Bytes, code: ReasonCode) -> Result<Connack, Violation> {
    let theirs = v5::ConnAck::read(v5_header(header), bytes)
        .map_err(|_| Violation::malformed("a CONNACK that cannot be read"))?;
    let bare = Connack::bare(code, theirs.session_present, Protocol::V5);
    let Some(properties) = theirs.properties else { return Ok(bare) };
    Ok(Connack {
        session_expiry_s: properties.session_expiry_interval,
        qos_max: properties.max_qos.and_then(Qos::from_level).unwrap_or(Qos::ExactlyOnce),
        packet_bytes_max: properties.max_packet_size,
        assigned_client_id: properties.assigned_client_identifier,
        keep_alive_s: properties.server_keep_alive,
        wildcards: properties.wildcard_subscription_available != Some(0),
        subscription_ids: properties.subscription_identifiers_available != Some(0),
        shared: properties.shared_subscription_available != Some(0),
        reason: properties.reason_string,
        server_reference: properties.server_reference,
        ..bare
    })
}

fn read_suback(header: Header, bytes: Bytes, protocol: Protocol) -> Result<Incoming, Violation> {
    let unreadable = Violation::malformed("a SUBACK that cannot be read");
    match protocol {
        Protocol::V311 => {
            let suback = v4::SubAck::read(v4_header(header), bytes).map_err(|_| unreadable)?;
            let codes = suback.return_codes.into_iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => ReasonCode(qos as u8),
                v4::SubscribeReasonCode::Failure => ReasonCode(0x80),
            });
            Ok(Incoming::Suback { packet_id: suback.pkid, codes: codes.collect() })
        }
        Protocol::V5 => {
            let suback = v5::SubAck::read(v5_header(header), bytes).map_err(|_| unreadable)?;
            let codes = suback.return_codes.into_iter().map(v5_subscribe_code).collect();
            Ok(Incoming::Suback { packet_id: suback.pkid, codes })
        }
    }
}

fn v5_subscribe_code(code: v5::SubscribeReasonCode) -> ReasonCode {
    ReasonCode(match code {
        v5::SubscribeReasonCode::Success(qos) => qos as u8,
        v5::SubscribeReasonCode::Failure | v5::SubscribeReasonCode::Unspecified => 0x80,
        v5::SubscribeReasonCode::ImplementationSpecific => 0x83,
        v5::SubscribeReasonCode::NotAuthorized => 0x87,
        v5::SubscribeReasonCode::TopicFilterInvalid => 0x8F,
        v5::SubscribeReasonCode::PkidInUse => 0x91,
        v5::SubscribeReasonCode::QuotaExceeded => 0x97,
        v5::SubscribeReasonCode::SharedSubscriptionsNotSupported => 0x9E,
        v5::SubscribeReasonCode::SubscriptionIdNotSupported => 0xA1,
        v5::SubscribeReasonCode::WildcardSubscriptionsNotSupported => 0xA2,
    })
}

fn read_disconnect(header: Header, bytes: Bytes) -> Result<Incoming, Violation> {
    let code = ReasonCode(bytes.get(header.header_bytes).copied().unwrap_or(0));
    // The codec wants a property length where MQTT 5 lets it be left out (section 3.14.2.2.1).
    if header.remaining < 2 {
        return Ok(Incoming::Disconnect { code, reason: None });
    }
    let theirs = v5::Disconnect::read(v5_header(header), bytes)
        .map_err(|_| Violation::malformed("a DISCONNECT that cannot be read"))?;
    Ok(Incoming::Disconnect { code, reason: theirs.properties.and_then(|properties| properties.reason_string) })
}

/// A DISCONNECT of MQTT 5. Written by hand since the codec sets a wrong length where there are no properties.
pub fn write_v5_disconnect(into: &mut BytesMut, code: ReasonCode) {
    match code {
        ReasonCode::NORMAL => into.put_slice(&[0xE0, 0]),
        ReasonCode(code) => into.put_slice(&[0xE0, 1, code]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], protocol: Protocol) -> Result<Option<Incoming>, Violation> {
        let mut decoder = Decoder::new(protocol, 100_000);
        decoder.room().extend_from_slice(bytes);
        decoder.take_next()
    }

    fn check_refused(bytes: &[u8], protocol: Protocol, expected: ReasonCode) {
        assert_eq!(decode(bytes, protocol).unwrap_err().code, expected, "{bytes:02X?}");
    }

    fn disconnect_code(bytes: &[u8]) -> ReasonCode {
        match decode(bytes, Protocol::V5).unwrap() {
            Some(Incoming::Disconnect { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_disconnect_may_leave_out_its_properties_and_its_reason() {
        assert_eq!(disconnect_code(&[0xE0, 0]), ReasonCode::NORMAL);
        assert_eq!(disconnect_code(&[0xE0, 1, 0x8E]), ReasonCode(0x8E));
        assert_eq!(disconnect_code(&[0xE0, 2, 0x8E, 0]), ReasonCode(0x8E));
    }

    #[test]
    fn our_disconnect_reads_as_written() {
        for code in [ReasonCode::NORMAL, ReasonCode::PROTOCOL_ERROR] {
            let mut bytes = BytesMut::new();
            write_v5_disconnect(&mut bytes, code);
            assert_eq!(disconnect_code(&bytes), code);
        }
    }

    #[test]
    fn a_broker_of_3_1_1_refuses_mqtt_5_in_its_own_language() {
        let Ok(Some(Incoming::Connack(connack))) = decode(&[0x20, 2, 0, 1], Protocol::V5) else { panic!() };
        assert_eq!(connack.code, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
    }

    #[test]
    fn a_connack_without_properties_promises_what_mqtt_5_says() {
        let Ok(Some(Incoming::Connack(connack))) = decode(&[0x20, 3, 1, 0, 0], Protocol::V5) else { panic!() };
        assert!(connack.session_present && connack.subscription_ids && connack.wildcards && connack.shared);
        assert_eq!(connack.qos_max, Qos::ExactlyOnce);
    }

    #[test]
    fn packets_that_only_clients_send_are_protocol_errors() {
        for first in [0x10, 0x50, 0x70, 0x80, 0xA0, 0xC0, 0xF0, 0x00] {
            check_refused(&[first, 2, 0, 1], Protocol::V5, ReasonCode::PROTOCOL_ERROR);
            check_refused(&[first, 2, 0, 1], Protocol::V311, ReasonCode::PROTOCOL_ERROR);
        }
        check_refused(&[0xE0, 0], Protocol::V311, ReasonCode::PROTOCOL_ERROR);
    }

    #[test]
    fn wrong_flags_and_cut_off_bodies_are_malformed() {
        check_refused(&[0x60, 2, 0, 1], Protocol::V5, ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x40, 1, 0], Protocol::V5, ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x62, 1, 0], Protocol::V5, ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x62, 0], Protocol::V311, ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x90, 2, 0, 1], Protocol::V311, ReasonCode::MALFORMED_PACKET);
        check_refused(&[0xD0, 1, 0], Protocol::V5, ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x20, 1, 0], Protocol::V5, ReasonCode::MALFORMED_PACKET);
        check_refused(&[0xB0, 0], Protocol::V5, ReasonCode::MALFORMED_PACKET);
    }
}
