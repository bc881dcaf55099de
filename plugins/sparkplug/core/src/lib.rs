//! Sparkplug B for a host: decodes, remembers, decides. Start at [`engine::Engine`].
//!
//! Absent on purpose: clocks, sockets, threads, wasm. Time and events come in, effects go out through [`host::Host`].
//! Nothing from outside may panic, hang or grow past [`options::Limits`].

pub mod datatype;
pub mod engine;
pub mod glob;
pub mod host;
pub mod json;
pub mod options;
pub mod output;
pub mod session;
pub mod topic;
pub mod units;
pub mod value;
pub mod wire;
