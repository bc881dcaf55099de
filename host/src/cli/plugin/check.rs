//! `tidegate plugin check`: all that a start of the bridge would find wrong with a plugin file.

use std::sync::Arc;

use serde::Serialize;

use super::{Target, engine, print_json, tell_troubles};
use crate::cli::{Exit, Format, print};
use crate::config::cases;
use crate::plugin_tools::advice::Trouble;
use crate::plugin_tools::subject::Subject;
use crate::wasm::{CONTRACT, Engine};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Given to `init` at the trial start: JSON. Default: `config` of the cases beside the plugin, else nothing.
    #[arg(long, value_name = "JSON")]
    init_config: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    plugin: &'a str,
    file: String,
    sha256: &'a str,
    /// What it was built for; what is offered here is `offered`.
    contract: Option<&'a str>,
    offered: &'static str,
    grants: Vec<&'a str>,
    problems: &'a [Trouble],
}

/// Exit 1 where the plugin cannot be used.
pub fn check(arguments: &Arguments) -> Exit {
    let subject = match arguments.target.read() {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    let engine = match engine() {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    let problems: Vec<Trouble> = trouble(&subject, &engine, arguments.init_config.as_deref()).into_iter().collect();
    let anatomy = subject.anatomy();
    match arguments.target.format() {
        Format::Json => print_json(&Answer {
            plugin: &subject.name,
            file: subject.file(),
            sha256: &subject.sha256,
            contract: anatomy.contract(),
            offered: CONTRACT,
            grants: anatomy.grants(),
            problems: &problems,
        }),
        Format::Human => tell_troubles(&subject.path, &problems),
    }
    match (problems.is_empty(), arguments.target.format()) {
        (true, Format::Human) => print(&format!("{}: plugin `{}` is fine.\n", subject.file(), subject.name)),
        (true, Format::Json) => Exit::Fine,
        (false, _) => Exit::FoundProblems,
    }
}

/// The first thing that is wrong; what comes after it cannot be tried.
fn trouble(subject: &Subject, engine: &Arc<Engine>, config: Option<&str>) -> Option<Trouble> {
    let plugin = match subject.load(engine) {
        Ok(plugin) => plugin,
        Err(trouble) => return Some(trouble),
    };
    let config = config.map_or_else(|| config_of_cases(subject), str::to_owned);
    plugin.stage("check", config).err().map(|fault| Trouble::of_fault(&fault))
}

/// What the cases beside the plugin give to `init`: a configuration that its author knows to be right.
pub fn config_of_cases(subject: &Subject) -> String {
    let path = subject.cases_path();
    let loaded = if path.is_file() { cases::load(&path).ok() } else { None };
    loaded.and_then(|loaded| loaded.cases.into_iter().next()).map(|case| case.config).unwrap_or_default()
}
