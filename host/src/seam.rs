//! The traits that join the data path to its edges: where messages go in (`Intake`), are transformed (`Stage`) and
//! leave (`Sink`).

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::ack::{Ack, AckToken, FailureKind, PacketId};
use crate::message::{Message, Properties, Qos, Record, SubscriptionId};
use crate::topic::{TopicFilter, TopicName};

/// One PUBLISH with what only its connection knows.
#[derive(Debug)]
pub struct Arrival {
    pub message: Message,
    /// `None` on QoS 0. Valid on this connection only.
    pub packet_id: Option<PacketId>,
    /// The broker says that it may have sent this before.
    pub dup: bool,
}

/// What a connection delivers into and takes its acknowledgements from. One per source, owned by the source's thread;
/// no method waits.
pub trait Intake {
    /// A connection stands; the broker kept our session, or did not.
    fn linked(&mut self, resumed: bool);
    /// The connection is gone, and with it the right to acknowledge what it delivered.
    fn lost(&mut self);
    /// Takes one message in. What it leads to may wait for `hand_over`.
    fn arrive(&mut self, arrival: Arrival);
    /// Everything that one read gave has arrived: hands the batch to lanes and sinks.
    fn hand_over(&mut self);
    /// Takes in what was settled and appends the acknowledgements that may leave now, in receive order. They are good
    /// only for the connection that stands at this moment.
    fn take_acks(&mut self, acks: &mut Vec<Ack>);
    /// Whether there is room for more; where not, the connection stops reading but goes on pinging.
    fn has_room(&self) -> bool;
    /// Messages taken in and not settled yet.
    fn in_flight(&self) -> usize;
    /// Whether acknowledgements are stuck behind a forgotten message, so that only a new connection helps.
    fn is_stuck(&self) -> bool;
}

/// A plugin of a rule's chain, compiled and configured; shared by all lanes.
pub trait Stage: Send + Sync {
    /// The plugin's name, as the rule calls it.
    fn name(&self) -> &str;
    /// SHA-256 of the plugin's file, lower-case hex.
    fn sha256(&self) -> &str;
    /// A running copy for one lane.
    ///
    /// # Errors
    /// Where it cannot be started or refuses its configuration.
    fn open(&self) -> Result<Box<dyn Instance>, StageFault>;
    /// The same for one lane among several, told apart by number; 0 leads.
    ///
    /// # Errors
    /// As `open`.
    fn open_in(&self, lane: usize) -> Result<Box<dyn Instance>, StageFault> {
        let _alone = lane;
        self.open()
    }
    /// What it asks of whoever runs it.
    fn wishes(&self) -> Wishes {
        Wishes::default()
    }
}

/// What a stage asks of whoever runs it, beyond being called with messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Levels of the MQTT topic, from 0, that make the order key; empty: the whole topic.
    pub order: Vec<u32>,
    /// Time between two `Occasion::Tick`.
    pub tick: Option<Duration>,
    /// Wants `Occasion::Linked` and `Occasion::Lost`.
    pub hears_connection: bool,
    /// Keeps state by key, so that a message that is carried again counts again.
    pub keeps_state: bool,
}

/// A running copy of a stage. Lives on one lane's thread.
pub trait Instance {
    /// One outcome per message, in order.
    ///
    /// # Errors
    /// After any error the instance must be dropped.
    fn process(&mut self, batch: &[StageMessage<'_>]) -> Result<Vec<Outcome>, StageFault>;
    /// A call without a message: the records that it makes, or the reason why there are none.
    ///
    /// # Errors
    /// As `process`.
    fn occur(&mut self, occasion: Occasion) -> Result<Result<Vec<Emission>, String>, StageFault> {
        let _nothing_to_do = occasion;
        Ok(Ok(Vec::new()))
    }
    /// Linear memory in use.
    fn memory_bytes(&self) -> usize;
    /// Whether it has grown so much that a new copy should take its place.
    fn is_worn(&self) -> bool {
        false
    }
}

/// Why a stage is called without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Its interval is over.
    Tick,
    /// The source has a connection; the broker kept the session, or did not.
    Linked { resumed: bool },
    /// The source has lost its connection.
    Lost,
}

/// A record that a plugin made without a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// The MQTT topic for the rule's templates.
    pub about: Option<String>,
    pub output: Output,
}

/// One message as a stage sees it.
#[derive(Clone, Copy, Debug)]
pub struct StageMessage<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub received_ms: u64,
    pub qos: Qos,
    pub retain: bool,
    pub properties: Option<&'a Arc<Properties>>,
}

/// What a plugin made of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Forward unchanged.
    Pass,
    /// Filter out.
    Drop,
    /// Forward with this payload, all else unchanged.
    Replace(Bytes),
    /// Forward these records instead, in order; none is `Drop`.
    Emit(Vec<Output>),
    /// Cannot be transformed, with the reason.
    Fail(String),
}

impl Outcome {
    /// Records that it leads to.
    #[must_use]
    pub fn records(&self) -> usize {
        match self {
            Self::Pass | Self::Replace(_) => 1,
            Self::Drop | Self::Fail(_) => 0,
            Self::Emit(outputs) => outputs.len(),
        }
    }
}

/// A record that a plugin made; what it leaves out is as the rule says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub topic: Option<String>,
    pub key: Option<Bytes>,
    /// `None` is a tombstone.
    pub payload: Option<Bytes>,
    pub headers: Vec<(String, Bytes)>,
    pub timestamp_ms: Option<u64>,
}

/// A call into a plugin that went wrong as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct StageFault {
    /// One of the `Plugin…` kinds.
    pub kind: FailureKind,
    /// What happened, in one line.
    pub text: String,
    #[source]
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

/// One record on its way, with the debt it pays.
pub struct Shipment {
    pub record: Record,
    pub token: AckToken,
}

/// Where records leave: one per cluster, used by all threads.
pub trait Sink: Send + Sync {
    /// Takes shipments from the front, in order. What it takes it owns until the token is settled: `Delivered` after
    /// the delivery report, `Failed` after a lasting refusal. Stops where its bound is reached and leaves the rest, in
    /// order, to be offered again; never waits. Order among the shipments of one key holds across all errors.
    fn send(&self, shipments: &mut VecDeque<Shipment>);
}

/// A message for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub topic: TopicName,
    pub payload: Bytes,
    /// At most once or at least once.
    pub qos: Qos,
    pub retain: bool,
}

/// The way back to the broker of one source. No method waits.
pub trait Backchannel: Send + Sync {
    /// Whether a connection stands.
    fn is_linked(&self) -> bool;
    /// Whether the queue takes more.
    fn has_room(&self) -> bool;
    /// Largest message, topic and payload together.
    fn message_bytes_max(&self) -> usize;
    /// Takes all messages, in order, and leaves `messages` empty. They leave with the next write.
    fn publish(&self, messages: &mut Vec<Outgoing>);
}

/// Tables held for plugins. Each call sees one state of a table whole.
pub trait Tables: Send + Sync {
    /// The row of `key`; `None` where there is no such table.
    fn row(&self, table: &str, key: &str) -> Option<Option<Bytes>>;
    /// One column of it.
    fn field(&self, table: &str, key: &str, column: &str) -> Option<Option<String>>;
}

/// One subscription of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub filter: TopicFilter,
    /// The highest that any rule behind it asks for.
    pub qos: Qos,
    /// Rides along on MQTT 5 where the broker allows it.
    pub id: SubscriptionId,
}
