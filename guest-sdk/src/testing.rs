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

use std::collections::BTreeMap;

use crate::log::Level;
use crate::message::Batch;
use crate::publish::Qos;
use crate::raw::layout::{Message, Span};
use crate::{Connection, Emission, Link, Moment, Outcome, Timer, Transform, glue, raw};

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
    pub topic: String,
    pub payload: Vec<u8>,
    pub received_ms: u64,
    pub qos: u8,
    pub retain: bool,
    pub properties: Properties,
}

impl Input {
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        let (topic, payload) = (topic.into(), payload.into());
        Self { topic, payload, received_ms: 0, qos: 1, retain: false, properties: Properties::default() }
    }

    #[must_use]
    pub fn received_ms(mut self, received_ms: u64) -> Self {
        self.received_ms = received_ms;
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

    fn lay(&self) -> Message<'_> {
        Message {
            topic: Span::of(self.topic.as_bytes()),
            payload: Span::of(&self.payload),
            received_ms: self.received_ms,
            qos: self.qos,
            retain: self.retain.into(),
        }
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
        let properties = inputs.iter().map(|input| input.properties.clone()).collect();
        raw::host::with(|world| world.batch = properties);
        let batch: Vec<_> = inputs.iter().map(Input::lay).collect();
        let outcomes = glue::process(&mut self.0, Batch::new(&batch));
        assert_eq!(outcomes.len(), inputs.len(), "a plugin owes one outcome per message");
        outcomes
    }

    /// As Tidegate would at `now_ms`, in the leading lane.
    ///
    /// # Errors
    /// What the plugin says.
    pub fn tick(&mut self, now_ms: u64) -> Result<Vec<Emission>, String>
    where
        T: Timer,
    {
        set_now_ms(now_ms);
        glue::tick(&mut self.0, Moment { now_ms, lead: true })
    }

    /// As Tidegate would, in the leading lane, at the time that `set_now_ms` set.
    ///
    /// # Errors
    /// What the plugin says.
    pub fn changed(&mut self, link: Link) -> Result<Vec<Emission>, String>
    where
        T: Connection,
    {
        glue::changed(&mut self.0, link, Moment { now_ms: raw::host::now_ms(), lead: true })
    }
}

/// The lines that plugins on this thread have logged since the last call.
#[must_use]
pub fn take_log() -> Vec<(Level, String)> {
    raw::host::with(|world| std::mem::take(&mut world.lines))
}

/// A message that a plugin has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: Qos,
    pub retain: bool,
}

/// What plugins on this thread have published since the last call.
#[must_use]
pub fn take_published() -> Vec<Published> {
    raw::host::with(|world| std::mem::take(&mut world.published))
}

/// From now on only these topics may be published to on this thread.
pub fn grant_publish(topics: &[&str]) {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    raw::host::with(|world| world.publishable = Some(topics));
}

/// All that plugins on this thread keep. It outlives the plugin, as it does in Tidegate; each test thread begins empty.
#[must_use]
pub fn state() -> BTreeMap<String, Vec<u8>> {
    raw::host::with(|world| world.state.clone())
}

/// Sets what plugins on this thread keep.
pub fn set_state<K: Into<String>, V: Into<Vec<u8>>>(entries: impl IntoIterator<Item = (K, V)>) {
    let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    raw::host::with(|world| world.state = entries);
}

/// What `clock::now_ms` gives on this thread; 0 before the first call.
pub fn set_now_ms(now_ms: u64) {
    raw::host::set_now_ms(now_ms);
}

/// Gives plugins on this thread a table: each row is its key and its columns.
pub fn set_table(name: &str, rows: &[(&str, &[(&str, &str)])]) {
    let row = |(key, columns): &(&str, &[(&str, &str)])| {
        let columns = columns.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ((*key).to_owned(), columns.collect())
    };
    raw::host::with(|world| world.tables.insert(name.into(), rows.iter().map(row).collect()));
}

/// What plugins on this thread have counted under `name`.
#[must_use]
pub fn counter(name: &str) -> u64 {
    raw::host::with(|world| world.counters.get(name).copied().unwrap_or_default())
}

/// What plugins on this thread have last set the gauge `name` to.
#[must_use]
pub fn gauge(name: &str) -> Option<f64> {
    raw::host::with(|world| world.gauges.get(name).copied())
}
