//! Which rules a topic has, and what they make of it.
//!
//! Invariant: nothing here waits, and nothing here knows that Kafka or WebAssembly exist.

pub mod order;
pub mod pattern;
pub mod rule;
pub mod rule_set;
pub mod snapshot;
pub mod subscriptions;
pub mod template;
pub mod trie;

pub use order::Order;
pub use rule::{Destination, Rule, RuleStage};
pub use rule_set::{Match, RuleSet};
pub use snapshot::Snapshot;
