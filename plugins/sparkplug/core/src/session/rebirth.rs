//! When a node is asked to be born again: not too often, not all nodes at once, not for ever.

use crate::options::{Rebirth, Trigger};

/// What is known of requests to one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebirthState {
    wanted: Option<Trigger>,
    last_ms: Option<u64>,
    /// How often the interval has doubled.
    doublings: u8,
    /// Two publishers share this descriptor: asking would only add births.
    suspended_until_ms: u64,
    last_birth: Option<(u64, Option<u64>)>,
    before_last_bdseq: Option<u64>,
}

/// Births of alternating sessions within this time come from two publishers.
const CONFLICT_MS: u64 = 60_000;

impl RebirthState {
    /// Notes a reason; the first one stays.
    pub fn want(&mut self, trigger: Trigger) {
        self.wanted.get_or_insert(trigger);
    }

    /// What was wanted is not any more: nobody can be asked.
    pub fn forget(&mut self) {
        self.wanted = None;
    }

    #[must_use]
    pub fn wanted(&self) -> Option<Trigger> {
        self.wanted
    }

    /// When a request may leave at the earliest; `salt` spreads repeated ones.
    #[must_use]
    pub fn due_ms(&self, settings: &Rebirth, salt: u64) -> u64 {
        let Some(last) = self.last_ms else { return self.suspended_until_ms };
        let jitter = spread(salt ^ last, settings.jitter.0);
        last.saturating_add(self.interval(settings)).saturating_add(jitter).max(self.suspended_until_ms)
    }

    /// A request has left.
    pub fn sent(&mut self, settings: &Rebirth, now_ms: u64) {
        let calm = self.last_ms.is_none_or(|last| now_ms >= last.saturating_add(self.interval(settings) * 4));
        self.doublings = match (self.last_ms, calm) {
            (None, _) | (_, true) => 0,
            (Some(_), false) => (self.doublings + 1).min(16),
        };
        self.last_ms = Some(now_ms);
        self.wanted = None;
    }

    /// A birth has come; gives whether two publishers seem to share the descriptor.
    pub fn born(&mut self, settings: &Rebirth, now_ms: u64, bdseq: Option<u64>) -> bool {
        self.wanted = None;
        let conflict = match self.last_birth {
            Some((last_ms, last)) => {
                let back_again = bdseq.is_some() && bdseq == self.before_last_bdseq && bdseq != last;
                if bdseq != last {
                    self.before_last_bdseq = last;
                }
                back_again && now_ms < last_ms.saturating_add(CONFLICT_MS)
            }
            None => false,
        };
        self.last_birth = Some((now_ms, bdseq));
        if conflict {
            self.suspended_until_ms = now_ms.saturating_add(settings.max_interval.0);
        }
        conflict
    }

    fn interval(&self, settings: &Rebirth) -> u64 {
        let doubled = settings.min_interval.0.saturating_mul(1 << self.doublings);
        doubled.min(settings.max_interval.0)
    }
}

/// A number below `range` that looks random.
fn spread(salt: u64, range: u64) -> u64 {
    let mixed = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9).checked_rem(range).unwrap_or(0)
}

/// Requests left for all nodes together: a bucket that fills with time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Thousandths of a request.
    milli: u64,
    filled_ms: u64,
}

impl Budget {
    #[must_use]
    pub fn new(settings: &Rebirth) -> Self {
        Self { milli: u64::from(settings.burst.max(1)) * 1000, filled_ms: 0 }
    }

    /// Takes one request if there is one.
    pub fn take(&mut self, settings: &Rebirth, now_ms: u64) -> bool {
        let gained = now_ms.saturating_sub(self.filled_ms).saturating_mul(u64::from(settings.per_second));
        self.filled_ms = self.filled_ms.max(now_ms);
        self.milli = self.milli.saturating_add(gained).min(u64::from(settings.burst.max(1)) * 1000);
        match self.milli.checked_sub(1000) {
            Some(rest) => {
                self.milli = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Millis;

    fn settings() -> Rebirth {
        Rebirth { jitter: Millis(0), ..Rebirth::default() }
    }

    #[test]
    fn the_first_request_is_due_at_once_and_repeated_ones_ever_later() {
        let mut state = RebirthState::default();
        let mut now = 1_000_000;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let due = state.due_ms(&settings(), 1).max(now);
            waits.push((due - now) / 1000);
            now = due;
            state.sent(&settings(), now);
        }
        assert_eq!(waits, [0, 5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_calm_node_starts_over() {
        let mut state = RebirthState::default();
        state.sent(&settings(), 0);
        state.sent(&settings(), 5_000);
        state.sent(&settings(), 100_000);
        assert_eq!(state.due_ms(&settings(), 1), 105_000);
    }

    #[test]
    fn alternating_sessions_suspend_requests() {
        let mut state = RebirthState::default();
        assert!(!state.born(&settings(), 0, Some(1)));
        assert!(!state.born(&settings(), 1_000, Some(7)));
        assert!(state.born(&settings(), 2_000, Some(1)));
        assert_eq!(state.due_ms(&settings(), 1), 302_000);
    }

    #[test]
    fn the_budget_is_shared_and_refills() {
        let settings = Rebirth { burst: 2, per_second: 1, ..settings() };
        let mut budget = Budget::new(&settings);
        let mut take = |now| budget.take(&settings, now);
        assert!(take(10) && take(10) && !take(10));
        assert!(!take(900) && take(1_010));
    }
}
