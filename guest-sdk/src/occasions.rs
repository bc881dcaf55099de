//! What a plugin may be beside a [`Transform`](crate::Transform): name these traits in `export!`.

use std::time::Duration;

use crate::{Output, Transform};

/// Says what the plugin is. `export!(Plugin: Describe)`.
pub trait Describe: Transform {
    fn describe() -> Description;
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// As its author calls it; the name in rules is that of the file.
    pub name: String,
    pub version: String,
    /// One line for people.
    pub about: String,
    /// Levels of the MQTT topic, counted from 0, that make the order key: messages that agree in them are called in
    /// order, in one lane. Empty: the whole topic. The rule's `order` wins.
    pub order: Vec<u32>,
    /// JSON Schema of the configuration.
    pub config_schema: Option<String>,
    /// Grants that it asks for: `state`, `publish`, `lookup`, `clock`, `metrics`.
    pub grants: Vec<String>,
}

/// Is called at an interval. `export!(Plugin: Timer)`.
pub trait Timer: Transform {
    /// Time between two ticks: 10 milliseconds to a day, zero for none. Asked once, after `new`.
    fn interval(&self) -> Duration;

    /// In order with the messages of the lane. A late tick is not made up for.
    ///
    /// # Errors
    /// Is logged and counted; what the call changed in the state is undone. The plugin lives on.
    fn tick(&mut self, moment: Moment) -> Result<Vec<Emission>, String>;
}

/// Hears of the source's connection. `export!(Plugin: Connection)`.
pub trait Connection: Transform {
    /// In order with the messages of the lane.
    ///
    /// # Errors
    /// As for [`Timer::tick`].
    fn changed(&mut self, link: Link, moment: Moment) -> Result<Vec<Emission>, String>;
}

/// Who is called, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Each lane has a copy of the plugin and each is called; exactly one of them leads. For what must be done once.
    pub lead: bool,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It stands; the broker has kept the session, or not.
    Up {
        resumed: bool,
    },
    Down,
}

/// A record to produce without a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emission {
    /// The MQTT topic that the record speaks of, one that the rule has: Kafka topic, key and headers are then as the rule
    /// says for a message of that topic. `None`: `output` names what the rule's templates take from a topic.
    pub about: Option<String>,
    pub output: Output,
}

impl Emission {
    /// A record that goes where one made of a message of `topic` would.
    #[must_use]
    pub fn about(topic: impl Into<String>, output: Output) -> Self {
        Self { about: Some(topic.into()), output }
    }
}

impl From<Output> for Emission {
    fn from(output: Output) -> Self {
        Self { about: None, output }
    }
}
