//! The engine: how guest code is compiled, and the clock that ends it.

use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{Config, OptLevel};

use crate::config::PluginLimits;

use super::compile::Compiler;
use super::fault;
use super::guest::Guest;
use super::plugin::{Plugin, PluginError};
use super::services::Spaces;
use super::ticker::Ticker;
use super::versions;

/// Address space behind each linear memory that traps instead of reaching a neighbour. The reservation before it stays
/// at wasmtime's default: lowering that would bring bounds checks, half again as slow.
const MEMORY_GUARD_BYTES: u64 = 32 << 20;

/// Whose code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Checked for its time limit at each loop and call: 10 to 30 % slower.
    Stranger,
    /// `trusted = true`: no time limit.
    Trusted,
}

/// Compiles and links plugins; one per process.
pub struct Engine {
    strangers: Part,
    trusted: Part,
    ticker: Ticker,
    pub(super) compiler: Compiler,
    /// What plugins keep, as long as the process lives.
    pub(super) spaces: Spaces,
}

/// One way of compiling, with what its guests may call.
pub(super) struct Part {
    pub(super) engine: wasmtime::Engine,
    pub(super) linker: Linker<Guest>,
}

impl Engine {
    /// # Errors
    /// Where the machine is not supported or no thread can be started.
    pub fn new() -> Result<Arc<Self>, PluginError> {
        let told = |text: String| PluginError::Engine { text };
        let part = |trust| Part::new(trust).map_err(|error| told(fault::one_line(&error)));
        let (strangers, trusted) = (part(Trust::Stranger)?, part(Trust::Trusted)?);
        let ticker = Ticker::start(strangers.engine.clone()).map_err(|error| told(error.to_string()))?;
        Ok(Arc::new(Self { strangers, trusted, ticker, compiler: Compiler::default(), spaces: Spaces::default() }))
    }

    /// Checks, compiles and links the component in `bytes`. Takes some 50 ms for 100 KB of a compiled language and
    /// seconds for an interpreter, on a thread of the lowest priority.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub fn load(
        self: &Arc<Self>,
        name: &str,
        bytes: &[u8],
        trusted: bool,
        limits: PluginLimits,
    ) -> Result<Arc<Plugin>, PluginError> {
        let trust = if trusted { Trust::Trusted } else { Trust::Stranger };
        Plugin::new(self.clone(), name, bytes, trust, limits).map(Arc::new)
    }

    pub(super) fn part(&self, trust: Trust) -> &Part {
        match trust {
            Trust::Stranger => &self.strangers,
            Trust::Trusted => &self.trusted,
        }
    }

    /// Runs a call of a guest, with the clock ticking where its code looks at it.
    pub(super) fn during<T>(&self, trust: Trust, call: impl FnOnce() -> T) -> T {
        match trust {
            Trust::Stranger => self.ticker.during(call),
            Trust::Trusted => call(),
        }
    }
}

impl Part {
    fn new(trust: Trust) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&config(trust))?;
        let mut linker = Linker::new(&engine);
        versions::link(&mut linker)?;
        Ok(Self { engine, linker })
    }
}

fn config(trust: Trust) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false) // a call costs 100 ns instead of 330, and no plugin of this contract is async
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(trust == Trust::Stranger)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .wasm_backtrace_max_frames(None) // its frames are of use to nobody here, and a trap costs less
        .parallel_compilation(false); // the caller's thread has the priority that the caller chose
    config
}
