//! Builds guests from their sources, once per test run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::{env, fs};

pub(crate) const BARE: &str = "wasm32-unknown-unknown";
pub(crate) const WASI: &str = "wasm32-wasip2";

/// The component of the crate in `folder`, relative to the repository.
pub(crate) fn built(folder: &str, target: &str) -> Arc<[u8]> {
    static BUILT: OnceLock<Mutex<HashMap<String, Arc<[u8]>>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap();
    built.entry(format!("{folder} {target}")).or_insert_with(|| build(folder, target).into()).clone()
}

pub(crate) fn hostile() -> Arc<[u8]> {
    built("tests/guests/hostile", BARE)
}

pub(crate) fn identity() -> Arc<[u8]> {
    built("plugins/identity", BARE)
}

/// Whether the toolchain can build for `target`.
pub(crate) fn can_build(target: &str) -> bool {
    let told = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output().unwrap();
    Path::new(String::from_utf8(told.stdout).unwrap().trim()).is_dir()
}

fn build(folder: &str, target: &str) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--locked", "--target", target]).current_dir(&source);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    let status = cargo.env("CARGO_TARGET_DIR", &out).status().unwrap();
    assert!(status.success(), "build {folder} for {target}");
    let name = format!("{}.wasm", source.file_name().unwrap().to_str().unwrap().replace('-', "_"));
    fs::read(out.join(target).join("release").join(name)).unwrap()
}
