//! Carries the engine's effects out.

use tidegate_guest_sdk::publish::{self, Qos};
use tidegate_guest_sdk::{Emission, Header, Output, log};
use tidegate_sparkplug::host::{Durability, Host, Publish, Record};
use tidegate_sparkplug::options::Options;
use tidegate_sparkplug::topic::Address;

use crate::memory;

/// A header that Tidegate gives each record by itself, from the message in hand.
const MQTT_TOPIC: &str = "mqtt.topic";

/// Collects records until they are asked for; everything else is carried out at once.
#[derive(Default)]
pub struct Effects {
    outputs: Vec<Emission>,
    /// Of the message in hand; empty outside.
    topic: String,
    prefix: String,
}

impl Effects {
    pub fn new(options: &Options) -> Self {
        let prefix = match options.topic_prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Self { prefix, ..Self::default() }
    }

    /// What follows comes from a message of this topic.
    pub fn begin(&mut self, topic: &str) {
        self.topic.clear();
        self.topic.push_str(topic);
    }

    /// The records of the message in hand.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        self.topic.clear();
        self.outputs.drain(..).map(|emission| emission.output).collect()
    }

    /// The records that no message has led to. What speaks of a host and not of a node is told by one lane only.
    pub fn take_emissions(&mut self, lead: bool) -> Vec<Emission> {
        let mut emissions = std::mem::take(&mut self.outputs);
        emissions.retain(|emission| lead || emission.about.is_some());
        emissions
    }

    /// The topic that a record speaks of: decides where the rule sends it.
    fn about(&self, record: &Record<'_>) -> Option<String> {
        match (self.topic.is_empty(), record.mqtt_topic, record.address) {
            (false, _, _) | (true, None, None) => None,
            (true, Some(topic), _) => Some(topic.into()),
            (true, None, Some(Address { group, edge_node, device })) => Some(match device {
                None => format!("{}spBv1.0/{group}/NDATA/{edge_node}", self.prefix),
                Some(device) => format!("{}spBv1.0/{group}/DDATA/{edge_node}/{device}", self.prefix),
            }),
        }
    }
}

impl Host for Effects {
    fn record(&mut self, record: Record<'_>) {
        let about = self.about(&record);
        let given = about.as_deref().unwrap_or(&self.topic);
        let headers =
            record.headers.iter().filter(|header| header.name != MQTT_TOPIC || header.value != given.as_bytes());
        let output = Output {
            topic: record.topic.map(Into::into),
            key: Some(record.key.to_vec()),
            payload: record.payload.map(<[u8]>::to_vec),
            headers: headers.map(|header| Header { name: header.name.into(), value: header.value.to_vec() }).collect(),
            timestamp_ms: Some(record.timestamp_ms),
        };
        self.outputs.push(Emission { about, output });
    }

    fn publish(&mut self, message: Publish<'_>) {
        let qos = if message.qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        if let Err(refusal) = publish::message(message.topic, message.payload, qos, message.retain) {
            log::warn(&format!("{} was not published: {refusal}", message.topic));
        }
    }

    fn load(&mut self, key: &str) -> Option<Vec<u8>> {
        memory::load(key)
    }

    /// Tidegate keeps all of it alike.
    fn store(&mut self, key: &str, value: Option<&[u8]>, _durability: Durability) {
        memory::store(key, value);
    }

    /// The message was acknowledged when it was put aside: nothing but a line can be made of it now.
    fn given_up(&mut self, topic: &str, payload: &[u8], reason: &str) {
        log::warn(&format!("gave up metrics of a message of {} bytes to {topic}: {reason}", payload.len()));
    }
}
