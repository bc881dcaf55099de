//! How patient to be: at moderate rates the cost is per wake-up and not per message, so a short nap before reading
//! makes batches fuller.
//!
//! Invariant: pure; the time comes in. No nap at low rates, where it would only add latency, nor where reads are full
//! already.

use std::time::{Duration, Instant};

/// A good trade between wake-ups saved and latency added.
const NAP: Duration = Duration::from_micros(400);
/// Below this rate no nap.
const DENSE_PER_S: u64 = 10_000;
/// Rounds that bring this many messages by themselves need no nap.
const FULL_ROUND: u64 = 64;
/// Rounds that bring this many after a nap would be full without it too.
const FULL_ROUND_NAPPING: u64 = 512;
/// The rate is judged anew after this long.
const SPAN: Duration = Duration::from_millis(20);

/// Watches the rate of one connection.
pub(super) struct Pace {
    since: Instant,
    rounds: u64,
    messages: u64,
    naps: bool,
}

impl Pace {
    #[must_use]
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, rounds: 0, messages: 0, naps: false }
    }

    /// A round brought `messages`.
    pub(super) fn note(&mut self, now: Instant, messages: u64) {
        self.rounds += 1;
        self.messages += messages;
        let span = now - self.since;
        if span < SPAN {
            return;
        }
        let per_s = u128::from(self.messages) * 1_000_000 / span.as_micros().max(1);
        let full = self.messages >= self.rounds * if self.naps { FULL_ROUND_NAPPING } else { FULL_ROUND };
        self.naps = per_s >= u128::from(DENSE_PER_S) && !full;
        (self.since, self.rounds, self.messages) = (now, 0, 0);
    }

    /// How long to wait before the next round.
    #[must_use]
    pub(super) fn nap(&self) -> Option<Duration> {
        self.naps.then_some(NAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of `messages` each, `gap_us` apart, for a tenth of a second.
    fn check(messages: u64, gap_us: u64, naps: bool) {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for round in 1..100_000 / gap_us {
            pace.note(start + Duration::from_micros(round * gap_us), messages);
        }
        assert_eq!(pace.nap().is_some(), naps, "{messages} each {gap_us} us");
    }

    #[test]
    fn sparse_traffic_is_read_at_once() {
        check(1, 1_000, false);
        check(1, 600, false);
    }

    #[test]
    fn dense_traffic_in_small_rounds_is_worth_a_nap() {
        check(1, 50, true);
        check(10, 500, true);
    }

    #[test]
    fn full_rounds_need_no_nap() {
        check(64, 100, false);
        check(1_000, 500, false);
    }

    #[test]
    fn a_pause_ends_the_naps() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.note(start + SPAN, 1_000_000 / 64);
        pace.note(start + Duration::from_secs(1), 1);
        assert!(pace.nap().is_none());
    }
}
