//! The clock of all guest calls: a thread that advances the engine's epoch every `TICK` while guests run, and sleeps
//! while none does, so that an idle bridge costs nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Granularity of call limits.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Ticks without a new call before the thread sleeps: one second, so that a steady trickle never pays for waking it.
const QUIET_TICKS_MAX: u32 = 100;

/// Tells the ticking thread of calls, and ends it when dropped.
pub(super) struct Ticker {
    pulse: Arc<Pulse>,
    thread: JoinHandle<()>,
}

/// What callers and the thread share.
#[derive(Default)]
struct Pulse {
    begun: AtomicU64,
    ended: AtomicU64,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    /// # Errors
    /// Where no thread can be started.
    pub(super) fn start(engine: wasmtime::Engine) -> io::Result<Self> {
        let pulse = Arc::new(Pulse::default());
        let shared = pulse.clone();
        let thread = thread::Builder::new().name("wasm-ticker".into()).spawn(move || tick(&shared, &engine))?;
        Ok(Self { pulse, thread })
    }

    /// Runs `call` with the clock ticking.
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        self.pulse.begun.fetch_add(1, Ordering::SeqCst);
        if self.pulse.asleep.load(Ordering::SeqCst) {
            self.thread.thread().unpark();
        }
        let _ended = Ended(&self.pulse);
        call()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.pulse.stopped.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
    }
}

/// Counts the end of a call, even of one that unwinds.
struct Ended<'a>(&'a Pulse);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn tick(pulse: &Pulse, engine: &wasmtime::Engine) {
    let (mut seen, mut quiet_ticks) = (0, 0);
    while !pulse.stopped.load(Ordering::SeqCst) {
        thread::park_timeout(TICK);
        engine.increment_epoch();
        let begun = pulse.begun.load(Ordering::SeqCst);
        let is_quiet = begun == seen && pulse.ended.load(Ordering::SeqCst) == begun;
        quiet_ticks = if is_quiet { quiet_ticks + 1 } else { 0 };
        seen = begun;
        if quiet_ticks >= QUIET_TICKS_MAX {
            pulse.sleep(seen);
            quiet_ticks = 0;
        }
    }
}

impl Pulse {
    /// Returns at the first call after the `seen`th. A call is either counted before `asleep` is set, and noticed here,
    /// or sees `asleep` and wakes us.
    fn sleep(&self, seen: u64) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.begun.load(Ordering::SeqCst) == seen && !self.stopped.load(Ordering::SeqCst) {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}
