//! The spread of repeated measurements.

use serde::Serialize;

/// Bars of a histogram.
const BARS: usize = 12;
/// Width of the longest bar.
const WIDTH: usize = 40;

/// Nanoseconds a message over all turns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub p10: f64,
    pub p90: f64,
    #[serde(skip)]
    sorted: Vec<f64>,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: usize| values.get((values.len().saturating_sub(1)) * part / 100).copied().unwrap_or_default();
        Self { median: at(50), p10: at(10), p90: at(90), sorted: values }
    }

    /// Messages a second on one core.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        1e9 / self.median.max(f64::MIN_POSITIVE)
    }

    /// Some lines, each a range of values and how many fell into it.
    #[must_use]
    pub fn histogram(&self) -> String {
        let (Some(least), Some(most)) = (self.sorted.first(), self.sorted.last()) else { return String::new() };
        let step = ((most - least) / BARS as f64).max(f64::MIN_POSITIVE);
        let mut counts = [0_usize; BARS];
        for value in &self.sorted {
            // At most the last bar: a value is never above the greatest.
            let bar = ((value - least) / step) as usize;
            counts[bar.min(BARS - 1)] += 1;
        }
        let longest = counts.iter().copied().max().unwrap_or(1).max(1);
        let line = |(bar, count): (usize, &usize)| {
            let from = least + step * bar as f64;
            format!("  {from:>10.0} ns  {}\n", "█".repeat((count * WIDTH).div_ceil(longest)))
        };
        counts.iter().enumerate().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_the_tenths() {
        let spread = Spread::of((1..=31).rev().map(f64::from).collect());
        assert_eq!((spread.p10, spread.median, spread.p90), (4.0, 16.0, 28.0));
        assert_eq!(Spread::of(vec![250.0]).per_second(), 4e6);
    }

    #[test]
    fn a_histogram_counts_every_value() {
        let text = Spread::of(vec![1.0, 1.0, 13.0]).histogram();
        assert_eq!(text.lines().count(), BARS);
        assert!(text.lines().next().is_some_and(|line| line.ends_with(&"█".repeat(WIDTH))), "{text}");
        assert_eq!(Spread::of(vec![5.0, 5.0]).histogram().matches('█').count(), WIDTH);
    }
}
