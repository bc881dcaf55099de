//! `Plugin`: a file that was checked, compiled and linked; the same for all rules that use it.

use std::sync::Arc;
use std::thread;

use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::Component;

use crate::config::PluginLimits;
use crate::seam::{Stage, StageFault};

use super::bindings::{Plugin as Bound, PluginPre};
use super::budget::{CallClock, MemoryBudget};
use super::contract::{self, CONTRACT};
use super::engine::{Engine, Trust};
use super::fault::{self, During};
use super::host_api::Guest;
use super::log_desk::LogDesk;
use super::stage::WasmStage;

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
    #[error(
        "the component does not export `tidegate:plugin/transform`; is it built for the world `plugin` of this contract ({CONTRACT})?"
    )]
    NoTransform,
    #[error("the component is built for contract {version}; this host offers {CONTRACT}")]
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
    pub(super) linked: PluginPre<Guest>,
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
        let component = Component::new(&part.engine, bytes)
            .map_err(|error| PluginError::Damaged { text: fault::one_line(&error) })?;
        contract::check(&component)?;
        let other_types = |error: wasmtime::Error| PluginError::OtherTypes { text: fault::one_line(&error) };
        let linked = part.linker.instantiate_pre(&component).and_then(PluginPre::new).map_err(other_types)?;
        let plugin = Self { name: name.into(), limits, engine, trust, linked, sha256: hex(&Sha256::digest(bytes)) };
        on_own_thread(|| plugin.check_types())?;
        Ok(plugin)
    }

    /// Linking compares the imports; the types of the exports show in an instance.
    fn check_types(&self) -> Result<(), PluginError> {
        let mut store = self.store(LogDesk::new(&self.name, "", self.limits.log_lines_per_s));
        let started = self.engine.during(self.trust, || self.linked.instance_pre().instantiate(&mut store));
        let instance = started.map_err(|error| {
            let fault = fault::classify(&self.name, &self.limits, During::Start, store.data_mut(), error);
            PluginError::DoesNotStart { text: fault.text }
        })?;
        let loaded = Bound::new(&mut store, &instance);
        loaded.map(drop).map_err(|error| PluginError::OtherTypes { text: fault::one_line(&error) })
    }

    /// Room for one instance, with its limits; its time is that of `init` until told otherwise.
    pub(super) fn store(&self, desk: Arc<LogDesk>) -> Store<Guest> {
        let (memory, clock) = (MemoryBudget::new(self.limits.memory_bytes), CallClock::new(self.limits.init));
        let mut store = Store::new(&self.engine.part(self.trust).engine, Guest::new(memory, clock, desk));
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

    /// This plugin with the configuration of one rule, tried once: an instance is started, initialised and dropped.
    /// `config` is the rule's `config` table as JSON, empty where there is none; `rule` is for the log.
    ///
    /// # Errors
    /// Where the instance does not start or refuses its configuration.
    pub fn stage(self: &Arc<Self>, rule: &str, config: String) -> Result<Arc<dyn Stage>, StageFault> {
        let stage = WasmStage::new(self.clone(), rule, config);
        on_own_thread(|| stage.start().map(drop))?;
        Ok(Arc::new(stage))
    }
}

/// A guest may block in WASI, which must not happen on a thread of an async runtime.
fn on_own_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn check_size(bytes: &[u8], limit_bytes: u64) -> Result<(), PluginError> {
    let bytes = bytes.len() as u64;
    if bytes > limit_bytes { Err(PluginError::TooLarge { bytes, limit_bytes }) } else { Ok(()) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
