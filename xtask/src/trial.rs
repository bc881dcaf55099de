//! `cargo xtask test`: all steps in order; a failed step does not keep the later ones from telling what they see.

use std::time::Instant;

use crate::place::{packages, root, target};
use crate::steps::{Step, build, cargo, fault_matrix};
use crate::{tidy, tools};

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// No server.
    Quick,
    /// Real servers, at a scale for every run.
    Full,
    /// Real servers, at the scale of a release.
    Long,
}

impl Tier {
    /// What the tests are told.
    fn scale(self) -> &'static str {
        match self {
            Self::Quick | Self::Full => "full",
            Self::Long => "long",
        }
    }
}

/// Counts what passed and failed.
#[derive(Default)]
struct Report {
    passed: usize,
    failed: Vec<String>,
}

impl Report {
    fn take(&mut self, name: &str, step: impl FnOnce() -> Result<(), String>) -> bool {
        let started = Instant::now();
        let outcome = step();
        let took = started.elapsed().as_secs();
        match &outcome {
            Ok(()) => println!("── {name}: passed in {took} s"),
            Err(text) => println!("── {name}: FAILED in {took} s: {text}"),
        }
        match outcome {
            Ok(()) => self.passed += 1,
            Err(text) => self.failed.push(text),
        }
        self.failed.is_empty()
    }

    fn step(&mut self, step: Step) -> bool {
        let name = step.name.clone();
        self.take(&name, || step.run())
    }
}

/// Runs all steps of `tier`.
///
/// # Errors
/// At least one failed.
pub(crate) fn run(tier: Tier) -> Result<(), String> {
    let mut report = Report::default();
    report.take("tools", || match tier {
        Tier::Quick => tools::for_building(),
        Tier::Full | Tier::Long => tools::run(),
    });
    report.step(cargo("format", 2, &["fmt", "--all", "--check"]));
    report.take("tidy", tidy::run);
    if report.step(build()) {
        checks(&mut report, tier);
        plugins(&mut report);
        end_to_end(&mut report, tier);
    }
    conclude(&report)
}

fn conclude(report: &Report) -> Result<(), String> {
    for text in &report.failed {
        println!("FAILED: {text}");
    }
    println!("{} passed, {} failed", report.passed, report.failed.len());
    match report.failed.len() {
        0 => Ok(()),
        count => Err(format!("{count} steps failed")),
    }
}

fn checks(report: &mut Report, tier: Tier) {
    let lints = ["clippy", "--profile", "fast", "--workspace", "--all-targets", "--", "-D", "warnings"];
    report.step(cargo("lints", 15, &lints));
    // With the scripted end-to-end tests; those with real servers are marked `ignored` and come last.
    let tests = ["test", "--profile", "fast", "--workspace", "--no-fail-fast"];
    let tests = cargo("tests without servers", 25, &tests).env("RUST_TEST_THREADS", "2");
    report.step(tests.env("TIDEGATE_TIER", tier.scale()));
}

/// Plugins and the guests of tests lie outside the workspace: they are built for another machine. Their own tests run
/// on this one, in one target folder, since they share what they depend on.
fn plugins(report: &mut Report) {
    let built = target().join("plugins").display().to_string();
    for folder in [packages(&root().join("plugins")), packages(&root().join("tests/guests"))].concat() {
        let name = folder.file_name().unwrap_or_default().display().to_string();
        report.step(cargo(&format!("format of {name}"), 2, &["fmt", "--all", "--check"]).within(&folder));
        let tests = cargo(&format!("tests of {name}"), 10, &["test", "--quiet", "--locked"]).within(&folder);
        report.step(tests.env("CARGO_TARGET_DIR", &built));
    }
}

/// Rows of the fault matrix for every run: the kinds of loss that matter most, in some minutes.
const ROWS: [&str; 9] = ["B1", "K1", "K3", "K4", "K9", "K10", "K11", "M1", "M2"];

fn rows_of_every_run() -> Vec<&'static str> {
    ROWS.iter().flat_map(|row| ["--row", *row]).collect()
}

/// The tests with real servers, one by one.
fn end_to_end(report: &mut Report, tier: Tier) {
    let minutes = if tier == Tier::Long { 180 } else { 25 };
    let mut arguments = vec!["test", "--profile", "fast", "--workspace", "--test", "e2e", "--"];
    arguments.extend(["--test-threads=1", "--nocapture", "--ignored", "full::"]);
    if tier != Tier::Quick {
        report.step(cargo("end to end, real servers", minutes, &arguments).env("TIDEGATE_TIER", tier.scale()));
        report.step(match tier {
            Tier::Quick | Tier::Full => fault_matrix(15, &rows_of_every_run()),
            Tier::Long => fault_matrix(240, &["--all"]),
        });
    }
}
