//! The PUBLISH as it stands on the wire (MQTT 5, section 3.3; MQTT 3.1.1, section 3.3): the one packet that comes by the
//! million, hence read here without a copy. Topic and payload are slices of the read buffer.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::frame::{Frame, variable_integer};
use super::reason::{ReasonCode, Violation};
use crate::ack::PacketId;
use crate::config::Protocol;
use crate::message::{Properties, Qos, SubscriptionId, SubscriptionIds};
use crate::topic::{TopicError, TopicName};

/// A PUBLISH of the broker, its topic resolved.
#[derive(Debug)]
pub struct Publish {
    pub topic: TopicName,
    pub payload: Bytes,
    pub qos: Qos,
    /// `None` on QoS 0.
    pub packet_id: Option<PacketId>,
    pub dup: bool,
    pub retain: bool,
    pub properties: Option<Arc<Properties>>,
    pub subscriptions: SubscriptionIds,
}

/// The topic aliases of one connection, set by the broker (MQTT 5, section 3.3.2.3.4).
pub struct Aliases {
    /// By alias, from 1.
    topics: Vec<Option<TopicName>>,
}

impl Aliases {
    /// Most aliases that we let a broker use: the Topic Alias Maximum of our CONNECT.
    pub const COUNT_MAX: u16 = 64;

    #[must_use]
    pub fn new(count_max: u16) -> Self {
        Self { topics: vec![None; usize::from(count_max)] }
    }

    /// The topic of a PUBLISH that says `topic` and `alias`.
    #[inline]
    fn resolve(&mut self, topic: Bytes, alias: Option<u16>) -> Result<TopicName, Violation> {
        let Some(alias) = alias else { return parse_topic(topic) };
        let place = usize::from(alias).checked_sub(1).and_then(|place| self.topics.get_mut(place));
        let Some(known) = place else {
            return Err(Violation::topic_alias("a topic alias of 0 or above the maximum that we announced"));
        };
        if !topic.is_empty() {
            // An own copy, so that an alias does not keep a whole read buffer alive.
            *known = Some(parse_topic(Bytes::copy_from_slice(&topic))?);
        }
        known.clone().ok_or(Violation::topic_alias("a topic alias that it never gave a topic"))
    }
}

/// Reads the PUBLISH in `frame`.
///
/// # Errors
/// Names what MQTT forbids in it.
#[inline]
pub fn read(frame: Frame, protocol: Protocol, aliases: &mut Aliases) -> Result<Publish, Violation> {
    let flags = frame.header.flags();
    let qos = Qos::from_level((flags >> 1) & 0b11).ok_or(Violation::malformed("a PUBLISH of QoS 3"))?;
    let mut rest = frame.bytes;
    rest.advance(frame.header.header_bytes);
    let topic = take_binary(&mut rest)?;
    let packet_id = match qos {
        Qos::AtMostOnce => None,
        Qos::AtLeastOnce | Qos::ExactlyOnce => Some(take_packet_id(&mut rest)?),
    };
    let extras = match protocol {
        Protocol::V311 => Extras::default(),
        Protocol::V5 => take_extras(&mut rest)?,
    };
    Ok(Publish {
        topic: aliases.resolve(topic, extras.alias)?,
        payload: rest,
        qos,
        packet_id,
        dup: flags & 0b1000 != 0,
        retain: flags & 1 != 0,
        properties: extras.properties.map(Arc::new),
        subscriptions: extras.subscriptions,
    })
}

/// What the properties of a PUBLISH hold.
#[derive(Default)]
struct Extras {
    alias: Option<u16>,
    properties: Option<Properties>,
    subscriptions: SubscriptionIds,
}

#[inline]
fn take_extras(rest: &mut Bytes) -> Result<Extras, Violation> {
    let length = take_variable_integer(rest)?;
    if length == 0 {
        return Ok(Extras::default());
    }
    if length > rest.len() {
        return Err(Violation::malformed("properties longer than their PUBLISH"));
    }
    let mut unread = rest.split_to(length);
    let mut extras = Extras::default();
    let mut seen = 0u64;
    while unread.has_remaining() {
        let property = unread.get_u8();
        let may_repeat = matches!(property, USER_PROPERTY | SUBSCRIPTION_IDENTIFIER);
        let bit = 1u64.checked_shl(u32::from(property)).unwrap_or(0);
        if seen & bit != 0 && !may_repeat {
            return Err(Violation::protocol("a PUBLISH with one property twice"));
        }
        seen |= bit;
        take_property(property, &mut unread, &mut extras)?;
    }
    Ok(extras)
}

const PAYLOAD_FORMAT_INDICATOR: u8 = 1;
const MESSAGE_EXPIRY_INTERVAL: u8 = 2;
const CONTENT_TYPE: u8 = 3;
const RESPONSE_TOPIC: u8 = 8;
const CORRELATION_DATA: u8 = 9;
const SUBSCRIPTION_IDENTIFIER: u8 = 11;
const TOPIC_ALIAS: u8 = 35;
const USER_PROPERTY: u8 = 38;

fn take_property(property: u8, unread: &mut Bytes, extras: &mut Extras) -> Result<(), Violation> {
    match property {
        TOPIC_ALIAS => extras.alias = Some(take_u16(unread)?),
        SUBSCRIPTION_IDENTIFIER => add_subscription(&mut extras.subscriptions, take_variable_integer(unread)?)?,
        PAYLOAD_FORMAT_INDICATOR => kept(extras).payload_is_utf8 = take_flag(unread)?,
        MESSAGE_EXPIRY_INTERVAL => kept(extras).message_expiry_s = Some(take_u32(unread)?),
        CONTENT_TYPE => kept(extras).content_type = Some(take_text(unread)?),
        RESPONSE_TOPIC => kept(extras).response_topic = Some(take_text(unread)?),
        CORRELATION_DATA => {
            let data = take_binary(unread)?;
            kept(extras).correlation_data = Some(data);
        }
        USER_PROPERTY => {
            let pair = (take_text(unread)?, take_text(unread)?);
            kept(extras).user.push(pair);
        }
        _ => return Err(Violation::malformed("a PUBLISH with a property that does not belong there")),
    }
    Ok(())
}

fn kept(extras: &mut Extras) -> &mut Properties {
    extras.properties.get_or_insert_default()
}

fn add_subscription(ids: &mut SubscriptionIds, id: usize) -> Result<(), Violation> {
    let id = u32::try_from(id).ok().filter(|id| *id > 0).map(SubscriptionId);
    let Some(id) = id else { return Err(Violation::protocol("subscription identifier 0")) };
    *ids = match std::mem::take(ids) {
        SubscriptionIds::None => SubscriptionIds::One(id),
        more => SubscriptionIds::Many(more.as_slice().iter().copied().chain([id]).collect()),
    };
    Ok(())
}

#[inline]
fn parse_topic(topic: Bytes) -> Result<TopicName, Violation> {
    TopicName::parse(topic).map_err(|error| match error {
        TopicError::Empty => Violation::protocol("a PUBLISH without a topic"),
        TopicError::NotUtf8 => Violation::malformed("a topic that is not UTF-8"),
        TopicError::Nul => Violation::malformed("a topic with the character U+0000"),
        TopicError::WildcardInName => {
            Violation { code: ReasonCode::TOPIC_NAME_INVALID, what: "a topic with a wildcard" }
        }
        TopicError::TooLong
        | TopicError::HashNotLast
        | TopicError::HashNotAlone
        | TopicError::PlusNotAlone
        | TopicError::BadShare => Violation::malformed("a topic that MQTT forbids"),
    })
}

const CUT_OFF: Violation = Violation { code: ReasonCode::MALFORMED_PACKET, what: "a PUBLISH that ends too early" };

#[inline]
fn take_packet_id(rest: &mut Bytes) -> Result<PacketId, Violation> {
    match take_u16(rest)? {
        0 => Err(Violation::protocol("packet identifier 0")),
        id => Ok(PacketId(id)),
    }
}

#[inline]
fn take_u16(rest: &mut Bytes) -> Result<u16, Violation> {
    rest.try_get_u16().map_err(|_| CUT_OFF)
}

fn take_u32(rest: &mut Bytes) -> Result<u32, Violation> {
    rest.try_get_u32().map_err(|_| CUT_OFF)
}

fn take_flag(rest: &mut Bytes) -> Result<bool, Violation> {
    match rest.try_get_u8() {
        Ok(0) => Ok(false),
        Ok(1) => Ok(true),
        Ok(_) => Err(Violation::protocol("a payload format indicator above 1")),
        Err(_) => Err(CUT_OFF),
    }
}

#[inline]
fn take_variable_integer(rest: &mut Bytes) -> Result<usize, Violation> {
    let (value, length) = variable_integer(rest)?.ok_or(CUT_OFF)?;
    rest.advance(length);
    Ok(value)
}

#[inline]
fn take_binary(rest: &mut Bytes) -> Result<Bytes, Violation> {
    let length = usize::from(take_u16(rest)?);
    match length <= rest.len() {
        true => Ok(rest.split_to(length)),
        false => Err(CUT_OFF),
    }
}

fn take_text(rest: &mut Bytes) -> Result<String, Violation> {
    let bytes = take_binary(rest)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Violation::malformed("a property that is not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use rumqttc::mqttbytes::v4;
    use rumqttc::v5::mqttbytes::v5;

    use super::*;
    use crate::mqtt::frame::{Frames, PROTOCOL_BYTES_MAX};

    fn read_bytes(bytes: &[u8], protocol: Protocol, aliases: &mut Aliases) -> Result<Publish, Violation> {
        let mut frames = Frames::new(PROTOCOL_BYTES_MAX);
        frames.room().extend_from_slice(bytes);
        let frame = frames.take_next()?.expect("the test gives whole frames");
        assert!(frames.take_next()?.is_none());
        read(frame, protocol, aliases)
    }

    /// A PUBLISH of QoS 0 on topic `t` (or none) with these properties and payload `p`.
    fn with_properties(topic: &[u8], properties: &[u8]) -> Vec<u8> {
        let topic_bytes = u8::try_from(topic.len()).unwrap();
        let property_bytes = u8::try_from(properties.len()).unwrap();
        let mut packet = vec![0x30, 4 + topic_bytes + property_bytes, 0, topic_bytes];
        packet.extend([topic, &[property_bytes], properties, b"p"].concat());
        packet
    }

    fn check_refused(packet: &[u8], expected: ReasonCode) {
        let refused = read_bytes(packet, Protocol::V5, &mut Aliases::new(4)).unwrap_err();
        assert_eq!(refused.code, expected, "{refused}");
    }

    #[test]
    fn a_topic_alias_stands_for_the_topic_it_was_given_last() {
        let mut aliases = Aliases::new(4);
        let mut topic = |topic: &[u8]| {
            let packet = with_properties(topic, &[35, 0, 4]);
            read_bytes(&packet, Protocol::V5, &mut aliases).map(|publish| publish.topic.to_string())
        };
        assert_eq!(topic(b""), Err(Violation::topic_alias("a topic alias that it never gave a topic")));
        assert_eq!(topic(b"a").unwrap(), "a");
        assert_eq!(topic(b"").unwrap(), "a");
        assert_eq!(topic(b"b").unwrap(), "b");
        assert_eq!(topic(b"").unwrap(), "b");
    }

    #[test]
    fn aliases_outside_the_announced_range_are_refused() {
        check_refused(&with_properties(b"a", &[35, 0, 0]), ReasonCode::TOPIC_ALIAS_INVALID);
        check_refused(&with_properties(b"a", &[35, 0, 5]), ReasonCode::TOPIC_ALIAS_INVALID);
    }

    #[test]
    fn what_mqtt_forbids_in_a_publish_is_refused() {
        check_refused(&[0x36, 5, 0, 1, b'a', 0, 1], ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x30, 2, 0, 5], ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x32, 5, 0, 1, b'a', 0, 0], ReasonCode::PROTOCOL_ERROR);
        check_refused(&[0x30, 4, 0, 1, b'+', 0], ReasonCode::TOPIC_NAME_INVALID);
        check_refused(&[0x30, 4, 0, 1, 0xFF, 0], ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x30, 4, 0, 1, 0, 0], ReasonCode::MALFORMED_PACKET);
        check_refused(&[0x30, 3, 0, 0, 0], ReasonCode::PROTOCOL_ERROR);
        check_refused(&[0x30, 4, 0, 1, b'a', 9], ReasonCode::MALFORMED_PACKET);
        check_refused(&with_properties(b"a", &[11, 0]), ReasonCode::PROTOCOL_ERROR);
        check_refused(&with_properties(b"a", &[1, 2]), ReasonCode::PROTOCOL_ERROR);
        check_refused(&with_properties(b"a", &[1, 1, 1, 1]), ReasonCode::PROTOCOL_ERROR);
        check_refused(&with_properties(b"a", &[17, 0, 0, 0, 1]), ReasonCode::MALFORMED_PACKET);
        check_refused(&with_properties(b"a", &[2, 0]), ReasonCode::MALFORMED_PACKET);
    }

    #[test]
    fn subscription_identifiers_alone_make_no_properties() {
        let publish = |ids: &[u8]| read_bytes(&with_properties(b"a", ids), Protocol::V5, &mut Aliases::new(0)).unwrap();
        let one = publish(&[11, 0x80, 1]);
        assert_eq!(one.subscriptions, SubscriptionIds::One(SubscriptionId(128)));
        assert!(one.properties.is_none());
        assert_eq!(publish(&[11, 1, 11, 2]).subscriptions.as_slice(), [SubscriptionId(1), SubscriptionId(2)]);
    }

    fn topic() -> impl Strategy<Value = String> {
        "[a-z/äß$ ]{1,40}"
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..300)
    }

    prop_compose! {
        fn properties()(
            format in prop::option::of(0u8..2),
            expiry in any::<Option<u32>>(),
            response_topic in prop::option::of("[a-z/]{0,20}"),
            correlation in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
            user_properties in prop::collection::vec(("[a-zé]{0,10}", "[a-z]{0,200}"), 0..4),
            subscription_identifiers in prop::collection::vec(1usize..268_435_455, 0..4),
            content_type in prop::option::of("[a-z/]{0,20}"),
        ) -> v5::PublishProperties {
            v5::PublishProperties {
                payload_format_indicator: format,
                message_expiry_interval: expiry,
                topic_alias: None,
                response_topic,
                correlation_data: correlation.map(Bytes::from),
                user_properties,
                subscription_identifiers,
                content_type,
            }
        }
    }

    fn as_ours(theirs: &v5::PublishProperties) -> Properties {
        Properties {
            content_type: theirs.content_type.clone(),
            response_topic: theirs.response_topic.clone(),
            correlation_data: theirs.correlation_data.clone(),
            user: theirs.user_properties.clone(),
            message_expiry_s: theirs.message_expiry_interval,
            payload_is_utf8: theirs.payload_format_indicator == Some(1),
        }
    }

    proptest! {
        #[test]
        fn a_v311_publish_reads_as_the_codec_wrote_it(
            topic in topic(), payload in payload(), id in 1u16.., level in 0u8..3, dup: bool, retain: bool,
        ) {
            let qos = rumqttc::mqttbytes::qos(level).unwrap();
            let mut theirs = v4::Publish::new(topic.clone(), qos, payload.clone());
            (theirs.pkid, theirs.dup, theirs.retain) = (id, dup, retain);
            let mut bytes = BytesMut::new();
            theirs.write(&mut bytes).unwrap();
            let ours = read_bytes(&bytes, Protocol::V311, &mut Aliases::new(0)).unwrap();
            prop_assert_eq!(ours.topic.as_str(), topic);
            prop_assert_eq!(&ours.payload[..], payload);
            prop_assert_eq!((ours.qos.level(), ours.dup, ours.retain), (level, dup, retain));
            prop_assert_eq!(ours.packet_id, (level > 0).then_some(PacketId(id)));
            prop_assert!(ours.properties.is_none());
        }

        #[test]
        fn a_v5_publish_reads_as_the_codec_wrote_it(
            topic in topic(), payload in payload(), id in 1u16.., level in 0u8..3, dup: bool, properties in properties(),
        ) {
            let qos = rumqttc::v5::mqttbytes::qos(level).unwrap();
            let mut theirs = v5::Publish::new(topic.clone(), qos, payload.clone(), Some(properties.clone()));
            (theirs.pkid, theirs.dup) = (id, dup);
            // The codec's length leaves the id out on QoS 0 only by qos, as it should.
            let mut bytes = BytesMut::new();
            theirs.write(&mut bytes).unwrap();
            let ours = read_bytes(&bytes, Protocol::V5, &mut Aliases::new(0)).unwrap();
            prop_assert_eq!(ours.topic.as_str(), topic);
            prop_assert_eq!(&ours.payload[..], payload);
            prop_assert_eq!((ours.qos.level(), ours.dup), (level, dup));
            prop_assert_eq!(ours.packet_id, (level > 0).then_some(PacketId(id)));
            prop_assert_eq!(ours.properties.as_deref().cloned().unwrap_or_default(), as_ours(&properties));
            let ids: Vec<usize> = ours.subscriptions.as_slice().iter().map(|id| id.0 as usize).collect();
            prop_assert_eq!(ids, properties.subscription_identifiers);
        }
    }
}
