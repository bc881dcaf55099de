//! `tidegate plugin build`.

use std::path::PathBuf;
use std::time::Instant;

use crate::cli::{Exit, print};
use crate::plugin_tools::build::build as build_plugin;
use crate::plugin_tools::compiler::BuildError;

#[derive(clap::Args)]
pub struct Arguments {
    /// The plugin's folder, which holds `plugin.toml`.
    #[arg(default_value = ".")]
    path: PathBuf,
}

/// Exit 1 where the sources have errors, 2 where nothing could be tried: no plugin, or a tool missing.
pub fn build(arguments: &Arguments) -> Exit {
    let began = Instant::now();
    match build_plugin(&arguments.path) {
        Ok(built) => print(&format!(
            "{}: {} bytes, from {} in {:.1} s\n",
            built.component.display(),
            built.bytes,
            built.language.title(),
            began.elapsed().as_secs_f64()
        )),
        Err(error) => {
            eprintln!("tidegate: build {}: {error}", arguments.path.display());
            exit(&error)
        }
    }
}

fn exit(error: &BuildError) -> Exit {
    match error {
        BuildError::NoPlugin { .. } | BuildError::ToolMissing { .. } => Exit::CouldNotRun,
        BuildError::Failed { .. } | BuildError::Component { .. } => Exit::FoundProblems,
    }
}
