//! What a person reads and what a program reads.

use crate::args::Args;
use crate::paired::{Comparison, Estimate, Sample, median_of};
use crate::stats::Random;
use serde_json::{Value, json};
use std::fmt;

/// The result of one row.
#[derive(Debug)]
pub struct RowReport {
    /// Name as given to `--only`.
    pub name: &'static str,
    /// One sentence: what was done.
    pub about: String,
    /// Results, one a line.
    pub lines: Vec<String>,
    /// Results held against their targets.
    pub checks: Vec<Check>,
    /// Everything that was measured.
    pub raw: Value,
}

/// A result and the target it has to meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What is held against the target.
    pub what: String,
    /// The result.
    pub value: f64,
    /// The target.
    pub limit: Limit,
    /// Whether the result counts.
    pub standing: Standing,
}

/// A bound on a result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

/// Whether a result may be held against its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Counts,
    /// No: messages were lost in a run.
    Lossy,
    /// No: the bench ran the baseline against itself, or too short.
    NotMeasured,
}

impl RowReport {
    /// A row without results yet.
    #[must_use]
    pub fn new(name: &'static str, about: impl Into<String>) -> Self {
        RowReport { name, about: about.into(), lines: Vec::new(), checks: Vec::new(), raw: Value::Null }
    }

    /// Adds a line.
    pub fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    /// Whether a result is not ranked because messages were lost.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.checks.iter().any(|check| check.standing == Standing::Lossy)
    }

    /// Holds a result against its target.
    pub fn check(&mut self, what: &str, value: f64, limit: Limit, standing: Standing) {
        self.checks.push(Check { what: what.to_owned(), value, limit, standing });
    }

    /// Adds the lines of a comparison: both bridges, the paired ratios, the control. Returns the CPU ratio.
    pub fn compare(&mut self, names: [&str; 2], comparison: &Comparison, random: &mut Random) -> Estimate {
        self.line(arm_line(names[0], &comparison.reference));
        self.line(arm_line(names[1], &comparison.subject));
        let cpu: fn(&Sample) -> f64 = |sample| sample.cpu_per_million;
        let rate: fn(&Sample) -> f64 = |sample| sample.rate;
        let ratio = comparison.ratio(cpu, random);
        let control = comparison.control_ratio(cpu, random);
        let spread = control.interval.spread_around(1.0);
        self.line(format!("CPU ratio {} / {}: {ratio}", names[1], names[0]));
        self.line(format!("rate ratio {} / {}: {}", names[1], names[0], comparison.ratio(rate, random)));
        self.line(format!("A/A control, {0} / {0}: CPU {control}, spread {1:.1} %", names[0], spread * 100.0));
        if (ratio.median - 1.0).abs() < 2.0 * spread {
            self.line("the CPU difference is smaller than twice the A/A spread: no claim");
        }
        self.oddities(comparison);
        self.raw = json!({"runs": comparison.to_json(), "cpu_ratio": ratio.to_json(), "control": control.to_json()});
        ratio
    }

    fn oddities(&mut self, comparison: &Comparison) {
        let (surplus, wrong_acks) = comparison.oddities();
        let lossy = comparison.lossy_runs();
        if lossy > 0 {
            self.line(format!("LOSSY: messages missing at the sink in {lossy} runs; not ranked"));
        }
        if surplus > 0 {
            self.line(format!("{surplus} records more than messages sent, all runs together"));
        }
        if wrong_acks > 0 {
            self.line(format!("{wrong_acks} acknowledgements out of order or for nothing in flight"));
        }
    }

    fn to_json(&self) -> Value {
        let checks = self.checks.iter().map(Check::to_json).collect::<Vec<_>>();
        json!({"name": self.name, "about": self.about, "lines": self.lines, "checks": checks, "raw": self.raw})
    }
}

impl fmt::Display for RowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        for line in &self.lines {
            writeln!(f, "    {line}")?;
        }
        for check in &self.checks {
            writeln!(f, "    {check}")?;
        }
        Ok(())
    }
}

impl Check {
    /// The word for it.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        let met = match self.limit {
            Limit::AtMost(bound) => self.value <= bound,
            Limit::AtLeast(bound) => self.value >= bound,
        };
        match (self.standing, met) {
            (Standing::Counts, true) => "met",
            (Standing::Counts, false) => "MISSED",
            (Standing::Lossy, _) => "lossy, not ranked",
            (Standing::NotMeasured, _) => "not measured against the target",
        }
    }

    fn to_json(&self) -> Value {
        let (kind, bound) = match self.limit {
            Limit::AtMost(bound) => ("at most", bound),
            Limit::AtLeast(bound) => ("at least", bound),
        };
        json!({"what": self.what, "value": self.value, "limit": kind, "bound": bound, "verdict": self.verdict()})
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, bound) = match self.limit {
            Limit::AtMost(bound) => ("at most", bound),
            Limit::AtLeast(bound) => ("at least", bound),
        };
        write!(f, "target: {} {word} {bound}: {:.3}, {}", self.what, self.value, self.verdict())
    }
}

impl Estimate {
    fn to_json(self) -> Value {
        json!({"median": self.median, "low": self.interval.low, "high": self.interval.high})
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} [{:.3}, {:.3}]", self.median, self.interval.low, self.interval.high)
    }
}

fn arm_line(name: &str, samples: &[Sample]) -> String {
    let figure = |figure: fn(&Sample) -> f64| median_of(samples, figure);
    format!(
        "{name:<28} {:6.2} CPU-s per million  {:9.0} msg/s  {:5.1} MiB peak",
        figure(|sample| sample.cpu_per_million),
        figure(|sample| sample.rate),
        figure(|sample| sample.peak_mib)
    )
}

/// Everything for a program: machine, seed, settings, all rows with their raw samples.
#[must_use]
pub fn to_json(args: &Args, rows: &[RowReport]) -> Value {
    let rows = rows.iter().map(RowReport::to_json).collect::<Vec<_>>();
    json!({"machine": machine(), "seed": args.seed, "settings": format!("{args:?}"), "rows": rows})
}

/// Processor, cores, kernel and load, in one line.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = read("/proc/cpuinfo");
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().next().unwrap_or("?");
    let kernel = read("/proc/sys/kernel/osrelease");
    // Not what this process may use: it is bound to one core.
    let cores = cpu_info.lines().filter(|line| line.starts_with("processor")).count();
    format!("{model}, {cores} cores, Linux {}, load {load}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: f64, limit: Limit, standing: Standing, verdict: &str) {
        assert_eq!(Check { what: "it".to_owned(), value, limit, standing }.verdict(), verdict);
    }

    #[test]
    fn a_target_is_met_or_missed() {
        check(0.4, Limit::AtMost(0.45), Standing::Counts, "met");
        check(0.5, Limit::AtMost(0.45), Standing::Counts, "MISSED");
        check(3.0, Limit::AtLeast(3.0), Standing::Counts, "met");
        check(f64::NAN, Limit::AtMost(1.0), Standing::Counts, "MISSED");
    }

    #[test]
    fn a_lossy_run_is_never_ranked() {
        check(0.1, Limit::AtMost(0.45), Standing::Lossy, "lossy, not ranked");
    }
}
