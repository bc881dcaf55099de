//! Keeps librdkafka from burning a core while Kafka is silent.
//!
//! Its idempotent producer has one request on its way per partition. While that request waits for its answer and more
//! records queue behind it past their linger time, the broker's thread asks the socket without sleeping
//! (librdkafka 2.12, `rd_kafka_toppar_producer_serve`: the wake-up time is set before the limit of requests is looked
//! at; only with five requests to one broker on their way does it sleep). A partition that is on hold is left out of
//! that, so all partitions are put on hold when no report has come for a while, and let go with the next report; and
//! briefly now and then, since a request may have been put back to be sent again.

use std::time::{Duration, Instant};

/// Silence before a hold, on top of linger.
const PATIENCE: Duration = Duration::from_millis(2);
/// More of it for each partition, since holding costs a message to librdkafka's main thread for each.
const PATIENCE_PER_PARTITION: Duration = Duration::from_micros(50);
/// How long a hold is lifted to let what waits be sent.
const PULSE: Duration = Duration::from_millis(2);
/// The same, every so many pulses in vain: on a busy machine the broker's thread may not get a turn within a short one,
/// and what waits would wait for ever.
const PULSE_LONG: Duration = Duration::from_millis(50);
const PULSES_TO_A_LONG_ONE: u32 = 8;
/// Between two pulses where new records were handed over, which may be for a partition that is not silent.
const PULSE_EVERY_BUSY: Duration = Duration::from_millis(100);
/// Between two pulses where none were.
const PULSE_EVERY: Duration = Duration::from_millis(250);
/// How long a new producer may be silent before its first report: it must connect, log in and get its id.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// How soon silence is noticed after a time without records.
const IDLE: Duration = Duration::from_millis(100);

/// What has become of the traffic since the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    /// Records wait for their report.
    pub(super) outstanding: bool,
    /// A report came, or the connection changed.
    pub(super) progress: bool,
    /// Records handed over so far.
    pub(super) turns: u64,
    /// Partitions in use.
    pub(super) partitions: usize,
    /// A broker was lost lately. Partitions on hold give librdkafka no reason to connect to it again, and a lost broker
    /// has no request on its way that it would spin for.
    pub(super) broker_lost: bool,
}

/// What is to be done with all partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    Hold,
    LetGo,
}

/// Whether partitions are on hold, and since when nothing moved.
#[derive(Debug)]
pub(super) struct Stall {
    linger: Duration,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    /// `pulses` in vain since the last sign of life.
    Flowing {
        silent_since: Instant,
        pulses: u32,
    },
    Held {
        since: Instant,
        turns: u64,
        pulses: u32,
    },
}

impl Stall {
    pub(super) fn new(linger: Duration, now: Instant) -> Self {
        Self { linger, mode: Mode::Flowing { silent_since: now + FIRST_PATIENCE, pulses: 0 } }
    }

    /// Decides what follows from `traffic`, and how long to wait for the next event at most.
    pub(super) fn look(&mut self, now: Instant, traffic: Traffic) -> (Step, Duration) {
        let patience = self.patience(traffic.partitions);
        match self.mode {
            Mode::Flowing { silent_since, .. } if traffic.progress || traffic.broker_lost || !traffic.outstanding => {
                let silent_since = if traffic.outstanding { now } else { now.max(silent_since) };
                self.mode = Mode::Flowing { silent_since, pulses: 0 };
                (Step::Stay, if traffic.outstanding { patience } else { IDLE })
            }
            Mode::Flowing { silent_since, pulses } => {
                let left = (silent_since + patience).saturating_duration_since(now);
                if left > Duration::ZERO {
                    return (Step::Stay, left);
                }
                self.mode = Mode::Held { since: now, turns: traffic.turns, pulses };
                (Step::Hold, PULSE_EVERY_BUSY)
            }
            Mode::Held { .. } if traffic.progress || traffic.broker_lost => {
                self.mode = Mode::Flowing { silent_since: now, pulses: 0 };
                (Step::LetGo, patience)
            }
            Mode::Held { since, turns, pulses } => {
                let every = if traffic.turns == turns { PULSE_EVERY } else { PULSE_EVERY_BUSY };
                let left = every.saturating_sub(now.duration_since(since));
                if left > Duration::ZERO && traffic.outstanding {
                    return (Step::Stay, left.min(PULSE_EVERY_BUSY));
                }
                let pulses = pulses.wrapping_add(1);
                let pulse = if pulses.is_multiple_of(PULSES_TO_A_LONG_ONE) { PULSE_LONG } else { PULSE };
                // Its patience ends with the pulse.
                let silent_since = (now + pulse).checked_sub(patience).unwrap_or(now);
                self.mode = Mode::Flowing { silent_since, pulses };
                (Step::LetGo, pulse)
            }
        }
    }

    fn patience(&self, partitions: usize) -> Duration {
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        self.linger + PATIENCE + PATIENCE_PER_PARTITION.saturating_mul(partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds looks of (milliseconds, outstanding, progress, turns) and expects the steps.
    fn check(looks: &[(u64, bool, bool, u64, Step)]) {
        let start = Instant::now();
        let mut stall = Stall::new(Duration::from_millis(1), start);
        let first = Traffic { outstanding: true, progress: true, turns: 0, partitions: 0, broker_lost: false };
        stall.look(start, first);
        for (at_ms, outstanding, progress, turns, expected) in looks.iter().copied() {
            let traffic = Traffic { outstanding, progress, turns, partitions: 0, broker_lost: false };
            let (step, wait) = stall.look(start + Duration::from_millis(at_ms), traffic);
            assert_eq!(step, expected, "at {at_ms} ms");
            assert!(wait > Duration::ZERO);
        }
    }

    #[test]
    fn nothing_outstanding_is_no_silence() {
        check(&[(0, false, false, 0, Step::Stay), (5_000, false, false, 0, Step::Stay)]);
    }

    #[test]
    fn a_new_producer_gets_more_time() {
        let start = Instant::now();
        let mut stall = Stall::new(Duration::ZERO, start);
        let silent = Traffic { outstanding: true, progress: false, turns: 1, partitions: 0, broker_lost: false };
        assert_eq!(stall.look(start + Duration::from_millis(900), silent).0, Step::Stay);
        assert_eq!(stall.look(start + Duration::from_millis(1_100), silent).0, Step::Hold);
    }

    #[test]
    fn reports_keep_it_flowing() {
        check(&[(0, true, true, 1, Step::Stay), (2, true, true, 2, Step::Stay), (4, true, true, 3, Step::Stay)]);
    }

    #[test]
    fn silence_holds_until_the_next_report() {
        check(&[
            (0, true, true, 1, Step::Stay),
            (2, true, false, 1, Step::Stay),
            (3, true, false, 1, Step::Hold),
            (20, true, false, 1, Step::Stay),
            (21, true, true, 1, Step::LetGo),
            (22, true, false, 1, Step::Stay),
        ]);
    }

    #[test]
    fn a_hold_is_lifted_now_and_then() {
        check(&[
            (3, true, false, 1, Step::Hold),
            (252, true, false, 1, Step::Stay),
            (253, true, false, 1, Step::LetGo),
            (254, true, false, 1, Step::Stay),
            (255, true, false, 1, Step::Hold),
        ]);
    }

    #[test]
    fn after_many_pulses_in_vain_one_is_long() {
        let mut looks = vec![(3, true, false, 1, Step::Hold)];
        let mut at_ms = 3;
        for pulse in 1..=PULSES_TO_A_LONG_ONE {
            at_ms += 250;
            looks.push((at_ms, true, false, 1, Step::LetGo));
            at_ms += if pulse == PULSES_TO_A_LONG_ONE { 49 } else { 2 };
            looks.push((at_ms, true, false, 1, if pulse == PULSES_TO_A_LONG_ONE { Step::Stay } else { Step::Hold }));
        }
        looks.push((at_ms + 1, true, false, 1, Step::Hold));
        check(&looks);
    }

    #[test]
    fn new_records_lift_it_sooner() {
        check(&[(3, true, false, 1, Step::Hold), (50, true, false, 2, Step::Stay), (103, true, false, 2, Step::LetGo)]);
    }

    #[test]
    fn nothing_is_held_while_a_broker_is_away() {
        let start = Instant::now();
        let mut stall = Stall::new(Duration::ZERO, start);
        let mut silent = Traffic { outstanding: true, progress: false, turns: 1, partitions: 0, broker_lost: false };
        assert_eq!(stall.look(start + Duration::from_secs(2), silent).0, Step::Hold);
        silent.broker_lost = true;
        assert_eq!(stall.look(start + Duration::from_secs(3), silent).0, Step::LetGo);
        assert_eq!(stall.look(start + Duration::from_secs(9), silent).0, Step::Stay);
        silent.broker_lost = false;
        assert_eq!(stall.look(start + Duration::from_secs(10), silent).0, Step::Hold);
    }

    #[test]
    fn nothing_left_to_wait_for_lifts_it() {
        check(&[(3, true, false, 1, Step::Hold), (20, false, false, 1, Step::LetGo)]);
    }
}
