//! What MQTT gave us (`Message`) and what Kafka gets (`Record`): plain values.
//!
//! Invariant: nothing here knows a client, a clock or a socket.

use std::sync::Arc;

use bytes::Bytes;

use crate::topic::{KafkaTopic, TopicName};

/// MQTT delivery level (MQTT 5, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

impl Qos {
    /// The two bits of the wire and the digit of the configuration.
    #[must_use]
    pub fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

/// The MQTT 5 properties of a PUBLISH that travel on (MQTT 5, section 3.3.2.3). Absent on 3.1.1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Bytes>,
    pub user: Vec<(String, String)>,
    /// Seconds until the message is stale, as the broker sent it.
    pub message_expiry_s: Option<u32>,
    pub payload_is_utf8: bool,
}

/// One PUBLISH as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: TopicName,
    pub payload: Bytes,
    pub qos: Qos,
    pub retain: bool,
    /// Wall clock at arrival, milliseconds since 1970.
    pub received_ms: u64,
    /// `None` where the packet had none worth keeping.
    pub properties: Option<Arc<Properties>>,
    /// MQTT 5 subscription identifiers of this copy; usually none or one.
    pub subscriptions: SubscriptionIds,
}

impl Message {
    /// What this message counts against `window_bytes`.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.topic.as_bytes().len() + self.payload.len()
    }
}

/// Identifier of one SUBSCRIBE (MQTT 5, section 3.8.2.1.2): 1 to 268,435,455.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u32);

/// The subscription identifiers of one copy of a message. One is held in place: it is by far the usual case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionIds {
    #[default]
    None,
    One(SubscriptionId),
    Many(Arc<[SubscriptionId]>),
}

impl SubscriptionIds {
    #[must_use]
    pub fn as_slice(&self) -> &[SubscriptionId] {
        match self {
            Self::None => &[],
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }
}

/// A Kafka header: name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: Arc<str>,
    pub value: Bytes,
}

/// The headers of one record by origin, from weakest to strongest: where two have one name, the later layer wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Becomes `mqtt.topic`.
    pub topic: TopicName,
    /// Become `content-type`, `mqtt.response-topic`, `mqtt.correlation-data` and the user properties.
    pub properties: Option<Arc<Properties>>,
    /// The rule's, rendered.
    pub rule: Arc<[Header]>,
    /// The plugin's, or those of a dead letter.
    pub own: Vec<Header>,
}

impl Headers {
    /// Calls `take` once for each header of the record, in layer order; a name that a later layer has is left out of
    /// the earlier ones. User properties may repeat a name, as MQTT allows.
    pub fn each(&self, mut take: impl FnMut(&str, &[u8])) {
        let beaten = |name: &str, by_rule: bool| {
            self.own.iter().any(|own| &*own.name == name)
                || (by_rule && self.rule.iter().any(|rule| &*rule.name == name))
        };
        if self.own.is_empty() && self.rule.is_empty() {
            return self.of_message(take);
        }
        self.of_message(|name, value| {
            if !beaten(name, true) {
                take(name, value);
            }
        });
        for header in self.rule.iter().filter(|rule| !beaten(&rule.name, false)) {
            take(&header.name, &header.value);
        }
        for header in &self.own {
            take(&header.name, &header.value);
        }
    }

    fn of_message(&self, mut take: impl FnMut(&str, &[u8])) {
        take("mqtt.topic", self.topic.as_bytes());
        let Some(properties) = &self.properties else { return };
        if let Some(content_type) = &properties.content_type {
            take("content-type", content_type.as_bytes());
        }
        if let Some(response_topic) = &properties.response_topic {
            take("mqtt.response-topic", response_topic.as_bytes());
        }
        if let Some(correlation_data) = &properties.correlation_data {
            take("mqtt.correlation-data", correlation_data);
        }
        for (name, value) in &properties.user {
            take(name, value.as_bytes());
        }
    }
}

/// One Kafka record to produce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: KafkaTopic,
    /// `None` is an absent key, empty is an empty key.
    pub key: Option<Bytes>,
    /// `None` is a tombstone.
    pub payload: Option<Bytes>,
    pub headers: Headers,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
}
