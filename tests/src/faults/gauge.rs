//! What a process holds, looked at while it works.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::figures::Usage;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What `pid` holds now; `None` where it is gone.
#[must_use]
pub fn usage(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some(Usage { memory_bytes: field("VmRSS:")? * 1024, descriptors, threads: field("Threads:")? })
}

/// Looks at one process after the other and remembers the most memory it saw.
pub struct Gauge {
    pid: Arc<Mutex<u32>>,
    peak_bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gauge {
    #[must_use]
    pub fn start(pid: u32) -> Self {
        let (pid, peak_bytes, stop) = (Arc::new(Mutex::new(pid)), Arc::new(AtomicU64::new(0)), Arc::default());
        let own = (pid.clone(), peak_bytes.clone(), Arc::clone(&stop));
        let thread = thread::spawn(move || watch(&own.0, &own.1, &own.2));
        Self { pid, peak_bytes, stop, thread: Some(thread) }
    }

    /// Looks at another process from now on.
    ///
    /// # Panics
    /// Never: nothing panics while it holds the lock.
    pub fn follow(&self, pid: u32) {
        *self.pid.lock().expect("nothing panics with the lock held") = pid;
    }

    /// Most resident memory seen so far.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ended = thread.join();
        }
    }
}

fn watch(pid: &Mutex<u32>, peak_bytes: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let pid = *pid.lock().expect("nothing panics with the lock held");
        if let Some(usage) = usage(pid) {
            peak_bytes.fetch_max(usage.memory_bytes, Ordering::Relaxed);
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_something() {
        let usage = usage(std::process::id()).expect("it runs");
        assert!(usage.memory_bytes > 0 && usage.descriptors > 0 && usage.threads > 0, "{usage:?}");
    }
}
