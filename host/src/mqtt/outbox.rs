//! What is to leave on one connection. Everything of one wake-up goes out in one write.

use bytes::{BufMut, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::{self as v5_types, v5};

use super::convert::write_v5_disconnect;
use super::reason::ReasonCode;
use super::subscribe::Request;
use crate::ack::{Ack, PacketId};
use crate::config::Protocol;
use crate::message::{Qos, SubscriptionId};
use crate::topic::TopicFilter;

/// With this much waiting, a connection stops reading until the broker has taken some.
const FULL_BYTES: usize = 512 * 1024;

/// Encoded packets in the order in which they leave.
pub(super) struct Outbox {
    protocol: Protocol,
    /// The socket takes from the front.
    pub bytes: BytesMut,
    /// The socket took bytes that it has not sent on yet.
    pub unflushed: bool,
}

impl Outbox {
    #[must_use]
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, bytes: BytesMut::new(), unflushed: false }
    }

    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    #[must_use]
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES
    }

    /// PUBACK or PUBREC, successful (MQTT 5, sections 3.4 and 3.5: four bytes, as in 3.1.1).
    #[inline]
    pub(super) fn ack(&mut self, ack: Ack) {
        match ack {
            Ack::Puback(id) => self.short(0x40, id),
            Ack::Pubrec(id) => self.short(0x50, id),
        }
    }

    /// PUBCOMP. An id that we do not know is answered too, or the broker would ask for ever.
    pub(super) fn pubcomp(&mut self, id: PacketId, known: bool) {
        match self.protocol {
            Protocol::V5 if !known => {
                self.bytes.put_slice(&[0x70, 3]);
                self.bytes.put_u16(id.0);
                self.bytes.put_u8(ReasonCode::PACKET_ID_NOT_FOUND.0);
            }
            Protocol::V5 | Protocol::V311 => self.short(0x70, id),
        }
    }

    pub(super) fn ping(&mut self) {
        self.bytes.put_slice(&[0xC0, 0]);
    }

    /// DISCONNECT. MQTT 3.1.1 knows only the normal one; others just close.
    pub(super) fn disconnect(&mut self, code: ReasonCode) {
        match self.protocol {
            Protocol::V5 => write_v5_disconnect(&mut self.bytes, code),
            Protocol::V311 if code == ReasonCode::NORMAL => self.bytes.put_slice(&[0xE0, 0]),
            Protocol::V311 => {}
        }
    }

    pub(super) fn request(&mut self, request: Request) {
        match (request, self.protocol) {
            (Request::Subscribe { packet_id, filters, .. }, Protocol::V311) => self.v4_subscribe(packet_id, filters),
            (Request::Subscribe { packet_id, id, filters }, Protocol::V5) => self.v5_subscribe(packet_id, id, filters),
            (Request::Unsubscribe { packet_id, filters }, protocol) => self.unsubscribe(packet_id, &filters, protocol),
        }
    }

    fn short(&mut self, first: u8, id: PacketId) {
        let [high, low] = id.0.to_be_bytes();
        self.bytes.put_slice(&[first, 2, high, low]);
    }

    fn v4_subscribe(&mut self, pkid: u16, filters: Vec<(TopicFilter, Qos)>) {
        let one = |(filter, qos): (TopicFilter, Qos)| v4::SubscribeFilter::new(filter.to_string(), v4_qos(qos));
        let subscribe = v4::Subscribe { pkid, filters: filters.into_iter().map(one).collect() };
        subscribe.write(&mut self.bytes).expect(FITS);
    }

    fn v5_subscribe(&mut self, pkid: u16, id: Option<SubscriptionId>, filters: Vec<(TopicFilter, Qos)>) {
        let one = |(filter, qos): (TopicFilter, Qos)| v5::Filter {
            path: filter.to_string(),
            qos: v5_qos(qos),
            nolocal: false,
            preserve_retain: true,
            retain_forward_rule: v5::RetainForwardRule::OnNewSubscribe,
        };
        let properties = id.map(|id| v5::SubscribeProperties { id: Some(id.0 as usize), user_properties: Vec::new() });
        let subscribe = v5::Subscribe { pkid, filters: filters.into_iter().map(one).collect(), properties };
        subscribe.write(&mut self.bytes).expect(FITS);
    }

    fn unsubscribe(&mut self, pkid: u16, filters: &[TopicFilter], protocol: Protocol) {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        match protocol {
            Protocol::V311 => v4::Unsubscribe { pkid, topics: filters }.write(&mut self.bytes).expect(FITS),
            Protocol::V5 => v5::Unsubscribe { pkid, filters, properties: None }.write(&mut self.bytes).expect(FITS),
        };
    }
}

/// Why encoding a request cannot fail: `subscribe` puts few filters into one, each of at most 64 KiB.
const FITS: &str = "a request is far smaller than the largest MQTT packet";

fn v4_qos(qos: Qos) -> rumqttc::mqttbytes::QoS {
    match qos {
        Qos::AtMostOnce => rumqttc::mqttbytes::QoS::AtMostOnce,
        Qos::AtLeastOnce => rumqttc::mqttbytes::QoS::AtLeastOnce,
        Qos::ExactlyOnce => rumqttc::mqttbytes::QoS::ExactlyOnce,
    }
}

fn v5_qos(qos: Qos) -> v5_types::QoS {
    match qos {
        Qos::AtMostOnce => v5_types::QoS::AtMostOnce,
        Qos::AtLeastOnce => v5_types::QoS::AtLeastOnce,
        Qos::ExactlyOnce => v5_types::QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: Protocol, put: impl FnOnce(&mut Outbox), expected: &[u8]) {
        let mut outbox = Outbox::new(protocol);
        put(&mut outbox);
        assert_eq!(outbox.bytes, expected);
    }

    #[test]
    fn acknowledgements_are_four_bytes_in_the_order_given() {
        let put = |outbox: &mut Outbox| {
            outbox.ack(Ack::Puback(PacketId(0x0102)));
            outbox.ack(Ack::Pubrec(PacketId(3)));
        };
        check(Protocol::V5, put, &[0x40, 2, 1, 2, 0x50, 2, 0, 3]);
    }

    #[test]
    fn an_unknown_pubrel_is_answered_with_its_reason_where_there_are_reasons() {
        check(Protocol::V5, |outbox| outbox.pubcomp(PacketId(3), false), &[0x70, 3, 0, 3, 0x92]);
        check(Protocol::V5, |outbox| outbox.pubcomp(PacketId(3), true), &[0x70, 2, 0, 3]);
        check(Protocol::V311, |outbox| outbox.pubcomp(PacketId(3), false), &[0x70, 2, 0, 3]);
    }

    #[test]
    fn a_v5_subscribe_carries_identifier_and_retain_options() {
        let filters = vec![(TopicFilter::parse("a").unwrap(), Qos::AtLeastOnce)];
        let request = Request::Subscribe { packet_id: 1, id: Some(SubscriptionId(5)), filters };
        check(Protocol::V5, |outbox| outbox.request(request), &[0x82, 9, 0, 1, 2, 11, 5, 0, 1, b'a', 0b01_1001]);
    }

    #[test]
    fn v311_knows_only_the_normal_disconnect() {
        check(Protocol::V311, |outbox| outbox.disconnect(ReasonCode::PROTOCOL_ERROR), &[]);
        check(Protocol::V311, |outbox| outbox.disconnect(ReasonCode::NORMAL), &[0xE0, 0]);
        check(Protocol::V5, |outbox| outbox.disconnect(ReasonCode::PROTOCOL_ERROR), &[0xE0, 1, 0x82]);
    }
}
