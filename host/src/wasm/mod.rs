//! WebAssembly component plugins as stages: bytes in (`Engine::load`), a `Plugin` that is compiled and linked, a `Stage`
//! that is configured, an `Instance` per lane that runs.
//!
//! Invariants: only this module names wasmtime; a guest call always ends, within its time, memory and output, or by an
//! error; after an error the instance is never entered again; a guest's text is data, escaped and cut before anyone
//! reads it. The contract is `wit/`; why it is as it is: `docs/decisions/0002-plugin-contract.md`.

mod budget;
mod circuit;
mod clean;
mod compile;
mod contract;
pub mod embedded;
mod engine;
mod fault;
mod figures;
mod guest;
mod log_desk;
mod lookup;
mod plugin;
mod publish;
mod services;
mod stage;
mod state;
mod ticker;
mod v0_1;
mod versions;
mod wasi;

pub use contract::CONTRACT;
pub use engine::Engine;
pub use plugin::{Plugin, PluginError};
pub use services::Outside;
pub use v0_1::Description;
