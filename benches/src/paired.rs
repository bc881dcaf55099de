//! Paired runs: A, B and A again in every round, in random order, so that a machine that changes its mind hits all alike.

use crate::failure::Tried;
use crate::stats::{Interval, Random, median};
use serde_json::{Value, json};

/// One run of one bridge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// User and system seconds of the bridge for a million messages.
    pub cpu_per_million: f64,
    /// Messages a second.
    pub rate: f64,
    /// Peak resident memory in MiB.
    pub peak_mib: f64,
    /// Messages given to the bridge.
    pub expected: u64,
    /// Records counted at the sink.
    pub at_sink: u64,
    /// Acknowledgements that came out of order, or for nothing in flight; none seen by a real broker.
    pub wrong_acks: u64,
}

/// Which side of the comparison a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// What is compared with.
    Reference,
    /// What is measured.
    Subject,
    /// The reference once more: what differs here is noise.
    Control,
}

/// All runs of one comparison, by round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Runs of the reference.
    pub reference: Vec<Sample>,
    /// Runs of the subject.
    pub subject: Vec<Sample>,
    /// Runs of the reference again.
    pub control: Vec<Sample>,
}

/// A median and where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Median over the rounds.
    pub median: f64,
    /// Bootstrap interval, 95 %.
    pub interval: Interval,
}

impl Sample {
    /// Whether messages are missing at the sink.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.at_sink < self.expected
    }

    fn to_json(self) -> Value {
        json!({
            "cpu_seconds_per_million": self.cpu_per_million, "rate": self.rate, "peak_mib": self.peak_mib,
            "expected": self.expected, "at_sink": self.at_sink, "wrong_acks": self.wrong_acks,
        })
    }
}

impl Comparison {
    /// Runs all rounds.
    ///
    /// # Errors
    /// The first run that fails.
    pub fn run(rounds: usize, random: &mut Random, mut one: impl FnMut(Arm) -> Tried<Sample>) -> Tried<Self> {
        let mut comparison = Comparison::default();
        for round in 1..=rounds {
            let mut order = [Arm::Reference, Arm::Subject, Arm::Control];
            random.shuffle(&mut order);
            for arm in order {
                let sample = one(arm)?;
                eprintln!("    round {round} of {rounds}: {arm:?} {}", in_short(&sample));
                comparison.arm(arm).push(sample);
            }
        }
        Ok(comparison)
    }

    fn arm(&mut self, arm: Arm) -> &mut Vec<Sample> {
        match arm {
            Arm::Reference => &mut self.reference,
            Arm::Subject => &mut self.subject,
            Arm::Control => &mut self.control,
        }
    }

    /// Paired ratios subject / reference of a figure.
    pub fn ratio(&self, figure: fn(&Sample) -> f64, random: &mut Random) -> Estimate {
        estimate(&self.subject, &self.reference, random, |subject, reference| figure(subject) / figure(reference))
    }

    /// Paired differences subject - reference of a figure.
    pub fn difference(&self, figure: fn(&Sample) -> f64, random: &mut Random) -> Estimate {
        estimate(&self.subject, &self.reference, random, |subject, reference| figure(subject) - figure(reference))
    }

    /// Paired ratios of the reference with itself.
    pub fn control_ratio(&self, figure: fn(&Sample) -> f64, random: &mut Random) -> Estimate {
        estimate(&self.control, &self.reference, random, |control, reference| figure(control) / figure(reference))
    }

    /// Runs with messages missing at the sink, of all arms.
    #[must_use]
    pub fn lossy_runs(&self) -> usize {
        self.all().filter(|sample| sample.is_lossy()).count()
    }

    /// Records at the sink beyond what was sent, and acknowledgements in the wrong place, of all runs.
    #[must_use]
    pub fn oddities(&self) -> (u64, u64) {
        let surplus = self.all().map(|sample| sample.at_sink.saturating_sub(sample.expected)).sum();
        (surplus, self.all().map(|sample| sample.wrong_acks).sum())
    }

    fn all(&self) -> impl Iterator<Item = &Sample> {
        self.reference.iter().chain(&self.subject).chain(&self.control)
    }

    /// Every run.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let list = |samples: &[Sample]| samples.iter().map(|sample| sample.to_json()).collect::<Vec<_>>();
        json!({
            "reference": list(&self.reference), "subject": list(&self.subject), "control": list(&self.control),
        })
    }
}

/// Median of one figure over the runs of an arm.
#[must_use]
pub fn median_of(samples: &[Sample], figure: fn(&Sample) -> f64) -> f64 {
    median(&samples.iter().map(figure).collect::<Vec<_>>())
}

fn estimate(
    left: &[Sample],
    right: &[Sample],
    random: &mut Random,
    pair: impl Fn(&Sample, &Sample) -> f64,
) -> Estimate {
    let values: Vec<f64> = left.iter().zip(right).map(|(left, right)| pair(left, right)).collect();
    Estimate { median: median(&values), interval: Interval::of_median(&values, random) }
}

fn in_short(sample: &Sample) -> String {
    let loss = if sample.is_lossy() { ", LOSSY" } else { "" };
    let Sample { cpu_per_million, rate, peak_mib, .. } = sample;
    format!("{cpu_per_million:.2} CPU-s per million, {rate:.0} msg/s, {peak_mib:.1} MiB{loss}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_per_million: f64) -> Sample {
        Sample { cpu_per_million, rate: 1.0, peak_mib: 1.0, expected: 10, at_sink: 10, wrong_acks: 0 }
    }

    fn run(lose: bool) -> Comparison {
        let one = |arm| {
            Ok(match arm {
                Arm::Reference | Arm::Control => sample(4.0),
                Arm::Subject => Sample { at_sink: if lose { 9 } else { 12 }, ..sample(1.0) },
            })
        };
        Comparison::run(3, &mut Random::new(1), one).unwrap()
    }

    #[test]
    fn every_round_has_all_three_arms() {
        let comparison = run(false);
        assert_eq!((comparison.reference.len(), comparison.subject.len(), comparison.control.len()), (3, 3, 3));
    }

    #[test]
    fn ratios_are_subject_over_reference() {
        let random = &mut Random::new(1);
        let comparison = run(false);
        let cpu: fn(&Sample) -> f64 = |sample| sample.cpu_per_million;
        assert_eq!(comparison.ratio(cpu, random).median, 0.25);
        assert_eq!(comparison.difference(cpu, random).median, -3.0);
        assert_eq!(comparison.control_ratio(cpu, random).median, 1.0);
    }

    #[test]
    fn loss_and_surplus_are_seen() {
        assert_eq!((run(true).lossy_runs(), run(true).oddities().0), (3, 0));
        assert_eq!((run(false).lossy_runs(), run(false).oddities().0), (0, 6));
    }
}
