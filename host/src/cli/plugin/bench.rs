//! `tidegate plugin bench`: what a message costs.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::check::config_of_cases;
use super::{Target, engine, print_json, tell_troubles};
use crate::cli::{Exit, Format, print};
use crate::pipeline::chain::BATCH_MESSAGES_MAX;
use crate::plugin_tools::bench::inputs::{self, Input};
use crate::plugin_tools::bench::{Measured, Plan, Size, Spread, measure};
use crate::plugin_tools::subject::Subject;

/// What is measured where `--batch` does not say otherwise; the last is what the bridge does under load.
const BATCHES: [usize; 3] = [1, 16, BATCH_MESSAGES_MAX];
/// A larger batch is never made by the bridge.
const BATCH_MAX: u64 = 4096;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The messages: a file (one payload), a folder (a payload each file), or *.jsonl (a payload or a recorded message
    /// each line). Default: made-up JSON of some 200 bytes.
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// The topic of messages that come without one.
    #[arg(long)]
    topic: Option<String>,
    /// How many messages to measure for each batch size. Default: as many as are needed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Messages in one call. Default: 1, 16 and 64.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=BATCH_MAX))]
    batch: Option<u64>,
    /// Exit 1 below this many messages a second on one core, at the largest batch.
    #[arg(long, value_name = "N")]
    min_rate: Option<f64>,
    /// Given to `init`: JSON. Default: `config` of the cases beside the plugin, else nothing.
    #[arg(long, value_name = "JSON")]
    init_config: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    plugin: &'a str,
    file: String,
    sha256: &'a str,
    bytes: usize,
    /// Messages a second on one core, at the largest batch.
    messages_per_second: f64,
    ns_per_message: &'a Spread,
    input: InputAnswer,
    batches: Vec<Batch<'a>>,
    outcomes: std::collections::BTreeMap<&'static str, usize>,
    memory_bytes: usize,
    compile_ms: f64,
    instantiate_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_rate: Option<f64>,
    passed: bool,
}

#[derive(Serialize)]
struct InputAnswer {
    messages: usize,
    payload_bytes_mean: usize,
}

#[derive(Serialize)]
struct Batch<'a> {
    batch: usize,
    messages: u64,
    messages_per_second: f64,
    ns_per_message: &'a Spread,
    identity_ns_per_message: &'a Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_ns_per_message: Option<&'a Spread>,
}

/// Exit 1 where the plugin cannot be used, fails, or is slower than asked.
pub fn bench(arguments: &Arguments) -> Exit {
    let subject = match arguments.target.read() {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    let inputs = match arguments.inputs() {
        Ok(inputs) => inputs,
        Err(exit) => return exit,
    };
    let engine = match engine() {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    let plan = Plan {
        inputs,
        batches: arguments.batch.map_or(BATCHES.to_vec(), |batch| vec![usize::try_from(batch).unwrap_or(1)]),
        messages: arguments.messages,
        config: arguments.init_config.clone().unwrap_or_else(|| config_of_cases(&subject)),
    };
    match measure(&subject, &engine, &plan) {
        Ok(measured) => arguments.show(&subject, &plan.inputs, &measured),
        Err(trouble) => {
            match arguments.target.format() {
                Format::Json => print_json(
                    &serde_json::json!({ "plugin": subject.name, "file": subject.file(), "problems": [trouble] }),
                ),
                Format::Human => tell_troubles(&subject.path, &[trouble]),
            }
            Exit::FoundProblems
        }
    }
}

impl Arguments {
    fn inputs(&self) -> Result<Vec<Input>, Exit> {
        let Some(path) = &self.input else { return Ok(inputs::made_up(self.topic.as_deref())) };
        inputs::read(path, self.topic.as_deref()).map_err(|error| {
            eprintln!("tidegate: read {}: {error}", path.display());
            Exit::CouldNotRun
        })
    }

    fn show(&self, subject: &Subject, inputs: &[Input], measured: &Measured) -> Exit {
        let Some(largest) = measured.sizes.last() else { return Exit::CouldNotRun };
        let passed = self.min_rate.is_none_or(|wanted| largest.plugin.per_second() >= wanted);
        let answer = answer(subject, inputs, measured, largest, self.min_rate, passed);
        match self.target.format() {
            Format::Json => print_json(&answer),
            Format::Human => drop(print(&text(&answer, measured))),
        }
        if let (false, Some(wanted)) = (passed, self.min_rate) {
            eprintln!("tidegate: {:.0} messages a second, less than {wanted:.0}", largest.plugin.per_second());
        }
        if passed { Exit::Fine } else { Exit::FoundProblems }
    }
}

fn answer<'a>(
    subject: &'a Subject,
    inputs: &[Input],
    measured: &'a Measured,
    largest: &'a Size,
    min_rate: Option<f64>,
    passed: bool,
) -> Answer<'a> {
    let bytes: usize = inputs.iter().map(|input| input.payload.len()).sum();
    Answer {
        plugin: &subject.name,
        file: subject.file(),
        sha256: &subject.sha256,
        bytes: subject.bytes.len(),
        messages_per_second: largest.plugin.per_second().round(),
        ns_per_message: &largest.plugin,
        input: InputAnswer { messages: inputs.len(), payload_bytes_mean: bytes / inputs.len().max(1) },
        batches: measured.sizes.iter().map(batch).collect(),
        outcomes: measured.outcomes.iter().copied().collect(),
        memory_bytes: measured.memory_bytes,
        compile_ms: ms(measured.compile),
        instantiate_ms: ms(measured.instantiate),
        min_rate,
        passed,
    }
}

fn batch(size: &Size) -> Batch<'_> {
    Batch {
        batch: size.batch,
        messages: size.messages,
        messages_per_second: size.plugin.per_second().round(),
        ns_per_message: &size.plugin,
        identity_ns_per_message: &size.identity,
        native_ns_per_message: size.native.as_ref(),
    }
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn text(answer: &Answer<'_>, measured: &Measured) -> String {
    let mut text = format!(
        "{}: {:.0} messages a second and core ({} inputs of {} bytes)\n\n{:>7}  {:>12}  {:>12}  {:>21}  {:>12}  {:>10}\n",
        answer.file,
        answer.messages_per_second,
        answer.input.messages,
        answer.input.payload_bytes_mean,
        "batch",
        "messages/s",
        "ns/message",
        "p10 to p90",
        "identity ns",
        "native ns"
    );
    for batch in &answer.batches {
        let ns = batch.ns_per_message;
        let spread = format!("{:.0} to {:.0}", ns.p10, ns.p90);
        let native =
            batch.native_ns_per_message.map_or_else(|| "-".to_owned(), |native| format!("{:.0}", native.median));
        let _to_a_text = writeln!(
            text,
            "{:>7}  {:>12.0}  {:>12.0}  {spread:>21}  {:>12.0}  {native:>10}",
            batch.batch, batch.messages_per_second, ns.median, batch.identity_ns_per_message.median
        );
    }
    let outcomes: Vec<_> = answer.outcomes.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let _to_a_text = writeln!(
        text,
        "\noutcomes {}; memory {:.1} MiB; file {} bytes; compiled in {:.1} ms, instance started in {:.3} ms",
        outcomes.join(", "),
        answer.memory_bytes as f64 / f64::from(1 << 20),
        answer.bytes,
        answer.compile_ms,
        answer.instantiate_ms
    );
    if let Some(largest) = measured.sizes.last().filter(|_| std::io::stdout().is_terminal()) {
        let _to_a_text = write!(text, "\nns a message at batch {}:\n{}", largest.batch, largest.plugin.histogram());
    }
    text
}
