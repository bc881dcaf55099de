//! Medians, bootstrap intervals, and the random numbers they need. Pure; the same seed gives the same answer.

/// Resamples of a bootstrap.
const RESAMPLES: usize = 4000;

/// Middle value; not a number when there is none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Where the true median lies, with 95 % of confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Bootstrap (percentile) interval of the median.
    #[must_use]
    pub fn of_median(values: &[f64], random: &mut Random) -> Self {
        if values.is_empty() {
            return Interval { low: f64::NAN, high: f64::NAN };
        }
        let mut medians: Vec<f64> = (0..RESAMPLES).map(|_| median(&resample(values, random))).collect();
        medians.sort_by(f64::total_cmp);
        Interval { low: medians[RESAMPLES / 40], high: medians[RESAMPLES - 1 - RESAMPLES / 40] }
    }

    /// How far the farther end is from `centre`.
    #[must_use]
    pub fn spread_around(self, centre: f64) -> f64 {
        (self.low - centre).abs().max((self.high - centre).abs())
    }
}

fn resample(values: &[f64], random: &mut Random) -> Vec<f64> {
    (0..values.len()).map(|_| values[random.below(values.len())]).collect()
}

/// A small generator (SplitMix64, Steele, Lea and Flood 2014), good enough to shuffle and resample.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` without it; 0 when the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// Puts things into random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], expected: f64) {
        assert_eq!(median(values), expected);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        check(&[3.0], 3.0);
        check(&[3.0, 1.0], 2.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_interval_holds_the_median_and_shrinks_with_agreement() {
        let mut random = Random::new(1);
        let wide = Interval::of_median(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &mut random);
        assert!(wide.low < 4.0 && 4.0 < wide.high);
        assert_eq!(Interval::of_median(&[2.0; 7], &mut random), Interval { low: 2.0, high: 2.0 });
    }

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let order = |seed| {
            let mut things: Vec<usize> = (0..20).collect();
            Random::new(seed).shuffle(&mut things);
            things
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new(3);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert_eq!(random.below(0), 0);
    }
}
