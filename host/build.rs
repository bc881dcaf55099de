//! Builds the plugins that the binary carries, from their sources in `plugins/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Folders in `plugins/` whose component is embedded.
const EMBEDDED: [&str; 3] = ["plant", "identity", "sparkplug"];
const TARGET: &str = "wasm32-unknown-unknown";
/// Set by cargo for this script and meant for the host's build, not for the plugins'.
const NOT_INHERITED: [&str; 8] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MANIFEST",
    "CARGO_PKG_",
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_PROFILE_",
    "CARGO_BUILD_",
    "RUSTC_WORKSPACE_WRAPPER",
];

fn main() {
    let root = folder("CARGO_MANIFEST_DIR").join("..");
    let out = folder("OUT_DIR").join("plugins");
    for source in ["guest-sdk/src", "guest-sdk/Cargo.toml", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    for plugin in EMBEDDED {
        let source = root.join("plugins").join(plugin);
        let parts = ["src", "Cargo.toml", "Cargo.lock", "core/src", "core/Cargo.toml"].map(|part| source.join(part));
        for part in parts.iter().filter(|part| part.exists()) {
            println!("cargo::rerun-if-changed={}", part.display());
        }
        build(plugin, &source, &out);
    }
    embed_texts(&root);
    embed_wasi_stub();
}

/// Leaves `out/texts.rs`: the contract and the SDK's sources, which `plugin new` writes beside a new plugin.
fn embed_texts(root: &Path) {
    let wit = list("WIT", &root.join("wit"));
    let sdk = list("SDK", &root.join("guest-sdk/src"));
    let out = folder("OUT_DIR").join("texts.rs");
    fs::write(&out, wit + &sdk).unwrap_or_else(|error| panic!("write {}: {error}", out.display()));
}

/// The files below `folder` as a constant: path and text, in name order.
fn list(name: &str, folder: &Path) -> String {
    let mut entries = String::new();
    for path in files(folder) {
        let inside = path.strip_prefix(folder).expect("it lies below").to_string_lossy().replace('\\', "/");
        let path = path.canonicalize().unwrap_or_else(|error| panic!("find {}: {error}", path.display()));
        entries.push_str(&format!("    ({inside:?}, include_str!({path:?})),\n"));
    }
    format!("/// Path and text of each file.\npub const {name}: &[(&str, &str)] = &[\n{entries}];\n")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Leaves `out/wasi_stub.wasm`.
fn embed_wasi_stub() {
    let source = folder("CARGO_MANIFEST_DIR").join("templates/wasi/stub.wat");
    println!("cargo::rerun-if-changed={}", source.display());
    let stub = wat::parse_file(&source).unwrap_or_else(|error| panic!("{error}"));
    let out = folder("OUT_DIR").join("wasi_stub.wasm");
    fs::write(&out, stub).unwrap_or_else(|error| panic!("write {}: {error}", out.display()));
}

/// Leaves the component as `out/NAME.wasm`.
fn build(plugin: &str, source: &Path, out: &Path) {
    // Its own target folder: the one of the outer build is locked by the cargo that waits for us.
    let target = out.join("target");
    let status = command(source, &target).status().expect("cargo started us, so it can be started");
    assert!(
        status.success(),
        "build the plugin `{plugin}`: needs the target {TARGET} (`rustup target add {TARGET}` if rustup did not add it by itself)"
    );
    let built = target.join(TARGET).join("release").join(format!("{plugin}.wasm"));
    let wanted = out.join(format!("{plugin}.wasm"));
    fs::copy(&built, &wanted).unwrap_or_else(|error| panic!("copy {}: {error}", built.display()));
}

fn command(source: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets CARGO for build scripts"));
    cargo.args(["build", "--release", "--locked", "--target", TARGET]).current_dir(source);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| NOT_INHERITED.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(&name);
        }
    }
    cargo.env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", target);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-component-ld");
    cargo
}

fn folder(name: &str) -> PathBuf {
    env::var_os(name).expect("cargo sets the folders of a build script").into()
}
