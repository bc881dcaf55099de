//! The thread that asks the cluster now and then whether it is there, and which partitions its topics have.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::classify::describe;
use super::native::Native;
use super::state::State;

/// Between two questions while the cluster answers.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// Between two questions while it does not.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// After a topic was named for the first time; more may follow.
const ASK_SOON: Duration = Duration::from_millis(200);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// When to ask next.
pub(super) struct Keeper {
    due: Mutex<Instant>,
    news: Condvar,
}

impl Default for Keeper {
    fn default() -> Self {
        Self { due: Mutex::new(Instant::now()), news: Condvar::new() }
    }
}

impl Keeper {
    /// Something changed that calls for a new answer.
    pub(super) fn ask_soon(&self) {
        self.ask_by(Instant::now() + ASK_SOON);
    }

    /// As `ask_soon`, without delay.
    pub(super) fn ask_now(&self) {
        self.ask_by(Instant::now());
    }

    fn ask_by(&self, at: Instant) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = at.min(*due);
        self.news.notify_all();
    }

    /// Until the end of the producer.
    pub(super) fn run(&self, state: &State) {
        while !state.is_stopping() {
            let again = if ask(state) { ASK_EVERY } else { ASK_AGAIN };
            self.wait(state, again);
        }
    }

    fn wait(&self, state: &State, at_most: Duration) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = Instant::now() + at_most;
        while !state.is_stopping() {
            let left = due.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return;
            }
            due = self.news.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Asks once; tells whether the answer was complete.
fn ask(state: &State) -> bool {
    let live = state.live().as_ref().map(|live| (live.native.clone(), live.has_topics()));
    let Some((native, has_topics)) = live else { return false };
    let was_lost = {
        let status = state.status();
        status.answered && !status.connected
    };
    if has_topics || was_lost {
        return ask_for_topics(state, &native, has_topics);
    }
    // Nothing to ask about yet, and asking for nothing means asking for all topics.
    let met = native.has_met_cluster(ANSWER_MAX);
    state.set_connected(met, None);
    met
}

fn ask_for_topics(state: &State, native: &Native, keep: bool) -> bool {
    match native.metadata(None, ANSWER_MAX) {
        Ok(topics) => {
            let complete = topics.iter().all(|topic| topic.partitions > 0);
            if keep {
                *state.partitions() = topics;
            }
            state.set_connected(true, None);
            complete
        }
        Err(code) => {
            let known = state.status().last_error.clone();
            state.set_connected(false, known.or_else(|| Some(describe(code))));
            false
        }
    }
}
