//! The plant at work: publishes the machines' readings at the asked rate until it is stopped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::accounts::Sent;
use super::plant::{self, Fate, MACHINES, Machine};
use crate::meters::Meters;
use crate::mqtt::publisher::{Busy, Publisher};

/// How often the plant looks at the clock.
const TICK: Duration = Duration::from_millis(5);
/// Readings that the broker may hold for the bridge. Past it the plant pauses: the embedded broker forgets the oldest
/// when its memory is full.
const BACKLOG_MAX: u64 = 10_000;
/// A plant that fell behind catches up by at most this much of a second's work.
const BURST_PER_SECOND: u64 = 10;

/// The running plant.
pub struct Feed {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    publisher: Publisher,
    meters: Arc<Meters>,
    stop: AtomicBool,
    decoded: AtomicU64,
    filtered: AtomicU64,
    dead_lettered: AtomicU64,
}

impl Feed {
    /// Starts publishing `rate` readings a second to the MQTT broker at `port`; `meters` tell how far the bridge is.
    ///
    /// # Errors
    /// Where a thread cannot be started.
    pub fn start(port: u16, rate: u32, meters: Arc<Meters>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            publisher: Publisher::connect("127.0.0.1", port, "demo-plant")?,
            meters,
            stop: AtomicBool::new(false),
            decoded: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            dead_lettered: AtomicU64::new(0),
        });
        let thread = thread::Builder::new().name("demo-plant".into()).spawn({
            let shared = shared.clone();
            move || shared.work(u64::from(rate))
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// No reading leaves after this.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic on that thread has been told by the panic hook; the counts show what is missing.
            let _ = thread.join();
        }
    }

    #[must_use]
    pub fn sent(&self) -> Sent {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Sent {
            decoded: count(&self.shared.decoded),
            filtered: count(&self.shared.filtered),
            dead_lettered: count(&self.shared.dead_lettered),
            acknowledged: self.shared.publisher.acknowledged(),
        }
    }

    /// The last thing that went wrong between plant and broker, once.
    #[must_use]
    pub fn take_trouble(&self) -> Option<String> {
        self.shared.publisher.take_trouble()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn work(&self, rate: u64) {
        let mut rounds = Rounds::default();
        let mut pace = Pace::new(rate, Instant::now());
        while !self.stop.load(Ordering::Relaxed) {
            let due = pace.due(Instant::now()).min(BACKLOG_MAX.saturating_sub(self.backlog(&rounds)));
            for _ in 0..due {
                if self.publish(rounds.peek()).is_err() {
                    break;
                }
                rounds.advance();
                pace.done(1);
            }
            thread::sleep(TICK);
        }
    }

    fn publish(&self, (machine, sequence): (Machine, u32)) -> Result<(), Busy> {
        self.publisher.publish(&machine.topic(), plant::payload(machine, sequence, now_ms()))?;
        let counter = match plant::fate(machine, sequence) {
            Fate::Decoded => &self.decoded,
            Fate::Filtered => &self.filtered,
            Fate::DeadLettered => &self.dead_lettered,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn backlog(&self, rounds: &Rounds) -> u64 {
        let sources = self.meters.sources.get().map_or(&[][..], Vec::as_slice);
        let acknowledged: u64 = sources.iter().map(|source| source.acknowledged.get()).sum();
        rounds.sent.saturating_sub(acknowledged)
    }
}

/// Whose turn it is: every machine once a round.
#[derive(Default)]
struct Rounds {
    sent: u64,
}

impl Rounds {
    fn peek(&self) -> (Machine, u32) {
        let place = usize::try_from(self.sent % MACHINES as u64).expect("less than the number of machines");
        let machine = Machine::all().nth(place).expect("less than the number of machines");
        (machine, (self.sent / MACHINES as u64) as u32) // wraps after 4 billion rounds, as a machine's counter would
    }

    fn advance(&mut self) {
        self.sent += 1;
    }
}

/// Readings owed by the clock, without a burst after a pause.
struct Pace {
    rate: u64,
    since: Instant,
    done: u64,
}

impl Pace {
    fn new(rate: u64, now: Instant) -> Self {
        Self { rate, since: now, done: 0 }
    }

    fn due(&mut self, now: Instant) -> u64 {
        let owed = now.duration_since(self.since).as_micros() * u128::from(self.rate) / 1_000_000;
        let due = u64::try_from(owed).unwrap_or(u64::MAX).saturating_sub(self.done);
        let burst = (self.rate / BURST_PER_SECOND).max(1);
        if due > burst {
            *self = Self::new(self.rate, now);
            return burst;
        }
        due
    }

    fn done(&mut self, count: u64) {
        self.done += count;
    }
}

fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_take_turns_and_count_up() {
        let mut rounds = Rounds::default();
        let mut turns = Vec::new();
        for _ in 0..=MACHINES {
            let (machine, sequence) = rounds.peek();
            turns.push((machine.place(), sequence));
            rounds.advance();
        }
        assert_eq!(turns[..2], [(0, 0), (1, 0)]);
        assert_eq!(turns[MACHINES], (0, 1));
    }

    #[test]
    fn the_pace_follows_the_clock() {
        let start = Instant::now();
        let mut pace = Pace::new(2_000, start);
        assert_eq!(pace.due(start), 0);
        assert_eq!(pace.due(start + Duration::from_millis(10)), 20);
        pace.done(20);
        assert_eq!(pace.due(start + Duration::from_millis(11)), 2);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(2_000, start);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.due(later), 200);
        assert_eq!(pace.due(later), 0);
    }

    #[test]
    fn a_slow_rate_still_moves() {
        let start = Instant::now();
        let mut pace = Pace::new(1, start);
        assert_eq!(pace.due(start + Duration::from_secs(1)), 1);
    }
}
