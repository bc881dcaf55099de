//! Sparkplug B for a host.
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
