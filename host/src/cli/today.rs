//! The rules of today, ready to carry, for commands that touch no MQTT broker.

use std::sync::Arc;

use super::{Exit, complain, tell};
use crate::app::shelf::Shelf;
use crate::app::snapshots::Builder;
use crate::config::Config;
use crate::meters::Meters;
use crate::router::Snapshot;
use crate::topic::KafkaTopics;
use crate::wasm::Engine;

/// Rules with their plugins, and the Kafka topics that they name.
pub struct Today {
    pub snapshot: Snapshot,
    /// By cluster.
    pub topics: Vec<Arc<KafkaTopics>>,
}

impl Today {
    /// Loads what `config` names.
    ///
    /// # Errors
    /// The exit code, where a plugin cannot be used. What is wrong has been told on stderr.
    pub fn of(config: &Config) -> Result<Self, Exit> {
        let engine = Engine::new().map_err(|error| {
            complain(&error);
            Exit::CouldNotRun
        })?;
        let mut builder = Builder::new(config, Shelf::new(engine), Arc::new(Meters::default()));
        let built = builder.build(config, None).map_err(|problems| {
            tell(&problems);
            Exit::FoundProblems
        })?;
        Ok(Self { snapshot: built.snapshot, topics: builder.topics() })
    }
}
