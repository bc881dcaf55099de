//! What a row measured, and which invariants that breaks.

use std::fmt;
use std::time::Duration;

use crate::verdict::Verdict;

/// What holds whatever fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every acknowledged message reaches Kafka or the dead letters.
    Conservation,
    /// Payload, key, headers and topic are as the rule says.
    Integrity,
    /// Nothing is in Kafka that no publisher sent.
    NoInvention,
    /// First occurrences of one publisher and MQTT topic are in publish order.
    Order,
    /// No more duplicates than the faults allow; none without.
    Duplicates,
    /// After the fault a fresh message passes in time.
    Liveness,
    /// The metrics add up, and to what Kafka has.
    Accounting,
    /// Memory, descriptors and threads stay.
    Bounds,
    /// Acknowledgements leave in receive order, on the connection of their message.
    AckOrder,
    /// A limit of this row alone.
    Row,
}

impl Invariant {
    /// The short name in reports.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Conservation => "O1",
            Self::Integrity => "O2",
            Self::NoInvention => "O3",
            Self::Order => "O4",
            Self::Duplicates => "O5",
            Self::Liveness => "O6",
            Self::Accounting => "O7",
            Self::Bounds => "O8",
            Self::AckOrder => "O9",
            Self::Row => "row",
        }
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub memory_bytes: u64,
    pub descriptors: u64,
    pub threads: u64,
}

/// How a value is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Only told.
    Free,
}

/// A figure of one row alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    pub limit: Limit,
}

impl Measure {
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.limit {
            Limit::AtMost(most) => self.value <= most,
            Limit::AtLeast(least) => self.value >= least,
            Limit::Free => true,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = if self.value.fract().abs() < 0.005 { 0 } else { 2 };
        write!(
            f,
            "{} {:.precision$}{}{}",
            self.what,
            self.value,
            if self.unit.is_empty() { "" } else { " " },
            self.unit
        )?;
        match self.limit {
            Limit::AtMost(most) => write!(f, " (≤ {most})"),
            Limit::AtLeast(least) => write!(f, " (≥ {least})"),
            Limit::Free => Ok(()),
        }
    }
}

/// Received minus acknowledged, in flight and abandoned; and records in Kafka minus those that the metrics tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    pub messages_missing: i64,
    pub records_missing: i64,
}

/// Everything that a row measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub sent: u64,
    pub verdict: Verdict,
    pub duplicates_max: u64,
    /// Time from the end of the fault to a fresh message in Kafka; `Err` where it did not come.
    pub healed: Option<Result<Duration, Duration>>,
    pub healed_max: Duration,
    /// `None` where a restart or a broken connection makes the books of one process incomplete.
    pub accounts: Option<Accounts>,
    /// Before the load and at the end, and the largest memory seen.
    pub usage: Option<(Usage, Usage, u64)>,
    /// The bytes that a window may hold.
    pub window_bytes: u64,
    /// `None` where the broker was not a scripted one.
    pub ack_violations: Option<u64>,
    pub measures: Vec<Measure>,
}

const MEMORY_SLACK_BYTES: u64 = 16 << 20;
/// The librdkafka of the bridge opens a socket per broker anew before the old one is closed.
const DESCRIPTORS_SLACK: u64 = 4;
const THREADS_SLACK: u64 = 1;

impl Figures {
    /// Adds a figure of this row alone.
    pub fn measure(&mut self, what: impl Into<String>, value: f64, unit: &'static str, limit: Limit) {
        self.measures.push(Measure { what: what.into(), value, unit, limit });
    }

    /// Growth of resident memory above that before the load.
    #[must_use]
    pub fn memory_growth_bytes(&self) -> u64 {
        self.usage.map_or(0, |(before, _, peak)| peak.saturating_sub(before.memory_bytes))
    }

    /// Every broken invariant with what was seen.
    #[must_use]
    pub fn broken(&self) -> Vec<(Invariant, String)> {
        let mut broken = Vec::new();
        self.judge_records(&mut broken);
        self.judge_time_and_books(&mut broken);
        self.judge_bounds(&mut broken);
        let measures = self.measures.iter().filter(|measure| !measure.holds());
        broken.extend(measures.map(|measure| (Invariant::Row, measure.to_string())));
        broken
    }

    fn judge_records(&self, broken: &mut Vec<(Invariant, String)>) {
        let verdict = &self.verdict;
        let mut zero = |invariant, what: &str, count: u64| {
            if count > 0 {
                broken.push((invariant, format!("{count} {what}")));
            }
        };
        zero(Invariant::Conservation, "lost", verdict.lost);
        let mismatches = [verdict.wrong_key, verdict.wrong_headers, verdict.wrong_partition, verdict.wrong_payload];
        zero(Invariant::Integrity, "mismatches", mismatches.iter().sum::<u64>() + verdict.wrong_topic);
        zero(Invariant::NoInvention, "invented", verdict.invented);
        zero(Invariant::Order, "inversions", verdict.inversions);
        zero(Invariant::AckOrder, "acknowledgements out of place", self.ack_violations.unwrap_or(0));
        if verdict.duplicates > self.duplicates_max {
            let text = format!("{} duplicates, at most {}", verdict.duplicates, self.duplicates_max);
            broken.push((Invariant::Duplicates, text));
        }
    }

    fn judge_time_and_books(&self, broken: &mut Vec<(Invariant, String)>) {
        match self.healed {
            Some(Ok(took)) if took > self.healed_max => {
                broken.push((
                    Invariant::Liveness,
                    format!("a fresh message took {took:?}, at most {:?}", self.healed_max),
                ));
            }
            Some(Err(waited)) => {
                broken.push((Invariant::Liveness, format!("no fresh message within {waited:?}")));
            }
            Some(Ok(_)) | None => {}
        }
        if let Some(accounts) = self.accounts.filter(|accounts| *accounts != Accounts::default()) {
            broken.push((Invariant::Accounting, format!("{accounts:?}")));
        }
    }

    fn judge_bounds(&self, broken: &mut Vec<(Invariant, String)>) {
        let Some((before, after, _)) = self.usage else { return };
        let growth = self.memory_growth_bytes();
        if growth > self.window_bytes + MEMORY_SLACK_BYTES {
            broken.push((Invariant::Bounds, format!("memory grew by {} KiB", growth >> 10)));
        }
        if after.descriptors > before.descriptors + DESCRIPTORS_SLACK {
            broken.push((Invariant::Bounds, format!("{} descriptors, then {}", before.descriptors, after.descriptors)));
        }
        if after.threads > before.threads + THREADS_SLACK {
            broken.push((Invariant::Bounds, format!("{} threads, then {}", before.threads, after.threads)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Figures), wanted: &[Invariant]) {
        let mut figures = Figures { healed_max: Duration::from_secs(10), ..Figures::default() };
        change(&mut figures);
        let found: Vec<_> = figures.broken().into_iter().map(|(invariant, _)| invariant).collect();
        assert_eq!(found, wanted, "{figures:?}");
    }

    #[test]
    fn each_figure_breaks_its_own_invariant() {
        check(|_| {}, &[]);
        check(|figures| figures.verdict.lost = 1, &[Invariant::Conservation]);
        check(|figures| figures.verdict.wrong_payload = 1, &[Invariant::Integrity]);
        check(|figures| figures.verdict.invented = 1, &[Invariant::NoInvention]);
        check(|figures| figures.verdict.inversions = 1, &[Invariant::Order]);
        check(|figures| figures.verdict.duplicates = 1, &[Invariant::Duplicates]);
        check(|figures| figures.healed = Some(Ok(Duration::from_secs(11))), &[Invariant::Liveness]);
        check(|figures| figures.healed = Some(Err(Duration::from_secs(30))), &[Invariant::Liveness]);
        check(
            |figures| figures.accounts = Some(Accounts { messages_missing: 1, records_missing: 0 }),
            &[Invariant::Accounting],
        );
        check(|figures| figures.ack_violations = Some(1), &[Invariant::AckOrder]);
        check(|figures| figures.measure("rate", 1.0, "/s", Limit::AtLeast(2.0)), &[Invariant::Row]);
    }

    #[test]
    fn bounds_have_their_slack_and_no_more() {
        let usage = |descriptors, threads, peak| {
            Some((Usage::default(), Usage { memory_bytes: 0, descriptors, threads }, peak))
        };
        check(|figures| figures.usage = usage(4, 1, 16 << 20), &[]);
        check(|figures| figures.usage = usage(5, 1, 16 << 20), &[Invariant::Bounds]);
        check(|figures| figures.usage = usage(4, 2, 16 << 20), &[Invariant::Bounds]);
        check(|figures| figures.usage = usage(4, 1, (16 << 20) + 1), &[Invariant::Bounds]);
    }

    #[test]
    fn duplicates_are_allowed_up_to_their_bound() {
        check(|figures| (figures.verdict.duplicates, figures.duplicates_max) = (5, 5), &[]);
    }
}
