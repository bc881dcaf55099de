//! Reads Kafka while it is written to, gives the oracle every record, and notes when marked messages came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::KafkaAccess;
use crate::process::wait_until;
use crate::publish::{Published, TopicOf};
use crate::read::{Reader, Record};
use crate::verdict::{Expectation, Oracle, Verdict};

/// How a probe's payload begins.
pub const PROBE: &str = "probe-";
/// Where nothing more comes for so long, nothing more will.
const QUIET: Duration = Duration::from_secs(15);
/// A reader that gets nothing for so long is made anew.
const RENEW_AFTER: Duration = Duration::from_secs(2);

/// A reader at work.
pub struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Reader>>,
}

struct Shared {
    seen: Mutex<Seen>,
    stop: AtomicBool,
}

struct Seen {
    oracle: Oracle,
    probes: HashMap<String, Instant>,
    /// When the last numbered record came.
    newest: Instant,
    /// Numbered records and probes.
    records: u64,
}

impl Follower {
    /// Reads `topics` from their beginning; `expect` is the oracle's.
    ///
    /// # Panics
    /// As `Reader::open`.
    #[must_use]
    pub fn start(
        access: &KafkaAccess,
        topics: &[&str],
        topic_of: TopicOf,
        payload_bytes: usize,
        expect: Expectation,
    ) -> Self {
        let reader = Reader::open(access, topics);
        let oracle = Oracle::new(topic_of, payload_bytes, reader.partitions(), expect);
        let seen = Seen { oracle, probes: HashMap::new(), newest: Instant::now(), records: 0 };
        let shared = Arc::new(Shared { seen: Mutex::new(seen), stop: AtomicBool::new(false) });
        let own = shared.clone();
        let thread = thread::spawn(move || follow(reader, &own));
        Self { shared, thread: Some(thread) }
    }

    /// When the probe came, if it did.
    #[must_use]
    pub fn probe(&self, text: &str) -> Option<Instant> {
        self.shared.lock().probes.get(text).copied()
    }

    /// Different records so far.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.shared.lock().oracle.distinct()
    }

    /// Records so far, repetitions and probes with them.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.shared.lock().records
    }

    /// Waits until all that was published is there, or nothing comes any more; then judges.
    ///
    /// # Panics
    /// Where the reading thread failed.
    #[must_use]
    pub fn finish(mut self, published: &Published) -> (Verdict, u64) {
        let wanted = self.shared.lock().oracle.wanted(published);
        let begun = Instant::now();
        wait_until(Duration::from_secs(120), || {
            let seen = self.shared.lock();
            seen.oracle.distinct() >= wanted || (seen.newest.elapsed() > QUIET && begun.elapsed() > QUIET)
        });
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut reader = self.thread.take().expect("taken here only").join().expect("the reader ends well");
        reader.catch_up(|record| self.shared.lock().take(&record));
        drop(reader);
        let shared = self.shared.clone();
        drop(self);
        let shared = Arc::try_unwrap(shared).unwrap_or_else(|_| panic!("the thread is gone"));
        let seen = shared.seen.into_inner().expect("nothing panics with the lock held");
        (seen.oracle.judge(published), seen.records)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nothing panics with the lock held")
    }
}

impl Seen {
    fn take(&mut self, record: &Record) {
        self.records += 1;
        let payload = record.payload_text();
        if let Some(at) = payload.find(PROBE) {
            self.probes.entry(payload[at..].to_owned()).or_insert_with(Instant::now);
            return;
        }
        self.newest = Instant::now();
        self.oracle.take(record);
    }
}

fn follow(mut reader: Reader, shared: &Shared) -> Reader {
    let mut quiet = Instant::now();
    while !shared.stop.load(Ordering::SeqCst) {
        if let Some(record) = reader.poll() {
            shared.lock().take(&record);
            quiet = Instant::now();
        }
        if quiet.elapsed() > RENEW_AFTER {
            reader.renew();
            quiet = Instant::now();
        }
    }
    reader
}
