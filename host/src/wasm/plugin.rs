//! `Plugin`: a file that was checked, compiled and linked; the same for all rules that use it.

use std::sync::Arc;
use std::thread;

use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::config::{Grant, Grants, PluginLimits};
use crate::seam::{Stage, StageFault};

use super::budget::{CallClock, MemoryBudget};
use super::clean::clean;
use super::contract::{self, CONTRACT, Contract};
use super::engine::{Engine, Trust};
use super::fault::{self, During};
use super::guest::Guest;
use super::log_desk::LogDesk;
use super::services::{Offer, Outside, Services};
use super::stage::WasmStage;
use super::v0_1::Description;
use super::versions::{Bound, Exports};

/// Why a file cannot be used as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("the file has {bytes} bytes, more than the limit of {limit_bytes}")]
    TooLarge { bytes: u64, limit_bytes: u64 },
    #[error("this is not WebAssembly: the file does not begin as a component does")]
    NotWasm,
    #[error(
        "this is a core WebAssembly module, not a component; link it with `wasm-component-ld` or `wasm-tools component new`"
    )]
    CoreModule,
    #[error("the component is damaged or uses what this host does not support: {text}")]
    Damaged { text: String },
    #[error("compiling it takes longer than its limit of {limit_ms} ms")]
    CompilesTooLong { limit_ms: u128 },
    #[error("plugins that take too long to compile still keep the compiler busy; try again later")]
    CompilersBusy,
    #[error(
        "the component does not export `tidegate:plugin/transform`; is it built for the world `plugin` of this contract ({CONTRACT})?"
    )]
    NoTransform,
    #[error(
        "the component is built for contract {version}, but this version of Tidegate offers {CONTRACT}; build it against that, or update Tidegate"
    )]
    OtherContract { version: String },
    #[error("import `{name}` is not offered to plugins")]
    ImportNotOffered { name: String },
    #[error("an import or export has other types than contract {CONTRACT}: {text}")]
    OtherTypes { text: String },
    #[error("{text}")]
    DoesNotStart { text: String },
    #[error("the plugin engine does not start: {text}")]
    Engine { text: String },
}

/// A plugin's code, ready to run.
pub struct Plugin {
    pub(super) name: String,
    pub(super) limits: PluginLimits,
    pub(super) engine: Arc<Engine>,
    pub(super) trust: Trust,
    pub(super) linked: InstancePre<Guest>,
    pub(super) exports: Exports,
    contract: Contract,
    description: Option<Description>,
    sha256: String,
}

impl Plugin {
    pub(super) fn new(
        engine: Arc<Engine>,
        name: &str,
        bytes: &[u8],
        trust: Trust,
        limits: PluginLimits,
    ) -> Result<Self, PluginError> {
        check_size(bytes, limits.file_bytes)?;
        contract::check_preamble(bytes)?;
        let part = engine.part(trust);
        let component = engine.compiler.compile(&part.engine, bytes, limits.compile)?;
        let contract = contract::read(&component)?;
        let other_types = |error: wasmtime::Error| PluginError::OtherTypes { text: fault::one_line(&error) };
        let linked = part.linker.instantiate_pre(&component).map_err(other_types)?;
        let exports = Exports::find(&linked, &contract).map_err(other_types)?;
        let (name, sha256, description) = (name.into(), hex(&Sha256::digest(bytes)), None);
        let mut plugin = Self { name, limits, engine, trust, linked, exports, contract, description, sha256 };
        plugin.description = on_own_thread(|| plugin.first_look())?;
        Ok(plugin)
    }

    /// Linking compares the imports; the types of the exports show in an instance, which also tells what it is.
    fn first_look(&self) -> Result<Option<Description>, PluginError> {
        let mut store = self.store(LogDesk::new(&self.name, "", self.limits.log_lines_per_s), Services::none());
        let started = self.engine.during(self.trust, || self.linked.instantiate(&mut store));
        let instance = started.map_err(|error| self.does_not_start(&mut store, error))?;
        let loaded: Result<Bound, _> = self.exports.load(&mut store, &instance);
        let bound = loaded.map_err(|error| PluginError::OtherTypes { text: fault::one_line(&error) })?;
        let said = self.engine.during(self.trust, || bound.describe(&mut store));
        let said = said.map_err(|error| self.does_not_start(&mut store, error))?;
        Ok(said.map(cleaned))
    }

    fn does_not_start(&self, store: &mut Store<Guest>, error: wasmtime::Error) -> PluginError {
        let fault = fault::classify(&self.name, &self.limits, During::Start, store.data_mut(), error);
        PluginError::DoesNotStart { text: fault.text }
    }

    /// Room for one instance, with its limits; its time is that of `init` until told otherwise.
    pub(super) fn store(&self, desk: Arc<LogDesk>, services: Services) -> Store<Guest> {
        let (memory, clock) = (MemoryBudget::new(self.limits.memory_bytes), CallClock::new(self.limits.init));
        let mut store = Store::new(&self.engine.part(self.trust).engine, Guest::new(memory, clock, desk, services));
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(usize::try_from(self.limits.output_bytes).unwrap_or(usize::MAX));
        if self.trust == Trust::Stranger {
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(|mut store| Ok(store.data_mut().clock.on_tick()));
        }
        store
    }

    /// The name that rules use.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the file, lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The limits that apply.
    #[must_use]
    pub fn limits(&self) -> &PluginLimits {
        &self.limits
    }

    /// The number of the contract that it was built for.
    #[must_use]
    pub fn contract(&self) -> &str {
        &self.contract.number
    }

    /// Full names of what it imports.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.contract.imports
    }

    /// Full names of what it exports.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.contract.exports
    }

    /// What a rule must grant it.
    #[must_use]
    pub fn asks(&self) -> &[Grant] {
        &self.contract.asks
    }

    /// Whether it wants news of the connection.
    pub(super) fn hears_connection(&self) -> bool {
        self.contract.optional.connection
    }

    /// What it says of itself, where it does.
    #[must_use]
    pub fn description(&self) -> Option<&Description> {
        self.description.as_ref()
    }

    /// What it cannot run without and `grants` does not give.
    #[must_use]
    pub fn missing(&self, grants: &Grants) -> Vec<Grant> {
        self.asks().iter().copied().filter(|grant| !grants.has(*grant)).collect()
    }

    /// As `stage_granted`, with everything granted and nothing behind it: to try a plugin on its own.
    ///
    /// # Errors
    /// As `stage_granted`.
    pub fn stage(self: &Arc<Self>, rule: &str, config: String) -> Result<Arc<dyn Stage>, StageFault> {
        self.stage_granted(rule, config, &Grants::all(), &Outside::default())
    }

    /// This plugin with the configuration and the grants of one rule, tried once: an instance is started, initialised
    /// and dropped; what it did to its state meanwhile is forgotten. `config` is the rule's `config` table as JSON, empty
    /// where there is none; `rule` is for the log and for the state.
    ///
    /// # Errors
    /// Where a grant is missing, the instance does not start or refuses its configuration.
    pub fn stage_granted(
        self: &Arc<Self>,
        rule: &str,
        config: String,
        grants: &Grants,
        outside: &Outside,
    ) -> Result<Arc<dyn Stage>, StageFault> {
        if let Some(missing) = self.missing(grants).first() {
            return Err(fault::refused(&self.name, &format!("uses `{missing}`, which the rule does not grant")));
        }
        let offer = Offer::new([rule, &self.name], &self.limits, grants, &self.engine.spaces, outside);
        let stage = on_own_thread(|| WasmStage::tried(self.clone(), rule, config, offer))?;
        Ok(Arc::new(stage))
    }
}

/// A guest may block in WASI, which must not happen on a thread of an async runtime.
fn on_own_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A guest's words, fit to be shown.
fn cleaned(said: Description) -> Description {
    Description {
        name: clean(&said.name),
        version: clean(&said.version),
        about: clean(&said.about),
        grants: said.grants.iter().map(|grant| clean(grant)).collect(),
        ..said
    }
}

fn check_size(bytes: &[u8], limit_bytes: u64) -> Result<(), PluginError> {
    let bytes = bytes.len() as u64;
    if bytes > limit_bytes { Err(PluginError::TooLarge { bytes, limit_bytes }) } else { Ok(()) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
