//! Rows without traffic: memory at rest, start to ready, size of the binary.

use super::{standing, usual_plan};
use crate::failure::{Context, Failure, Tried};
use crate::report::{Limit, RowReport};
use crate::rig::{Bench, Ends};
use crate::stats::{Interval, median};
use serde_json::json;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Silence before memory is read.
const REST: Duration = Duration::from_secs(5);
/// Starts that are measured, after one that only warms the machine up.
const STARTS: usize = 11;

pub(super) fn rest(bench: &mut Bench) -> Tried<RowReport> {
    let mut report = RowReport::new("rest", format!("connected on both sides, 100 rules, {REST:?} without a message"));
    let ends = Ends::start(bench.args.qos, super::RULES)?;
    let mut bridge = bench.start_bridge(&bench.programs.subject, &ends, &usual_plan(1024, 0))?;
    bridge.wait_until_ready()?;
    let before = bridge.usage()?;
    thread::sleep(REST);
    let after = bridge.usage()?;
    let resident = bridge.resident_mib()?;
    bridge.end();
    let share = (after.cpu - before.cpu).as_secs_f64() / after.at.duration_since(before.at).as_secs_f64();
    report.line(format!("{resident:.1} MiB resident, {:.2} % of a core", share * 100.0));
    report.raw = json!({"resident_mib": resident, "cpu_share": share});
    report.check("resident memory, MiB", resident, Limit::AtMost(25.0), standing(bench, false));
    Ok(report)
}

pub(super) fn start(bench: &mut Bench) -> Tried<RowReport> {
    let mut report = RowReport::new("start", format!("from start to ready, 100 rules, median of {STARTS} warm starts"));
    let mut milliseconds = Vec::new();
    for _ in 0..=STARTS {
        let ends = Ends::start(bench.args.qos, super::RULES)?;
        let begun = Instant::now();
        let mut bridge = bench.start_bridge(&bench.programs.subject, &ends, &usual_plan(1024, 0))?;
        bridge.wait_until_ready()?;
        milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
        bridge.end();
    }
    milliseconds.remove(0);
    let interval = Interval::of_median(&milliseconds, &mut bench.random);
    let middle = median(&milliseconds);
    report.line(format!("{middle:.0} ms [{:.0}, {:.0}]", interval.low, interval.high));
    report.raw = json!({"milliseconds": milliseconds});
    report.check("start to ready, ms", middle, Limit::AtMost(200.0), standing(bench, false));
    Ok(report)
}

pub(super) fn size(bench: &mut Bench) -> Tried<RowReport> {
    let mut report = RowReport::new("size", "the binary without symbols");
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("stripped");
    fs::copy(bench.programs.subject.path(), &copy)?;
    let status = Command::new("strip").arg("--strip-all").arg(&copy).status().context("run strip (binutils)")?;
    if !status.success() {
        return Err(Failure::new(format!("strip ended with {status}")));
    }
    let mebibytes = fs::metadata(&copy)?.len() as f64 / f64::from(1 << 20);
    report.line(format!("{mebibytes:.1} MiB stripped, of {}", bench.programs.subject.path().display()));
    report.raw = json!({"mib": mebibytes});
    report.check("stripped binary, MiB", mebibytes, Limit::AtMost(35.0), standing(bench, false));
    Ok(report)
}
