//! Dead letters: what stands in the dead-letter topic, and how it comes back.
//!
//! A letter that was replayed is followed, in its own partition, by a mark that names its place. Mark and records are
//! written in one transaction, so a replay that is cut off at any moment goes on where it was, and no letter is sent
//! twice. A letter that fails again stays as it is.

mod filter;
mod letter;
mod replay;

pub use filter::{BadTime, Filter, Time};
pub use letter::{BadPlace, Entry, Letter, Place};
pub use replay::{Fate, Replayer};
