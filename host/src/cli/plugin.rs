//! `tidegate plugin …`: what plugin authors type.

pub mod bench;
pub mod build;
pub mod check;
pub mod inspect;
pub mod new;
pub mod test;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde::Serialize;

use super::{ConfigPaths, Exit, Format, complain, print};
use crate::plugin_tools::advice::Trouble;
use crate::plugin_tools::subject::Subject;
use crate::wasm::Engine;

#[derive(Subcommand)]
pub enum Command {
    /// Write a folder with a working plugin, its cases and a README.
    New(new::Arguments),
    /// Build a plugin with its language's own tools, and make the component.
    Build(build::Arguments),
    /// Look at a plugin file: format, imports, contract, grants, and a trial start.
    Check(check::Arguments),
    /// Run the cases that lie beside a plugin: NAME.cases.toml beside NAME.wasm.
    Test(test::Arguments),
    /// Measure what a message costs in a plugin.
    Bench(bench::Arguments),
    /// Show what a plugin file is: digest, contract, imports, exports, grants, limits.
    Inspect(inspect::Arguments),
}

/// Runs one of the commands.
#[must_use]
pub fn run(command: &Command) -> Exit {
    match command {
        Command::New(arguments) => new::new(arguments),
        Command::Build(arguments) => build::build(arguments),
        Command::Bench(arguments) => bench::bench(arguments),
        Command::Check(arguments) => check::check(arguments),
        Command::Test(arguments) => test::test(arguments),
        Command::Inspect(arguments) => inspect::inspect(arguments),
    }
}

/// The plugin file, and whose settings apply to it.
#[derive(clap::Args)]
pub struct Target {
    /// The plugin: NAME.wasm.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigPaths,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Target {
    /// Reads the file.
    ///
    /// # Errors
    /// The exit code; what is wrong has been told.
    pub fn read(&self) -> Result<Subject, Exit> {
        let config = match self.config.given() {
            [] => None,
            _ => Some(self.config.load()?),
        };
        Subject::read(&self.file, config.as_ref().map(|config| &config.plugins)).map_err(|error| {
            eprintln!("tidegate: read {}: {error}", self.file.display());
            if self.file.is_dir() {
                eprintln!("  = help: name the `.wasm` file in it; `tidegate plugin build` makes it");
            }
            Exit::CouldNotRun
        })
    }

    /// For people or for programs.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }
}

/// The engine that the bridge would use.
///
/// # Errors
/// The exit code; what is wrong has been told.
pub fn engine() -> Result<Arc<Engine>, Exit> {
    Engine::new().map_err(|error| {
        complain(&error);
        Exit::CouldNotRun
    })
}

/// Tells troubles of the plugin in `file` to people.
pub fn tell_troubles(file: &Path, troubles: &[Trouble]) {
    for trouble in troubles {
        eprintln!("{}[{}]: {}\n --> {}", trouble.severity, trouble.code, trouble.message, file.display());
        if let Some(help) = &trouble.help {
            eprintln!("  = help: {help}");
        }
    }
}

/// One JSON document on stdout.
pub fn print_json(document: &impl Serialize) {
    match serde_json::to_string_pretty(document) {
        Ok(text) => drop(print(&(text + "\n"))),
        Err(error) => complain(&error),
    }
}
