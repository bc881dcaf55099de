//! `Circuit`: a plugin that fails again and again rests a while instead of being started over and over. What its rule does
//! on errors happens to the messages meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first rest; each further one is twice as long.
const REST_MIN: Duration = Duration::from_millis(100);

/// Counts the failures of one plugin in one rule, over all lanes.
#[derive(Debug)]
pub(super) struct Circuit {
    failures_max: u32,
    rest_max: Duration,
    /// Nothing has failed since the last success: the usual case, told without a lock.
    is_clean: AtomicBool,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    /// In a row.
    failures: u32,
    rests: u32,
    until: Option<Instant>,
}

impl Circuit {
    pub(super) fn new(failures_max: u32, rest_max: Duration) -> Self {
        Self { failures_max, rest_max, is_clean: AtomicBool::new(true), trouble: Mutex::default() }
    }

    /// How long the plugin still rests.
    pub(super) fn rest_left(&self, now: Instant) -> Option<Duration> {
        if self.is_clean.load(Ordering::Acquire) {
            return None;
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let left = trouble.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// A call or a start has failed. Returns the rest that begins with it, if one does.
    pub(super) fn failed(&self, now: Instant) -> Option<Duration> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_clean.store(false, Ordering::Release);
        trouble.failures = trouble.failures.saturating_add(1);
        let is_resting = trouble.until.is_some_and(|until| until > now);
        if trouble.failures < self.failures_max || is_resting {
            return None;
        }
        let rest = REST_MIN.saturating_mul(1 << trouble.rests.min(20)).min(self.rest_max);
        trouble.rests += 1;
        trouble.until = Some(now + rest);
        Some(rest)
    }

    /// A call has answered.
    pub(super) fn answered(&self) {
        if !self.is_clean.load(Ordering::Acquire) {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Trouble::default();
            self.is_clean.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rests_grow_and_one_success_ends_them() {
        let circuit = Circuit::new(3, 300 * MS);
        let start = Instant::now();
        assert_eq!([0, 1, 2].map(|_| circuit.failed(start)), [None, None, Some(100 * MS)]);
        assert_eq!(circuit.rest_left(start + 40 * MS), Some(60 * MS));
        assert_eq!(circuit.failed(start + 50 * MS), None, "another lane may fail meanwhile");
        assert_eq!(circuit.rest_left(start + 100 * MS), None);
        assert_eq!(circuit.failed(start + 100 * MS), Some(200 * MS));
        assert_eq!(circuit.failed(start + 300 * MS), Some(300 * MS));
        circuit.answered();
        assert_eq!(circuit.rest_left(start + 301 * MS), None);
        assert_eq!(circuit.failed(start + 301 * MS), None);
    }
}
