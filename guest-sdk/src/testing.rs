//! Runs a plugin natively in a plain `#[test]`.
//!
//! ```
//! use tidegate_guest_sdk::testing::{Harness, Input};
//! use tidegate_guest_sdk::{Message, Outcome, Transform};
//!
//! struct OnlyJson;
//! impl Transform for OnlyJson {
//!     fn new(_config: &str) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!     fn process(&mut self, message: Message<'_>) -> Outcome {
//!         match message.content_type().as_deref() {
//!             Some("application/json") => Outcome::Pass,
//!             _ => Outcome::Drop,
//!         }
//!     }
//! }
//!
//! let mut plugin = Harness::<OnlyJson>::new("").unwrap();
//! assert_eq!(plugin.process(&Input::new("a/b", "{}").content_type("application/json")), Outcome::Pass);
//! assert_eq!(plugin.process(&Input::new("a/b", "{}")), Outcome::Drop);
//! ```

use crate::log::Level;
use crate::{Outcome, Transform, glue, values};

/// What `Message::content_type` and its like give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
    pub user: Vec<(String, String)>,
    pub message_expiry_s: Option<u32>,
}

/// A message to feed: QoS 1, not retained, received in 1970, without properties, where not said otherwise.
#[derive(Clone, Debug)]
pub struct Input {
    pub message: values::Message,
    pub properties: Properties,
}

impl Input {
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        let (topic, payload) = (topic.into(), payload.into());
        let message = values::Message { topic, payload, received_ms: 0, qos: 1, retain: false };
        Self { message, properties: Properties::default() }
    }

    #[must_use]
    pub fn received_ms(mut self, received_ms: u64) -> Self {
        self.message.received_ms = received_ms;
        self
    }

    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.properties.content_type = Some(content_type.into());
        self
    }

    #[must_use]
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.user.push((name.into(), value.into()));
        self
    }
}

/// One plugin, called as Tidegate would.
#[derive(Debug)]
pub struct Harness<T>(Option<T>);

impl<T: Transform> Harness<T> {
    /// # Errors
    /// What the plugin says about its configuration.
    pub fn new(config: &str) -> Result<Self, String> {
        let mut plugin = None;
        glue::init(&mut plugin, config)?;
        Ok(Self(plugin))
    }

    pub fn process(&mut self, input: &Input) -> Outcome {
        self.process_batch(std::slice::from_ref(input)).remove(0)
    }

    /// # Panics
    /// Where the plugin gives another number of outcomes than there are messages.
    pub fn process_batch(&mut self, inputs: &[Input]) -> Vec<Outcome> {
        set_properties(inputs);
        let batch: Vec<_> = inputs.iter().map(|input| input.message.clone()).collect();
        let outcomes = glue::process(&mut self.0, &batch);
        assert_eq!(outcomes.len(), inputs.len(), "a plugin owes one outcome per message");
        outcomes
    }
}

fn set_properties(inputs: &[Input]) {
    crate::raw::host::set_batch(inputs.iter().map(|input| input.properties.clone()).collect());
}

/// The lines that plugins on this thread have logged since the last call.
#[must_use]
pub fn take_log() -> Vec<(Level, String)> {
    crate::raw::host::take_lines()
}
