//! WebAssembly component plugins as stages: bytes in (`Engine::load`), a `Plugin` that is compiled and linked, a `Stage`
//! that is configured, an `Instance` per lane that runs.
//!
//! Invariants: only this module names wasmtime; a guest call always ends, within its time, memory and output, or by an
//! error; after an error the instance is never entered again; a guest's text is data, escaped and cut before anyone
//! reads it. The contract is `wit/`; why it is as it is: `docs/decisions/0002-plugin-contract.md`.

mod bindings;
mod budget;
mod clean;
mod contract;
mod convert;
pub mod embedded;
mod engine;
mod fault;
mod host_api;
mod log_desk;
mod plugin;
mod stage;
mod ticker;
mod wasi;

pub use contract::CONTRACT;
pub use engine::Engine;
pub use plugin::{Plugin, PluginError};
