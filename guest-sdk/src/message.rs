//! What a plugin reads: messages borrowed from the batch in hand.

use crate::raw::host;
use crate::values;

/// The messages that arrived together, in order; never empty.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    messages: &'a [values::Message],
}

impl<'a> Batch<'a> {
    pub(crate) fn new(messages: &'a [values::Message]) -> Self {
        Self { messages }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Message<'a>> + use<'a> {
        self.messages.iter().enumerate().map(|(index, message)| Message { message, index: index as u32 })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

/// One message. Its own fields are at hand; the MQTT 5 properties are fetched from Tidegate at each call.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    message: &'a values::Message,
    index: u32,
}

impl<'a> Message<'a> {
    /// MQTT topic name.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        &self.message.topic
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.message.payload
    }

    /// When Tidegate received it: milliseconds since 1970.
    #[must_use]
    pub fn received_ms(&self) -> u64 {
        self.message.received_ms
    }

    /// MQTT delivery level: 0, 1 or 2.
    #[must_use]
    pub fn qos(&self) -> u8 {
        self.message.qos
    }

    /// The broker kept this message and sent it at subscription.
    #[must_use]
    pub fn is_retained(&self) -> bool {
        self.message.retain
    }

    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        host::content_type(self.index)
    }

    #[must_use]
    pub fn response_topic(&self) -> Option<String> {
        host::response_topic(self.index)
    }

    #[must_use]
    pub fn correlation_data(&self) -> Option<Vec<u8>> {
        host::correlation_data(self.index)
    }

    /// Names and values in the order of the packet; a name may repeat.
    #[must_use]
    pub fn user_properties(&self) -> Vec<(String, String)> {
        host::user_properties(self.index)
    }

    /// Seconds until the message is stale, as the broker sent it.
    #[must_use]
    pub fn message_expiry_s(&self) -> Option<u32> {
        host::message_expiry(self.index)
    }
}
