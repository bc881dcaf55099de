//! The commands that the chores are made of, each with its time limit.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::group;
use crate::place::{root, target};

/// Something to do, with a name for the report.
pub(crate) struct Step {
    pub(crate) name: String,
    limit: Duration,
    command: Command,
}

impl Step {
    /// Runs it and says on failure what failed and how to repeat it.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let line = line(&self.command);
        println!("── {}: {line}", self.name);
        group::run(&mut self.command, self.limit).map_err(|trouble| format!("{} {trouble}; repeat: {line}", self.name))
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }
}

/// `cargo` with these arguments in the root.
pub(crate) fn cargo(name: &str, minutes: u64, arguments: &[&str]) -> Step {
    program(name, minutes, "cargo", arguments)
}

/// A program with these arguments in the root.
pub(crate) fn program(name: &str, minutes: u64, program: &str, arguments: &[&str]) -> Step {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    Step { name: name.to_owned(), limit: Duration::from_secs(minutes * 60), command }
}

/// Builds everything at once in one profile: asked for piece by piece, cargo would choose other features for each piece
/// and build the big dependencies again.
pub(crate) fn build() -> Step {
    cargo("build", 40, &["build", "--profile", "fast", "--workspace", "--all-targets"])
}

/// `cargo xtask bench`.
pub(crate) fn bench(arguments: &[&str]) -> Result<(), String> {
    build().run()?;
    let bench = target().join("fast").join("bench").display().to_string();
    program("bench", 120, &bench, arguments).run()
}

/// `cargo xtask faults`.
pub(crate) fn faults(arguments: &[&str]) -> Result<(), String> {
    build().run()?;
    fault_matrix(1_500, arguments).run()
}

/// The fault matrix, built before.
pub(crate) fn fault_matrix(minutes: u64, arguments: &[&str]) -> Step {
    let faults = target().join("fast").join("faults").display().to_string();
    program("fault matrix", minutes, &faults, arguments)
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| match word.to_string_lossy() {
        word if word.contains([' ', '*', ';', '$']) => format!("'{word}'"),
        word => word.into_owned(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}
