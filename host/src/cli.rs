//! The commands. Exit codes: 0 fine, 1 found problems, 2 used wrongly or could not run.

pub mod check;
pub mod demo;
pub mod dlq;
pub mod explain;
pub mod plugin;
pub mod run;
pub mod today;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::app::reading;
use crate::config::{self, Config, Problem, report};

/// Exit codes of all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Fine,
    FoundProblems,
    CouldNotRun,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::FoundProblems => Self::from(1),
            Exit::CouldNotRun => Self::from(2),
        }
    }
}

/// MQTT to Kafka through WebAssembly plugins, acknowledged end to end.
#[derive(Parser)]
#[command(name = "tidegate", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the bridge until SIGTERM or SIGINT, then drain; SIGHUP reloads.
    Run(run::Arguments),
    /// Read everything that `run` would and tell all problems; touches no broker.
    Check(check::Arguments),
    /// Show which rules a topic has and what would be produced; touches no broker.
    Explain(explain::Arguments),
    /// Run a simulated plant through an embedded MQTT broker, the bridge and an embedded Kafka.
    Demo(demo::Arguments),
    /// Write, build, try and measure plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Look at dead letters and send them again.
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print a completion script for a shell.
    Completion {
        /// Which shell.
        shell: Shell,
    },
}

/// Where the configuration is.
#[derive(clap::Args, Clone, Debug)]
pub struct ConfigPaths {
    /// A configuration file or folder; may be repeated. Default: ./tidegate.toml, then /etc/tidegate/tidegate.toml.
    #[arg(short = 'c', long = "config", value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl ConfigPaths {
    /// The paths that were given; none means the default places.
    #[must_use]
    pub fn given(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Reads the configuration; tells people what is wrong.
    ///
    /// # Errors
    /// The exit code, where it cannot be used. What is wrong has been told on stderr.
    pub fn load(&self) -> Result<Config, Exit> {
        let loaded = reading::read(&self.paths).map_err(|error| {
            complain(&error);
            Exit::CouldNotRun
        })?;
        tell(&loaded.problems);
        loaded.config.ok_or(Exit::FoundProblems)
    }
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Human,
    Json,
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let exit = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Plugin(command) => plugin::run(&command),
        Command::Dlq(command) => dlq::dlq(&command),
        Command::Schema => print(&format!("{:#}\n", config::schema::schema())),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tidegate", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    };
    exit.into()
}

/// Writes a result to stdout; a reader that has gone away is no error.
pub fn print(text: &str) -> Exit {
    let _reader_gone = std::io::stdout().lock().write_all(text.as_bytes());
    Exit::Fine
}

/// Tells problems on stderr, for people.
pub fn tell(problems: &[Problem]) {
    if !problems.is_empty() {
        eprint!("{}", report::human(problems));
    }
}

/// Tells an error with all its causes on stderr.
pub fn complain(error: &dyn std::error::Error) {
    let mut line = format!("tidegate: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    eprintln!("{line}");
}
