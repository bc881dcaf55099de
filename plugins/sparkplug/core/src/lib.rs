//! Sparkplug B for a host.
pub mod datatype;
pub mod glob;
pub mod json;
pub mod options;
pub mod units;
pub mod wire;
