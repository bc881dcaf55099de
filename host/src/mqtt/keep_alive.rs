//! When to ping, and when silence means that the broker is gone.
//!
//! Invariant: pure; the time comes in. Silence counts only while we listen: a connection that does not read, because
//! there is no room downstream, goes on pinging and is not declared dead for what it did not read.

use std::time::{Duration, Instant};

/// Longest wait for any sign of life after a PINGREQ.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Longest time that the socket may refuse to take a single byte of ours.
const WRITE_STALL_MAX: Duration = Duration::from_secs(20);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// The broker does not answer.
    Silent,
    /// The broker does not take what we write.
    Stalled,
}

/// The clock of one connection.
pub(super) struct KeepAlive {
    /// `None`: keep-alive is off.
    interval: Option<Duration>,
    sent: Instant,
    received: Instant,
    pinged: Instant,
    /// Since when a PINGREQ is unanswered while we listen.
    waiting: Option<Instant>,
    /// Since when output waits without progress.
    stalled: Option<Instant>,
}

impl KeepAlive {
    /// `interval` is what the broker expects of us; zero turns pings off (MQTT 5, section 3.1.2.10).
    #[must_use]
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        let interval = Some(interval).filter(|interval| !interval.is_zero());
        Self { interval, sent: now, received: now, pinged: now, waiting: None, stalled: None }
    }

    /// How often `due` wants to be asked.
    #[must_use]
    pub(super) fn tick(&self) -> Duration {
        let (shortest, longest) = (Duration::from_millis(50), Duration::from_secs(1));
        self.interval.map_or(longest, |interval| (interval / 4).clamp(shortest, longest))
    }

    /// Bytes came from the broker.
    pub(super) fn received(&mut self, now: Instant) {
        self.received = now;
        self.waiting = None;
    }

    /// The socket took bytes; `rest` says whether more wait.
    pub(super) fn sent(&mut self, now: Instant, rest: bool) {
        self.sent = now;
        self.stalled = rest.then_some(now);
    }

    /// Asked once a tick. `listening`: the socket is being read; `pending`: output waits.
    pub(super) fn due(&mut self, now: Instant, listening: bool, pending: bool) -> Due {
        match (pending, self.stalled) {
            (false, _) => self.stalled = None,
            (true, None) => self.stalled = Some(now),
            (true, Some(since)) if now - since >= WRITE_STALL_MAX => return Due::Stalled,
            (true, Some(_)) => {}
        }
        let Some(interval) = self.interval else { return Due::Nothing };
        if !listening {
            self.waiting = self.waiting.map(|_| now);
        }
        if self.waiting.is_some_and(|since| now - since >= interval.min(ANSWER_MAX)) {
            return Due::Silent;
        }
        let idle = now - self.sent >= interval / 2 || now - self.received >= interval / 2;
        match idle && now - self.pinged >= interval / 2 {
            true => {
                self.pinged = now;
                self.waiting = self.waiting.or(Some(now));
                Due::Ping
            }
            false => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        start: Instant,
        clock: KeepAlive,
    }

    impl Run {
        fn new(interval_s: u64) -> Self {
            let start = Instant::now();
            Self { start, clock: KeepAlive::new(Duration::from_secs(interval_s), start) }
        }

        fn at(&self, second: u64) -> Instant {
            self.start + Duration::from_secs(second)
        }

        fn check(&mut self, second: u64, listening: bool, expected: Due) {
            let now = self.at(second);
            let due = self.clock.due(now, listening, false);
            if due == Due::Ping {
                self.clock.sent(now, false);
            }
            assert_eq!(due, expected, "at {second} s");
        }
    }

    #[test]
    fn an_idle_connection_pings_at_half_the_interval() {
        let mut run = Run::new(20);
        run.check(9, true, Due::Nothing);
        run.check(10, true, Due::Ping);
        run.check(11, true, Due::Nothing);
    }

    #[test]
    fn silence_after_a_ping_is_death_within_two_intervals() {
        let mut run = Run::new(4);
        run.check(2, true, Due::Ping);
        run.check(5, true, Due::Ping);
        run.check(6, true, Due::Silent);
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let mut run = Run::new(4);
        run.check(2, true, Due::Ping);
        run.clock.received(run.at(5));
        run.check(6, true, Due::Ping);
        run.check(7, true, Due::Nothing);
    }

    #[test]
    fn a_connection_that_does_not_read_pings_on_and_lives() {
        let mut run = Run::new(4);
        for second in 1..100 {
            let expected = if second % 2 == 0 { Due::Ping } else { Due::Nothing };
            run.check(second, false, expected);
        }
        run.check(100, true, Due::Ping);
        run.check(104, true, Due::Silent);
    }

    #[test]
    fn no_keep_alive_no_ping() {
        Run::new(0).check(10_000, true, Due::Nothing);
    }

    #[test]
    fn output_without_progress_is_a_stall() {
        let mut run = Run::new(0);
        let due = |run: &mut Run, second| run.clock.due(run.at(second), true, true);
        assert_eq!(due(&mut run, 1), Due::Nothing);
        assert_eq!(due(&mut run, 20), Due::Nothing);
        run.clock.sent(run.at(20), true);
        assert_eq!(due(&mut run, 39), Due::Nothing);
        assert_eq!(due(&mut run, 40), Due::Stalled);
    }
}
