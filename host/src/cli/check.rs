//! `tidegate check`: everything that `run` would read, and all that is wrong with it.

use std::sync::Arc;

use super::{ConfigPaths, Exit, Format, complain, print, tell};
use crate::app::reading;
use crate::app::shelf::Shelf;
use crate::app::snapshots::Builder;
use crate::config::{Config, Problem, Severity, report};
use crate::meters::Meters;
use crate::wasm::Engine;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigPaths,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Exit 1 where there is an error, 0 where there are warnings only.
pub fn check(arguments: &Arguments) -> Exit {
    let loaded = match reading::read(arguments.config.given()) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error);
            return Exit::CouldNotRun;
        }
    };
    let mut problems = loaded.problems;
    if let Some(config) = &loaded.config {
        match plugin_problems(config) {
            Ok(found) => problems.extend(found),
            Err(exit) => return exit,
        }
    }
    match arguments.format {
        Format::Json => print_json(&problems),
        Format::Human => tell(&problems),
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match (errors, arguments.format) {
        (0, Format::Human) => print("The configuration is fine.\n"),
        (0, Format::Json) => Exit::Fine,
        (_, _) => Exit::FoundProblems,
    }
}

fn print_json(problems: &[Problem]) {
    match report::json(problems) {
        Ok(document) => drop(print(&(document + "\n"))),
        Err(error) => complain(&error),
    }
}

/// Loads every plugin, as a start would, and those that no rule uses.
fn plugin_problems(config: &Config) -> Result<Vec<Problem>, Exit> {
    let engine = Engine::new().map_err(|error| {
        complain(&error);
        Exit::CouldNotRun
    })?;
    let mut builder = Builder::new(config, Shelf::new(engine), Arc::new(Meters::default()));
    let mut problems = builder.build(config, None).err().unwrap_or_default();
    problems.extend(builder.broken_unused(config));
    Ok(problems)
}
