//! The time of day. The rule must grant it: `grants = ["clock"]`. A message's own time needs no grant.

use crate::raw::host;

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    host::now_ms()
}

/// Microseconds since a moment of the past that stays the same while Tidegate runs; never goes back.
#[must_use]
pub fn monotonic_us() -> u64 {
    host::monotonic_us()
}
