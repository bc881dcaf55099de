//! The traits that join the data path to its edges: where messages go in (`Intake`), are transformed (`Stage`) and
//! leave (`Sink`).

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;

use crate::ack::{Ack, AckToken, FailureKind, PacketId};
use crate::message::{Message, Properties, Qos, Record, SubscriptionId};
use crate::topic::TopicFilter;

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
}

/// A running copy of a stage. Lives on one lane's thread.
pub trait Instance {
    /// One outcome per message, in order.
    ///
    /// # Errors
    /// After any error the instance must be dropped.
    fn process(&mut self, batch: &[StageMessage<'_>]) -> Result<Vec<Outcome>, StageFault>;
    /// Linear memory in use.
    fn memory_bytes(&self) -> usize;
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

/// One subscription of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub filter: TopicFilter,
    /// The highest that any rule behind it asks for.
    pub qos: Qos,
    /// Rides along on MQTT 5 where the broker allows it.
    pub id: SubscriptionId,
}
