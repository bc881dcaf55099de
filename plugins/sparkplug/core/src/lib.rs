//! Sparkplug B for a host.
pub mod datatype;
pub mod glob;
pub mod json;
pub mod options;
pub mod session;
pub mod topic;
pub mod units;
pub mod value;
pub mod wire;
