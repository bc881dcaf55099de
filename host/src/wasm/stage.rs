//! `Stage` and `Instance` for real plugins.

use std::sync::Arc;
use std::time::Instant;

use tracing::warn;
use wasmtime::Store;

use crate::seam::{Emission, Instance, Occasion, Outcome, Stage, StageFault, StageMessage, Wishes};

use super::circuit::Circuit;
use super::clean::clean;
use super::engine::Trust;
use super::fault::{self, During};
use super::guest::Guest;
use super::log_desk::LogDesk;
use super::plugin::Plugin;
use super::services::Offer;
use super::state::Scope;
use super::versions::Bound;

/// A plugin with one rule's configuration.
pub(super) struct WasmStage {
    core: Arc<Core>,
    wishes: Wishes,
}

/// What a stage and its instances share.
struct Core {
    plugin: Arc<Plugin>,
    rule: String,
    config: String,
    desk: Arc<LogDesk>,
    offer: Offer,
    circuit: Circuit,
}

impl WasmStage {
    /// The stage, after an instance of it has been started and dropped.
    ///
    /// # Errors
    /// Where it does not start in time or refuses its configuration.
    pub(super) fn tried(plugin: Arc<Plugin>, rule: &str, config: String, offer: Offer) -> Result<Self, StageFault> {
        let desk = LogDesk::new(&plugin.name, rule, plugin.limits.log_lines_per_s);
        let circuit = Circuit::new(plugin.limits.failures_max, plugin.limits.rest_max);
        let core = Arc::new(Core { plugin, rule: rule.into(), config, desk, offer, circuit });
        let mut trial = core.start(0)?;
        let tick = trial.ask_tick_interval()?;
        drop(trial);
        let (plugin, offers_state) = (&core.plugin, core.offer.keeps_state());
        let wishes = Wishes {
            order: plugin.description().map(|said| said.order.clone()).unwrap_or_default(),
            tick,
            hears_connection: plugin.hears_connection(),
            keeps_state: offers_state,
        };
        Ok(Self { core, wishes })
    }
}

impl Core {
    /// Starts and initialises a copy. What it changes in its state meanwhile is not committed.
    fn start(self: &Arc<Self>, lane: usize) -> Result<Running, StageFault> {
        let plugin = &self.plugin;
        let mut store = plugin.store(self.desk.clone(), self.offer.services(lane));
        let started = plugin.engine.during(plugin.trust, || {
            let instance = plugin.linked.instantiate(&mut store)?;
            let bound = plugin.exports.load(&mut store, &instance)?;
            let answer = bound.init(&mut store, &self.config)?;
            Ok((bound, answer))
        });
        match started {
            Ok((bound, Ok(()))) => {
                let bytes_at_start = store.data().memory.used_bytes();
                Ok(Running { core: self.clone(), lane, store, bound, bytes_at_start, is_dead: false })
            }
            Ok((_, Err(reason))) => {
                Err(fault::refused(&plugin.name, &format!("refused its configuration: {}", clean(&reason))))
            }
            Err(error) => Err(fault::classify(&plugin.name, &plugin.limits, During::Start, store.data_mut(), error)),
        }
    }

    /// As `start`, unless the plugin rests.
    fn open(self: &Arc<Self>, lane: usize) -> Result<Running, StageFault> {
        if let Some(left) = self.circuit.rest_left(Instant::now()) {
            let text = format!("rests for {} ms more after failing again and again", left.as_millis());
            return Err(fault::refused(&self.plugin.name, &text));
        }
        let mut running = self.start(lane).inspect_err(|_| self.failed())?;
        running.store.data_mut().services.commit();
        Ok(running)
    }

    fn failed(&self) {
        if let Some(rest) = self.circuit.failed(Instant::now()) {
            let (plugin, rule) = (&self.plugin.name, &self.rule);
            warn!(plugin, rule, rest_ms = rest.as_millis(), "a plugin failed again and again and rests");
        }
    }
}

impl Stage for WasmStage {
    fn name(&self) -> &str {
        self.core.plugin.name()
    }

    fn sha256(&self) -> &str {
        self.core.plugin.sha256()
    }

    fn open(&self) -> Result<Box<dyn Instance>, StageFault> {
        self.open_in(0)
    }

    fn open_in(&self, lane: usize) -> Result<Box<dyn Instance>, StageFault> {
        Ok(Box::new(self.core.open(lane)?))
    }

    fn wishes(&self) -> Wishes {
        self.wishes.clone()
    }
}

/// A running copy of a plugin. Dead after its first fault.
struct Running {
    core: Arc<Core>,
    lane: usize,
    store: Store<Guest>,
    bound: Bound,
    bytes_at_start: usize,
    is_dead: bool,
}

impl Instance for Running {
    fn process(&mut self, batch: &[StageMessage<'_>]) -> Result<Vec<Outcome>, StageFault> {
        self.enter(batch, Scope::All)?;
        let (bound, store, plugin) = (&self.bound, &mut self.store, &self.core.plugin);
        let called = plugin.engine.during(plugin.trust, || bound.process(store, batch));
        let outcomes = self.leave(called)?;
        self.check_records(outcomes.iter().map(Outcome::records).sum())?;
        self.settle(true);
        Ok(outcomes)
    }

    fn occur(&mut self, occasion: Occasion) -> Result<Result<Vec<Emission>, String>, StageFault> {
        self.enter(&[], Scope::OwnLane)?;
        let (bound, store, plugin, lead) = (&self.bound, &mut self.store, &self.core.plugin, self.lane == 0);
        let called = plugin.engine.during(plugin.trust, || bound.occur(store, occasion, lead));
        let emitted = self.leave(called)?;
        self.check_records(emitted.as_ref().map_or(0, Vec::len))?;
        self.settle(emitted.is_ok());
        Ok(emitted.map_err(|reason| clean(&reason)))
    }

    fn memory_bytes(&self) -> usize {
        self.store.data().memory.used_bytes()
    }

    fn is_worn(&self) -> bool {
        let used = self.memory_bytes();
        // One that needs that much from the start would be replaced for ever.
        used as u64 > self.core.plugin.limits.recycle_bytes && used > 2 * self.bytes_at_start
    }
}

impl Running {
    /// Sets up what belongs to one call: its time, its properties. Until `settle` the instance counts as dead.
    fn enter(&mut self, batch: &[StageMessage<'_>], scope: Scope) -> Result<(), StageFault> {
        let plugin = &self.core.plugin;
        if self.is_dead {
            return Err(fault::refused(&plugin.name, "was called again after a fault"));
        }
        self.is_dead = true;
        let guest = self.store.data_mut();
        guest.clock.restart(plugin.limits.call);
        guest.memory.take_refused();
        guest.last_words = None;
        guest.services.scope = scope;
        guest.batch.clear();
        if batch.iter().any(|message| message.properties.is_some()) {
            guest.batch.extend(batch.iter().map(|message| message.properties.cloned()));
        }
        if plugin.trust == Trust::Stranger {
            self.store.set_epoch_deadline(1);
        }
        Ok(())
    }

    /// What the call gave, or its fault.
    fn leave<T>(&mut self, called: wasmtime::Result<Result<T, String>>) -> Result<T, StageFault> {
        let plugin = &self.core.plugin;
        let fault = match called {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(text)) => fault::refused(&plugin.name, &text),
            Err(error) => fault::classify(&plugin.name, &plugin.limits, During::Call, self.store.data_mut(), error),
        };
        self.end();
        Err(fault)
    }

    fn check_records(&mut self, records: usize) -> Result<(), StageFault> {
        let limit = self.core.plugin.limits.records_max;
        if records <= limit as usize {
            return Ok(());
        }
        self.end();
        Err(fault::too_much(&self.core.plugin.name, &format!("gave more than its limit of {limit} records")))
    }

    /// The call went well: what it changed stays, or by its own word does not.
    fn settle(&mut self, is_kept: bool) {
        let services = &mut self.store.data_mut().services;
        if is_kept {
            services.commit();
        } else {
            services.roll_back();
        }
        self.core.circuit.answered();
        self.is_dead = false;
    }

    /// The call went wrong. Its changes are undone now: others may wait for them.
    fn end(&mut self) {
        self.store.data_mut().services.roll_back();
        self.core.failed();
    }

    fn ask_tick_interval(&mut self) -> Result<Option<std::time::Duration>, StageFault> {
        let (bound, store, plugin) = (&self.bound, &mut self.store, &self.core.plugin);
        let asked = plugin.engine.during(plugin.trust, || bound.tick_interval(store));
        asked
            .map_err(|error| fault::classify(&plugin.name, &plugin.limits, During::Start, self.store.data_mut(), error))
    }
}
