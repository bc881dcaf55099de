//! What goes out: the caller carries these effects out.

use crate::options::EnvelopeKind;
use crate::topic::Address;

/// One Kafka record. Everything is borrowed: take what is needed before returning.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The place of its entry in `emit`.
    pub stream: usize,
    pub envelope: EnvelopeKind,
    /// Whom it speaks of; `None`: of a host.
    pub address: Option<Address<'a>>,
    /// Of the message that it comes from, which may be one that was held; `None` where none led to it.
    pub mqtt_topic: Option<&'a str>,
    /// `None`: the rule's `to`.
    pub topic: Option<&'a str>,
    pub key: &'a [u8],
    /// `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    pub headers: &'a [Header<'a>],
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'static str,
    pub value: &'a [u8],
}

/// A message to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    pub broker: &'a str,
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: u8,
    pub retain: bool,
}

/// How a piece of memory has to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the messages it came from are acknowledged: births, held messages, liveness.
    Durable,
    /// Over a reload; after a crash it is learned anew: the sequence number, which changes with every message.
    Volatile,
}

/// Carries effects out. All methods are called in the order in which the effects belong.
pub trait Host {
    fn record(&mut self, record: Record<'_>);

    fn publish(&mut self, publish: Publish<'_>);

    /// A piece of memory stored earlier, asked for when a node is met for the first time.
    fn load(&mut self, key: &str) -> Option<Vec<u8>> {
        let _ = key;
        None
    }

    /// Keeps a piece of memory, or forgets it. Keys are topic-like and below 64 KiB, values at most `limits.piece_bytes`
    /// and a few bytes of head.
    fn store(&mut self, key: &str, value: Option<&[u8]>, durability: Durability) {
        let _ = (key, value, durability);
    }

    /// A held message that will not be emitted any more: too old, too many, or its session is over. `payload` is not
    /// compressed.
    fn given_up(&mut self, topic: &str, payload: &[u8], reason: &str) {
        let _ = (topic, payload, reason);
    }
}

/// Carries nothing out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Host for Nobody {
    fn record(&mut self, _record: Record<'_>) {}

    fn publish(&mut self, _publish: Publish<'_>) {}
}
