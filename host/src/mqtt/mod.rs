//! The MQTT source: one connection to one broker, kept up for the life of the process. Messages go in batches into an
//! `Intake`, acknowledgements leave in batches in the order in which the intake gives them.
//!
//! Invariant: the only place that knows the MQTT codec. The packet types and their encoding are rumqttc's, the
//! connection is our own (`docs/decisions/0001-own-mqtt-loop.md`). Nothing here knows rules, plugins or Kafka.
//!
//! From the wire inwards: `transport` and `tls` carry bytes, `frame` cuts them, `publish` and `convert` read them,
//! `link` is one connection, `source` is all of them in a row. `inbound`, `subscribe`, `keep_alive`, `pace` and
//! `backoff` decide, without socket or clock.

mod back;
mod backoff;
mod connect;
pub mod convert;
pub mod frame;
mod inbound;
mod keep_alive;
mod link;
mod loss;
mod outbox;
mod pace;
pub mod publish;
pub mod publisher;
pub mod reason;
mod source;
mod status;
mod subscribe;
mod tls;
mod transport;

pub use back::Back;
pub use source::{Drained, Stop, Wires, run};
pub use status::{Standing, Status};
pub use subscribe::{Lowered, Refused};
