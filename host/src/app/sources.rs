//! One thread per source: its connection and its pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::Notify;

use crate::mqtt::{self, Drained, Wires};
use crate::pipeline::{Pipeline, Wiring};

/// A wait shorter than this is not worth two timers at a time.
const SHORT: Duration = Duration::from_millis(10);

/// Starts the thread of a source. Ends when the source's stop signal says so.
///
/// # Errors
/// Where the system gives no thread.
pub fn start(
    name: &str,
    wires: Wires,
    wiring: impl FnOnce(RingLater) -> Wiring + Send + 'static,
) -> std::io::Result<JoinHandle<Drained>> {
    let settled = wires.settled.clone();
    thread::Builder::new().name(format!("mqtt-{name}")).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.expect("a current-thread runtime needs only the epoll descriptor that the process has room for");
        let pipeline = Pipeline::new(wiring(ring_later(settled)));
        runtime.block_on(mqtt::run(wires, pipeline))
    })
}

/// Rings at a desk after a while.
pub type RingLater = Box<dyn Fn(Duration) + Send>;

fn ring_later(settled: Arc<Notify>) -> RingLater {
    let short_is_armed = Arc::new(AtomicBool::new(false));
    Box::new(move |after| {
        if after < SHORT && short_is_armed.swap(true, Ordering::AcqRel) {
            return;
        }
        let (settled, short_is_armed) = (settled.clone(), short_is_armed.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if after < SHORT {
                short_is_armed.store(false, Ordering::Release);
            }
            settled.notify_one();
        });
    })
}
