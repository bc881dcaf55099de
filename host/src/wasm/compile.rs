//! Compiles components beside the data path: on a thread of its own, at the lowest priority, within a time.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use wasmtime::component::Component;

use super::fault;
use super::plugin::PluginError;

/// Compilations that may still run although nobody waits for them any more: wasmtime cannot end one early.
const OVERDUE_MAX: usize = 2;

/// Where components are compiled.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    /// Alive as long as the thread is.
    overdue: Mutex<Vec<Weak<()>>>,
}

impl Compiler {
    /// Compiles `bytes`, waiting at most `limit`.
    ///
    /// # Errors
    /// What is wrong with the component, or that it takes too long.
    pub(super) fn compile(
        &self,
        engine: &wasmtime::Engine,
        bytes: &[u8],
        limit: Duration,
    ) -> Result<Component, PluginError> {
        if self.overdue() >= OVERDUE_MAX {
            return Err(PluginError::CompilersBusy);
        }
        let (told, answer) = channel();
        let alive = Arc::new(());
        let thread = Arc::downgrade(&alive);
        let (engine, bytes) = (engine.clone(), bytes.to_vec());
        let compile = move || {
            let _alive = alive;
            yield_to_others();
            let _nobody_waits = told.send(Component::new(&engine, &bytes));
        };
        let started = thread::Builder::new().name("compile".into()).spawn(compile);
        started.map_err(|error| PluginError::Engine { text: error.to_string() })?;
        match answer.recv_timeout(limit) {
            Ok(compiled) => compiled.map_err(|error| PluginError::Damaged { text: fault::one_line(&error) }),
            Err(RecvTimeoutError::Timeout) => {
                self.overdue.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
                Err(PluginError::CompilesTooLong { limit_ms: limit.as_millis() })
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(PluginError::Damaged { text: "the compiler failed on it".into() })
            }
        }
    }

    fn overdue(&self) -> usize {
        let mut overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        overdue.retain(|thread| thread.strong_count() > 0);
        overdue.len()
    }
}

/// Gives this thread the lowest priority for the rest of its life.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "there is no safe call for the priority of one thread")]
fn yield_to_others() {
    const LOWEST: i32 = 19;
    // SAFETY: takes three numbers; 0 means the calling thread on Linux. Where it is refused the priority stays.
    let _kept = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LOWEST) };
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}
