//! What must outlive the instance: Tidegate's state holds the engine's pieces under their own keys.

use tidegate_guest_sdk::{log, state};

/// Of the piece that every node has (`core/src/engine/memory.rs`).
const HEAD: &str = "/head#0";

/// A key of every node that this lane has kept.
pub fn nodes() -> Vec<String> {
    state::keys("").filter(|key| key.ends_with(HEAD)).collect()
}

pub fn load(key: &str) -> Option<Vec<u8>> {
    state::get(key)
}

/// What cannot be kept is still known to this instance.
pub fn store(key: &str, value: Option<&[u8]>) {
    let stored = match value {
        Some(value) => state::set(key, value),
        None => state::delete(key),
    };
    if let Err(refusal) = stored {
        log::warn(&format!("{key} will not outlive a reload: {refusal}"));
    }
}
