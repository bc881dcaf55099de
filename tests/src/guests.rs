//! Plugins for tests, built from their sources when first asked for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::places::{root, target};

const TARGET: &str = "wasm32-unknown-unknown";
/// One build at a time: cargo would only wait for itself.
static BUILDING: Mutex<()> = Mutex::new(());

/// The component of `plugins/NAME` or `tests/guests/NAME`.
///
/// # Panics
/// Where there is no such source or it cannot be built.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    let _one_at_a_time = BUILDING.lock().expect("no build panics while others wait");
    let source = source(name);
    // Its own target folder: the usual one may be locked by the cargo that runs these tests.
    let built = target().join("guests");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "--target", TARGET]).current_dir(&source);
    cargo.env("CARGO_TARGET_DIR", &built).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "build {}: {status}", source.display());
    let file = format!("{}.wasm", name.replace('-', "_"));
    let component = built.join(TARGET).join("release").join(file);
    if component.is_file() { component } else { component.with_file_name(format!("{name}.wasm")) }
}

fn source(name: &str) -> PathBuf {
    let places = [root().join("plugins").join(name), root().join("tests/guests").join(name)];
    let has_source = |folder: &&PathBuf| Path::join(folder, "Cargo.toml").is_file();
    places.iter().find(has_source).unwrap_or_else(|| panic!("there is no plugin `{name}`")).clone()
}
