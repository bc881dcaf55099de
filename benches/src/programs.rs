//! Finds what is measured, and builds it first, so that nobody measures last week's binary.

use crate::args::Args;
use crate::bridge::Program;
use crate::failure::{Failure, Tried};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Target of the plugins in `plugins/`; their own settings make the output a component.
const PLUGIN_TARGET: &str = "wasm32-unknown-unknown";

/// What this bench compares.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The hand-written bridge.
    pub baseline: Program,
    /// Tidegate, or the baseline again when that was asked for or there is no Tidegate.
    pub subject: Program,
    /// The plugin that passes everything; none with the reason.
    pub identity: Result<PathBuf, String>,
}

impl Programs {
    /// Builds what is not given and looks where it should be.
    ///
    /// # Errors
    /// When the baseline cannot be built or found.
    pub fn find(args: &Args) -> Tried<Self> {
        let folder = own_folder()?;
        if !args.no_build {
            cargo_build(&folder, "tidegate-benches", "baseline")?;
        }
        let baseline = Program::Baseline(existing(folder.join("baseline"))?);
        let subject = if args.control { baseline.clone() } else { Program::Tidegate(tidegate(args, &folder)?) };
        let identity = args.identity.clone().map_or_else(|| build_identity(args), Ok);
        Ok(Programs { baseline, subject, identity: identity.map_err(|failure| failure.to_string()) })
    }

    /// Whether the baseline is measured against itself.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.subject == self.baseline
    }
}

fn tidegate(args: &Args, folder: &Path) -> Tried<PathBuf> {
    if let Some(path) = &args.tidegate {
        return existing(path.clone());
    }
    if !args.no_build {
        cargo_build(folder, "tidegate", "tidegate")?;
    }
    existing(folder.join("tidegate"))
}

/// Builds a program in the profile in which the bench itself was built.
fn cargo_build(folder: &Path, package: &str, program: &str) -> Tried<()> {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--profile", profile, "--package", package, "--bin", program]);
    run(&mut cargo, &format!("build {program}"))
}

fn build_identity(args: &Args) -> Tried<PathBuf> {
    let source = workspace().join("plugins/identity");
    let target = workspace().join("target/bench-plugins");
    if !args.no_build {
        let mut cargo = cargo();
        cargo.args(["build", "--quiet", "--release", "--target", PLUGIN_TARGET]);
        cargo.current_dir(existing(source)?).env("CARGO_TARGET_DIR", &target);
        run(&mut cargo, "build the plugin identity")?;
    }
    existing(target.join(PLUGIN_TARGET).join("release/identity.wasm"))
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).stdin(Stdio::null()).stdout(Stdio::null());
    cargo
}

fn run(command: &mut Command, what: &str) -> Tried<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{what}: cargo ended with {status}"))) }
}

fn existing(path: PathBuf) -> Tried<PathBuf> {
    if path.exists() { Ok(path) } else { Err(Failure::new(format!("there is no {}", path.display()))) }
}

fn own_folder() -> Tried<PathBuf> {
    let program = std::env::current_exe()?;
    program.parent().map(Path::to_path_buf).ok_or_else(|| Failure::new("the bench lies in no folder"))
}

/// The folder of the workspace that this bench was built from.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
