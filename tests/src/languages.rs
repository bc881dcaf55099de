//! The languages that plugins are written in, and the tools that `cargo xtask tools` has installed for them.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::places::target;

/// Each with a program that tells whether it can be built here.
pub const LANGUAGES: [(&str, &str, &[&str]); 8] = [
    ("rust", "cargo", &["--version"]),
    ("c", "clang", &["--version"]),
    ("cpp", "clang++", &["--version"]),
    ("zig", "python3", &["-m", "ziglang", "version"]),
    ("go", "go", &["version"]),
    ("python", "componentize-py", &["--version"]),
    ("javascript", "componentize-qjs", &["--help"]),
    ("typescript", "tsc", &["--version"]),
];

/// The search path with the installed tools in front.
///
/// # Panics
/// Where a folder's name cannot be part of a search path.
#[must_use]
pub fn search_path() -> OsString {
    let tools = target().join("tools").join("languages");
    let mut folders: Vec<PathBuf> = vec![tools.join("python/bin"), tools.join("javascript/node_modules/.bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    env::join_paths(folders).expect("no folder has a colon in its name")
}

/// Whether the program runs with the installed tools at hand.
#[must_use]
pub fn is_there(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new("/usr/bin/env");
    command.arg(program).args(arguments).env("PATH", search_path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
