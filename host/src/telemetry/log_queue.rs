//! Log lines on their way to a slow pipe.
//!
//! Invariant: whoever logs never waits. A line that finds no room is dropped and counted, and the count is told in the
//! log as soon as lines move again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait.
const LINES_MAX: usize = 4_096;
/// Most bytes that wait.
const BYTES_MAX: usize = 4 << 20;

/// The counts of the queue that the process logs through.
static IN_USE: OnceLock<Arc<Counts>> = OnceLock::new();

/// Log lines of this process that were dropped so far.
#[must_use]
pub fn lines_dropped() -> u64 {
    IN_USE.get().map_or(0, |counts| counts.dropped.load(Ordering::Relaxed))
}

#[derive(Debug, Default)]
struct Counts {
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
}

enum Entry {
    Line(Box<[u8]>),
    /// Everything before is written: say so.
    Flush(SyncSender<()>),
}

/// Where log lines are left. Cheap to clone.
#[derive(Clone)]
pub struct LogQueue {
    entries: SyncSender<Entry>,
    counts: Arc<Counts>,
}

impl LogQueue {
    /// Starts the thread that writes to `out`. `notice` makes the line that tells of dropped ones.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(out: impl Write + Send + 'static, notice: fn(u64) -> String) -> io::Result<Self> {
        let (entries, waiting) = sync_channel(LINES_MAX);
        let counts = Arc::new(Counts::default());
        let writer = LineWriter { out, notice, counts: counts.clone(), told: 0 };
        thread::Builder::new().name("tidegate-log".into()).spawn(move || writer.run(&waiting))?;
        Ok(Self { entries, counts })
    }

    /// Makes `lines_dropped` tell of this queue; the first one wins.
    pub fn count_for_process(&self) {
        IN_USE.get_or_init(|| self.counts.clone());
    }

    /// Waits until all lines so far are written, but no longer than `limit`.
    pub fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (done, written) = sync_channel(1);
        let mut entry = Entry::Flush(done);
        while let Err(TrySendError::Full(back)) = self.entries.try_send(entry) {
            if Instant::now() >= deadline {
                return;
            }
            entry = back;
            thread::sleep(Duration::from_millis(5));
        }
        // Either answer ends the wait: all is written, or whoever reads the log is stuck.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    fn offer(&self, line: &[u8]) {
        let waiting_bytes = self.counts.waiting_bytes.fetch_add(line.len(), Ordering::Relaxed) + line.len();
        let is_taken = waiting_bytes <= BYTES_MAX && self.entries.try_send(Entry::Line(line.into())).is_ok();
        if !is_taken {
            self.counts.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Write for &LogQueue {
    /// Takes the line whole or drops it; the formatter writes each line with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.offer(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

struct LineWriter<W> {
    out: W,
    notice: fn(u64) -> String,
    counts: Arc<Counts>,
    told: u64,
}

impl<W: Write> LineWriter<W> {
    fn run(mut self, waiting: &Receiver<Entry>) {
        while let Ok(entry) = waiting.recv() {
            match entry {
                Entry::Line(line) => self.line(&line),
                Entry::Flush(done) => {
                    // Whoever asked may have given up waiting.
                    let _ = done.try_send(());
                }
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        if self.out.write_all(line).and_then(|()| self.out.flush()).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.counts.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
        self.tell_dropped();
    }

    fn tell_dropped(&mut self) {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        if dropped > self.told && writeln!(self.out, "{}", (self.notice)(dropped - self.told)).is_ok() {
            self.told = dropped;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Writes into memory, but only after the gate was opened.
    struct Gated {
        gate: Option<Receiver<()>>,
        reached: Sender<()>,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(gate) = self.gate.take() {
                self.reached.send(()).unwrap();
                gate.recv().unwrap();
            }
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn notice(count: u64) -> String {
        format!("{count} dropped")
    }

    /// A queue whose pipe is blocked with its first line already in the writer's hands.
    fn blocked() -> (LogQueue, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (open, gate) = channel();
        let (reached, is_reached) = channel();
        let text = Arc::new(Mutex::new(Vec::new()));
        let queue = LogQueue::start(Gated { gate: Some(gate), reached, text: text.clone() }, notice).unwrap();
        queue.offer(b"first\n");
        is_reached.recv().unwrap();
        (queue, open, text)
    }

    #[test]
    fn a_blocked_pipe_costs_lines_but_no_waiting() {
        let (queue, open, text) = blocked();
        for _ in 0..LINES_MAX + 10 {
            queue.offer(b"line\n");
        }
        assert_eq!(queue.counts.dropped.load(Ordering::Relaxed), 10);
        open.send(()).unwrap();
        queue.flush(Duration::from_secs(30));
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("first\n10 dropped\nline\n"), "{}", &text[..40]);
        assert_eq!(text.matches("line\n").count(), LINES_MAX);
        assert_eq!(queue.counts.waiting_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn few_but_long_lines_are_bounded_too() {
        let (queue, open, _) = blocked();
        let long = vec![b'x'; BYTES_MAX / 4];
        for _ in 0..6 {
            queue.offer(&long);
        }
        assert_eq!(queue.counts.dropped.load(Ordering::Relaxed), 3);
        open.send(()).unwrap();
    }

    #[test]
    fn flushing_a_blocked_pipe_gives_up() {
        let (queue, open, _) = blocked();
        queue.flush(Duration::from_millis(1));
        open.send(()).unwrap();
    }
}
