//! `Stage` and `Instance` for real plugins.

use std::sync::Arc;

use wasmtime::Store;

use crate::seam::{Instance, Outcome, Stage, StageFault, StageMessage};

use super::bindings::Plugin as Bound;
use super::clean::clean;
use super::convert;
use super::engine::Trust;
use super::fault::{self, During};
use super::host_api::Guest;
use super::log_desk::LogDesk;
use super::plugin::Plugin;

/// A plugin with one rule's configuration.
pub(super) struct WasmStage {
    plugin: Arc<Plugin>,
    config: String,
    desk: Arc<LogDesk>,
}

impl WasmStage {
    pub(super) fn new(plugin: Arc<Plugin>, rule: &str, config: String) -> Self {
        let desk = LogDesk::new(&plugin.name, rule, plugin.limits.log_lines_per_s);
        Self { plugin, config, desk }
    }

    /// Starts and initialises a copy.
    ///
    /// # Errors
    /// Where it does not start in time or refuses its configuration.
    pub(super) fn start(&self) -> Result<Running, StageFault> {
        let plugin = &self.plugin;
        let mut store = plugin.store(self.desk.clone());
        let started = plugin.engine.during(plugin.trust, || {
            let bound = plugin.linked.instantiate(&mut store)?;
            let answer = bound.tidegate_plugin_transform().call_init(&mut store, &self.config)?;
            Ok((bound, answer))
        });
        match started {
            Ok((bound, Ok(()))) => Ok(Running { plugin: plugin.clone(), store, bound, is_dead: false }),
            Ok((_, Err(reason))) => {
                Err(fault::refused(&plugin.name, &format!("refused its configuration: {}", clean(&reason))))
            }
            Err(error) => Err(fault::classify(&plugin.name, &plugin.limits, During::Start, store.data_mut(), error)),
        }
    }
}

impl Stage for WasmStage {
    fn name(&self) -> &str {
        self.plugin.name()
    }

    fn sha256(&self) -> &str {
        self.plugin.sha256()
    }

    fn open(&self) -> Result<Box<dyn Instance>, StageFault> {
        Ok(Box::new(self.start()?))
    }
}

/// A running copy of a plugin. Dead after its first fault.
pub(super) struct Running {
    plugin: Arc<Plugin>,
    store: Store<Guest>,
    bound: Bound,
    is_dead: bool,
}

impl Instance for Running {
    fn process(&mut self, batch: &[StageMessage<'_>]) -> Result<Vec<Outcome>, StageFault> {
        if self.is_dead {
            return Err(fault::refused(&self.plugin.name, "was called again after a fault"));
        }
        self.is_dead = true;
        self.prepare(batch);
        let messages = convert::lower(batch);
        let (bound, store) = (&self.bound, &mut self.store);
        let called = self
            .plugin
            .engine
            .during(self.plugin.trust, || bound.tidegate_plugin_transform().call_process(store, &messages));
        let outcomes = called.map_err(|error| self.fault(error))?;
        let outcomes = convert::lift(outcomes, batch.len()).map_err(|text| fault::refused(&self.plugin.name, &text))?;
        self.is_dead = false;
        Ok(outcomes)
    }

    fn memory_bytes(&self) -> usize {
        self.store.data().memory.used_bytes()
    }
}

impl Running {
    /// Sets up what belongs to one call: its time, its properties.
    fn prepare(&mut self, batch: &[StageMessage<'_>]) {
        let guest = self.store.data_mut();
        guest.clock.restart(self.plugin.limits.call);
        guest.memory.take_refused();
        guest.last_words = None;
        guest.batch.clear();
        if batch.iter().any(|message| message.properties.is_some()) {
            guest.batch.extend(batch.iter().map(|message| message.properties.cloned()));
        }
        if self.plugin.trust == Trust::Stranger {
            self.store.set_epoch_deadline(1);
        }
    }

    fn fault(&mut self, error: wasmtime::Error) -> StageFault {
        let plugin = &self.plugin;
        fault::classify(&plugin.name, &plugin.limits, During::Call, self.store.data_mut(), error)
    }
}
