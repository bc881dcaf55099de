//! Figures of the plugin's own in Tidegate's `/metrics`. The rule must grant it: `grants = ["metrics"]`.
//!
//! Names are of `a-z`, `0-9` and `_`, at most 64 characters.

use crate::raw::host;

/// Adds to a counter, which all lanes share.
pub fn count(name: &str, by: u64) {
    host::count(name, by);
}

/// Sets a gauge. Where several lanes set it, the last one counts.
pub fn gauge(name: &str, value: f64) {
    host::gauge(name, value);
}
