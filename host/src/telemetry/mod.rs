//! What the process tells about itself: logs, and the metrics page.
//!
//! Invariant: telling never blocks the data path. A log line that finds no room is dropped and counted; a metric is an
//! atomic that is read when someone asks.

pub mod families;
pub mod log_queue;
pub mod logs;
pub mod openmetrics;
pub mod process;

pub use logs::{LogError, LogFormat, LogGuard, LogSettings};
