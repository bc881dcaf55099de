//! SHA-256, as digests of plugins and dead letters are written.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Lower-case hex, 64 characters.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
