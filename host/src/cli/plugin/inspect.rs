//! `tidegate plugin inspect`: what a plugin file is. Nothing of it is run.

use serde::Serialize;

use super::{Target, print_json, tell_troubles};
use crate::cli::{Exit, Format, print};
use crate::config::PluginLimits;
use crate::plugin_tools::advice::Trouble;
use crate::plugin_tools::anatomy::Anatomy;
use crate::plugin_tools::subject::Subject;
use crate::wasm::CONTRACT;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    file: String,
    bytes: usize,
    sha256: &'a str,
    /// What it was built for.
    contract: Option<&'a str>,
    /// What this program offers.
    offered: &'static str,
    imports: &'a [String],
    exports: &'a [String],
    grants: Vec<&'a str>,
    trusted: bool,
    limits: Limits,
    problems: Vec<Trouble>,
}

#[derive(Serialize)]
struct Limits {
    memory_bytes: u64,
    call_ms: u128,
    init_ms: u128,
    output_bytes: u64,
    file_bytes: u64,
    log_lines_per_s: u32,
}

/// Exit 1 where the file is no component.
pub fn inspect(arguments: &Arguments) -> Exit {
    let subject = match arguments.target.read() {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    let read = Anatomy::read(&subject.bytes);
    let trouble = subject.oversize().or_else(|| read.as_ref().err().map(|error| unreadable(&subject, error)));
    let troubles: Vec<Trouble> = trouble.into_iter().collect();
    let anatomy = read.unwrap_or_default();
    match arguments.target.format() {
        Format::Json => print_json(&answer(&subject, &anatomy, troubles.clone())),
        Format::Human if troubles.is_empty() => drop(print(&text(&answer(&subject, &anatomy, Vec::new())))),
        Format::Human => tell_troubles(&subject.path, &troubles),
    }
    if troubles.is_empty() { Exit::Fine } else { Exit::FoundProblems }
}

fn unreadable(subject: &Subject, error: &str) -> Trouble {
    Trouble::error(
        "not-wasm",
        format!("plugin `{}`: the file cannot be read as WebAssembly: {error}", subject.name),
        "`tidegate plugin check` tells more",
    )
}

fn answer<'a>(subject: &'a Subject, anatomy: &'a Anatomy, problems: Vec<Trouble>) -> Answer<'a> {
    Answer {
        name: &subject.name,
        file: subject.file(),
        bytes: subject.bytes.len(),
        sha256: &subject.sha256,
        contract: anatomy.contract(),
        offered: CONTRACT,
        imports: &anatomy.imports,
        exports: &anatomy.exports,
        grants: anatomy.grants(),
        trusted: subject.settings.trusted,
        limits: Limits::of(&subject.settings.limits),
        problems,
    }
}

impl Limits {
    fn of(limits: &PluginLimits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            call_ms: limits.call.as_millis(),
            init_ms: limits.init.as_millis(),
            output_bytes: limits.output_bytes,
            file_bytes: limits.file_bytes,
            log_lines_per_s: limits.log_lines_per_s,
        }
    }
}

fn text(answer: &Answer<'_>) -> String {
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join("\n            ") };
    let names = |names: &[String]| list(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let contract = answer.contract.unwrap_or("none: it does not export `tidegate:plugin/transform`");
    let limits = &answer.limits;
    format!(
        "name        {}\nfile        {} ({} bytes)\nsha256      {}\ncontract    {contract} (offered here: {})\n\
         imports     {}\nexports     {}\ngrants      {}\nlimits      memory {} MiB, call {} ms, init {} ms, output {} MiB, \
         file {} MiB, log {} lines/s\ntrusted     {}\n",
        answer.name,
        answer.file,
        answer.bytes,
        answer.sha256,
        answer.offered,
        names(answer.imports),
        names(answer.exports),
        list(&answer.grants),
        limits.memory_bytes >> 20,
        limits.call_ms,
        limits.init_ms,
        limits.output_bytes >> 20,
        limits.file_bytes >> 20,
        limits.log_lines_per_s,
        answer.trusted,
    )
}
