//! Records to Kafka: the only place that knows rdkafka and librdkafka.
//!
//! One `Producer` per cluster. `sink` hands records to librdkafka and gives what it will not take back to the caller;
//! `delivery` hears the reports and settles the tokens; `scout` tries records of troubled topics one by one; `recreate`
//! makes a new producer after a fatal error; `keeper` asks the cluster now and then whether it is there.
//!
//! Invariants:
//! - A token is settled by a delivery report or a lasting refusal and by nothing else.
//! - Records of one key reach Kafka first in the order in which they were handed over. librdkafka is told to stop at any
//!   gap (`enable.gapless.guarantee`), so nothing overtakes a record that failed; whatever comes back is sorted by its
//!   turn before it goes out again.
//! - Locks are taken in the order `live`, `parked`, `book`.

mod classify;
mod delivery;
mod event;
mod headers;
mod keeper;
mod letter;
mod live;
pub mod mock;
mod native;
mod options;
mod outstanding;
mod parked;
pub mod reader;
mod recreate;
pub mod scan;
mod scout;
mod sink;
mod stall;
mod state;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod transactions;

pub use classify::{Handling, KafkaFault};
pub use native::StartError;
pub use sink::Producer;
pub use state::Status;
