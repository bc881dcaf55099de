//! Ctrl-C and SIGTERM: the first ends the demo, the second ends the wait for what is still under way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// How often the user asked to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupts(Arc<AtomicU32>);

impl Interrupts {
    /// Catches the signals from now on, on a thread of its own.
    ///
    /// # Errors
    /// Where the signals cannot be caught.
    pub fn catch() -> io::Result<Self> {
        let caught = Self::default();
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupt, mut terminate) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let count = caught.clone();
        thread::Builder::new().name("demo-signals".into()).spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    count.0.fetch_add(1, Ordering::Relaxed);
                }
            })
        })?;
        Ok(caught)
    }

    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
