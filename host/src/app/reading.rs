//! Reads the configuration as every command does: with the process's environment and the built-in plugins.

use std::path::PathBuf;

use crate::config::{self, LoadError, Loaded, Outside};
use crate::wasm::embedded;

/// Reads what `paths` name; none means the default places.
///
/// # Errors
/// Where there is nothing to read.
pub fn read(paths: &[PathBuf]) -> Result<Loaded, LoadError> {
    let env = |name: &str| std::env::var(name).ok();
    config::load(paths, &Outside { env: &env, builtins: embedded::NAMES })
}
