//! The values that cross the boundary, shaped as `wit/types.wit` says.

use std::fmt::Display;

/// One message as it lies in memory; plugins read it through [`crate::Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub received_ms: u64,
    pub qos: u8,
    pub retain: bool,
}

/// One Kafka header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Not empty, no control characters.
    pub name: String,
    pub value: Vec<u8>,
}

/// One Kafka record to produce; what it leaves out is as the rule says.
///
/// ```
/// use tidegate_guest_sdk::Output;
/// let output = Output::new("{}").topic("iot.readings").key("press-7").header("content-type", "application/json");
/// assert_eq!(output.payload.as_deref(), Some(&b"{}"[..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub topic: Option<String>,
    pub key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    /// Milliseconds since 1970.
    pub timestamp_ms: Option<u64>,
}

impl Output {
    /// A record with this value.
    #[must_use]
    pub fn new(payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: Some(payload.into()), ..Self::default() }
    }

    /// A record without a value: in a compacted topic it deletes `key`.
    #[must_use]
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// To this Kafka topic instead of the rule's.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// With this key instead of the rule's.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// With this time, in milliseconds since 1970, instead of the time of arrival.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: u64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Forward unchanged.
    Pass,
    /// Filter out.
    Drop,
    /// Forward with this payload, all else unchanged.
    Replace(Vec<u8>),
    /// Forward these records instead, in order; none is `Drop`.
    Emit(Vec<Output>),
    /// Cannot be transformed, and why: goes where the rule's `on_error` says.
    Fail(String),
}

/// Lets `process` use `?` in a function of its own: `self.decode(message).into()`.
impl<E: Display> From<Result<Outcome, E>> for Outcome {
    fn from(result: Result<Outcome, E>) -> Self {
        result.unwrap_or_else(|error| Self::Fail(error.to_string()))
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self::Emit(vec![output])
    }
}
