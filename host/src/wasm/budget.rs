//! Limits of one instance: memory and tables as it grows, time of the call in hand.

use std::time::{Duration, Instant};
use std::{fs, mem};

use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::ticker::TICK;

/// Entries of all tables of one instance; the largest known guests need some 8,000.
const TABLE_ENTRIES_MAX: usize = 100_000;
/// Core instances, memories and tables of one component; Python needs 38 core instances, JavaScript 3 memories.
const PARTS_MAX: usize = 128;
/// A call that waits for its turn on the processor may take this many times its limit before it is ended all the same.
const WALL_FACTOR: u32 = 10;

/// Memory of one instance against its limit.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    limit_bytes: usize,
    used_bytes: usize,
    table_entries: usize,
    refused: bool,
}

impl MemoryBudget {
    pub(super) fn new(limit_bytes: u64) -> Self {
        let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        Self { limit_bytes, used_bytes: 0, table_entries: 0, refused: false }
    }

    /// Linear memory that the instance has.
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Whether growth was refused since the last call of this function.
    pub(super) fn take_refused(&mut self) -> bool {
        mem::take(&mut self.refused)
    }
}

/// `used` after a part of it has grown from `current` to `desired`, if that is within `limit`.
fn grown(used: usize, current: usize, desired: usize, limit: usize) -> Option<usize> {
    used.checked_sub(current)?.checked_add(desired).filter(|after| *after <= limit)
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let after = grown(self.used_bytes, current, desired, self.limit_bytes);
        self.used_bytes = after.unwrap_or(self.used_bytes);
        self.refused |= after.is_none();
        Ok(after.is_some())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let after = grown(self.table_entries, current, desired, TABLE_ENTRIES_MAX);
        self.table_entries = after.unwrap_or(self.table_entries);
        self.refused |= after.is_none();
        Ok(after.is_some())
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}

/// Time of the call in hand. What counts is time on the processor plus time blocked in the host: a busy machine must
/// not make an honest plugin fail. Where the system does not tell processor time, the wall clock counts.
///
/// Nothing is measured before the first tick, so that a short call costs nothing.
#[derive(Debug)]
pub(super) struct CallClock {
    limit: Duration,
    since_first_tick: Option<Reading>,
    blocked: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: Instant,
    processor: Option<Duration>,
}

impl CallClock {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, since_first_tick: None, blocked: Duration::ZERO }
    }

    /// A call begins.
    pub(super) fn restart(&mut self, limit: Duration) {
        *self = Self::new(limit);
    }

    /// The longest that one host function may wait.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The guest has waited in the host.
    pub(super) fn add_blocked(&mut self, blocked: Duration) {
        self.blocked += blocked;
    }

    /// The deadline of the epoch was reached: more ticks, or the end.
    pub(super) fn on_tick(&mut self) -> UpdateDeadline {
        let now = Reading { wall: Instant::now(), processor: processor_time() };
        let first = *self.since_first_tick.get_or_insert(now);
        match self.left(first, now) {
            Some(left) => UpdateDeadline::Continue(ticks(left)),
            None => UpdateDeadline::Interrupt,
        }
    }

    fn left(&self, first: Reading, now: Reading) -> Option<Duration> {
        let wall = now.wall - first.wall;
        let worked = match (first.processor, now.processor) {
            (Some(first), Some(now)) => now.saturating_sub(first) + self.blocked,
            (None, _) | (_, None) => wall,
        };
        let left = self.limit.saturating_sub(worked);
        (wall < self.limit * WALL_FACTOR && left > TICK / 2).then_some(left)
    }
}

/// Whole ticks in `time`, at least one.
fn ticks(time: Duration) -> u64 {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
}

/// Processor time of this thread, as exact as the scheduler's tick.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_left(limit_ms: u64, wall_ms: u64, processor_ms: Option<u64>, blocked_ms: u64, left_ms: Option<u64>) {
        let mut clock = CallClock::new(Duration::from_millis(limit_ms));
        clock.add_blocked(Duration::from_millis(blocked_ms));
        let wall = Instant::now();
        let first = Reading { wall, processor: processor_ms.map(|_| Duration::from_secs(7)) };
        let processor = processor_ms.map(|ms| Duration::from_secs(7) + Duration::from_millis(ms));
        let now = Reading { wall: wall + Duration::from_millis(wall_ms), processor };
        assert_eq!(clock.left(first, now), left_ms.map(Duration::from_millis));
    }

    #[test]
    fn a_call_ends_when_its_processor_time_is_used_up() {
        check_left(100, 0, Some(0), 0, Some(100));
        check_left(100, 60, Some(60), 0, Some(40));
        check_left(100, 100, Some(97), 0, None);
    }

    #[test]
    fn waiting_for_a_processor_does_not_count() {
        check_left(100, 900, Some(20), 0, Some(80));
        check_left(100, 1000, Some(20), 0, None);
    }

    #[test]
    fn waiting_in_the_host_counts() {
        check_left(100, 90, Some(1), 89, Some(10));
    }

    #[test]
    fn without_processor_time_the_wall_clock_counts() {
        check_left(100, 60, None, 0, Some(40));
        check_left(100, 100, None, 0, None);
    }

    #[test]
    fn memory_is_limited_over_all_memories_together() {
        let mut budget = MemoryBudget::new(100);
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.memory_growing(0, 40, None).unwrap());
        assert!(!budget.take_refused());
        assert!(!budget.memory_growing(40, 41, None).unwrap());
        assert_eq!(budget.used_bytes(), 100);
        assert!(budget.take_refused());
    }
}
