//! The measurements, each with the target it has to meet.

mod flood;
mod frozen;
mod latency;
mod mosquitto;
mod still;

use crate::failure::Tried;
use crate::report::{RowReport, Standing};
use crate::rig::{Bench, plain_rules};
use clap::ValueEnum;

/// Rules of every row that does not vary them.
pub const RULES: usize = 100;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// CPU and rate against the baseline, window 1,024.
    #[value(name = "flood-1024")]
    Flood1024,
    /// CPU and rate against the baseline, window 65,535.
    #[value(name = "flood-65535")]
    Flood65535,
    /// What a plugin that passes everything adds.
    Plugin,
    /// 10,000 rules against 10.
    Rules,
    /// CPU against the baseline behind a real Mosquitto, 20,000 messages a second.
    Mosquitto,
    /// Publish to readable at 5,000 messages a second, against what the two brokers alone need.
    Latency,
    /// CPU while Kafka is frozen.
    Frozen,
    /// Memory at rest.
    Rest,
    /// Start to ready.
    Start,
    /// Size of the stripped binary.
    Size,
}

impl Row {
    /// Its name, as given to `--only`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Row::Flood1024 => "flood-1024",
            Row::Flood65535 => "flood-65535",
            Row::Plugin => "plugin",
            Row::Rules => "rules",
            Row::Mosquitto => "mosquitto",
            Row::Latency => "latency",
            Row::Frozen => "frozen",
            Row::Rest => "rest",
            Row::Start => "start",
            Row::Size => "size",
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// When a run cannot be made or does not end.
    pub fn run(self, bench: &mut Bench) -> Tried<RowReport> {
        match self {
            Row::Flood1024 => flood::window_1024(bench),
            Row::Flood65535 => flood::window_65535(bench),
            Row::Plugin => flood::plugin(bench),
            Row::Rules => flood::rules(bench),
            Row::Mosquitto => mosquitto::row(bench),
            Row::Latency => latency::row(bench),
            Row::Frozen => frozen::row(bench),
            Row::Rest => still::rest(bench),
            Row::Start => still::start(bench),
            Row::Size => still::size(bench),
        }
    }
}

/// A failure as a row of its own, so that the other rows are still printed.
#[must_use]
pub fn failed(row: Row, why: &crate::failure::Failure) -> RowReport {
    let mut report = RowReport::new(row.name(), "no result");
    report.line(format!("FAILED: {why}"));
    report
}

/// The plan of a row that does not vary window, lines and rules.
fn usual_plan(window: u16, messages: u64) -> crate::rig::Plan {
    crate::rig::Plan { window, messages, lines: RULES, rules: plain_rules(RULES) }
}

/// Whether results of the subject may be held against Tidegate's targets.
fn standing(bench: &Bench, lossy: bool) -> Standing {
    match (lossy, bench.programs.is_control()) {
        (true, _) => Standing::Lossy,
        (false, true) => Standing::NotMeasured,
        (false, false) => Standing::Counts,
    }
}
