//! Messages back to the MQTT broker. The rule must grant the topics: `grants = [{ publish = ["plant/+/commands"] }]`.
//!
//! They leave with the answer of the call in hand; of a call that panics nothing leaves.

use std::fmt;

use crate::raw::host;

/// How surely a message arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    AtMostOnce,
    /// Sent again until the broker has it, as long as Tidegate runs.
    AtLeastOnce,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// MQTT does not allow the topic.
    BadMessage,
    /// The grant does not name the topic.
    NotGranted,
    /// More than the grant's `rate` a second, or than the source's queue holds.
    TooMany,
    /// Larger than the broker takes.
    TooLarge,
    /// There is no connection, and at-most-once does not wait for one.
    NotConnected,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadMessage => "MQTT does not allow the topic",
            Self::NotGranted => "the rule does not grant the topic",
            Self::TooMany => "more messages than the grant's rate or the queue takes",
            Self::TooLarge => "the message is larger than the broker takes",
            Self::NotConnected => "there is no connection to the broker",
        })
    }
}

impl std::error::Error for Refusal {}

/// Publishes one message.
///
/// # Errors
/// Why it was not taken.
pub fn message(topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), Refusal> {
    host::publish(topic, payload, qos, retain)
}
