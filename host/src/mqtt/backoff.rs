//! How long to wait before the next try to connect.
//!
//! Invariant: pure; chance comes in. The first try after a connection that stood is made at once; after that the wait
//! is drawn evenly from zero to a bound that doubles, so that many clients of one broker do not come back together.

use std::time::Duration;

use super::reason::Handling;

/// Bound of the first wait.
const FIRST: Duration = Duration::from_millis(50);
/// A connection that stood this long starts the count anew.
const STOOD: Duration = Duration::from_secs(5);
/// Shortest wait after another client took our session over.
const YIELD_MIN: Duration = Duration::from_secs(10);

/// The tries since a connection last stood.
#[derive(Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// A connection has ended that stood for this long.
    pub(super) fn stood(&mut self, long: Duration) {
        if long >= STOOD {
            self.tries = 0;
        }
    }

    /// Something changed that may help: the next try counts as the first.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    /// The wait before the next try. `chance` is even over all of `u64`; `longest` bounds the wait, except that a
    /// session taken over is yielded for some seconds whatever `longest` says. `others`: there are more brokers to try.
    pub(super) fn next(&mut self, handling: Handling, longest: Duration, others: bool, chance: u64) -> Duration {
        let tries = self.tries;
        self.tries = tries.saturating_add(1);
        let drawn = |bound: Duration| bound.mul_f64(chance as f64 / u64::MAX as f64);
        let bound = |tries: u32| FIRST.saturating_mul(1 << tries.min(20)).min(longest);
        match handling {
            Handling::Again if tries == 0 => Duration::ZERO,
            Handling::Elsewhere if tries == 0 && others => Duration::ZERO,
            Handling::Again | Handling::Elsewhere => drawn(bound(tries.saturating_sub(1))),
            // Never at once: half of the bound is certain.
            Handling::Later => bound(tries) / 2 + drawn(bound(tries) / 2),
            Handling::Rarely => longest / 2 + drawn(longest / 2),
            Handling::Yield => YIELD_MIN + drawn(YIELD_MIN / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    /// The longest waits of the first tries, in milliseconds.
    fn check(handling: Handling, expected_ms: &[u64]) {
        let mut backoff = Backoff::default();
        let waits = expected_ms.iter().map(|_| backoff.next(handling, LONGEST, false, u64::MAX));
        let waits_ms: Vec<u128> = waits.map(|wait| wait.as_millis()).collect();
        assert_eq!(waits_ms, expected_ms.iter().map(|ms| u128::from(*ms)).collect::<Vec<_>>(), "{handling:?}");
    }

    #[test]
    fn the_first_try_is_at_once_and_the_bound_doubles() {
        check(Handling::Again, &[0, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn what_the_broker_did_on_purpose_is_never_answered_at_once() {
        check(Handling::Later, &[50, 100, 200]);
        check(Handling::Rarely, &[30_000, 30_000]);
        check(Handling::Yield, &[15_000, 15_000]);
    }

    #[test]
    fn the_whole_wait_is_drawn_by_chance() {
        let mut backoff = Backoff { tries: 9 };
        assert_eq!(backoff.next(Handling::Again, LONGEST, false, 0), Duration::ZERO);
        assert!(Backoff::default().next(Handling::Yield, LONGEST, false, 0) >= YIELD_MIN);
        assert!(Backoff::default().next(Handling::Rarely, LONGEST, false, 0) >= LONGEST / 2);
    }

    #[test]
    fn another_broker_is_tried_at_once() {
        assert_eq!(Backoff::default().next(Handling::Elsewhere, LONGEST, true, u64::MAX), Duration::ZERO);
        let mut backoff = Backoff { tries: 1 };
        assert_eq!(backoff.next(Handling::Elsewhere, LONGEST, true, u64::MAX), FIRST);
    }

    #[test]
    fn only_a_connection_that_stood_resets_the_count() {
        let mut backoff = Backoff { tries: 9 };
        backoff.stood(Duration::from_secs(1));
        assert_ne!(backoff.next(Handling::Again, LONGEST, false, u64::MAX), Duration::ZERO);
        backoff.stood(STOOD);
        assert_eq!(backoff.next(Handling::Again, LONGEST, false, u64::MAX), Duration::ZERO);
    }
}
