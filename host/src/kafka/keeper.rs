//! The thread that asks the cluster now and then whether it is there, and which partitions its topics have.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::classify::describe;
use super::native::TopicState;
use super::state::State;

/// Between two questions while the cluster answers.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// Between two questions while it does not.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// After a topic was named for the first time; more may follow.
const ASK_SOON: Duration = Duration::from_millis(200);
/// A record of a topic that is gone has its report long before this.
const LOST_AFTER_GONE: Duration = Duration::from_secs(5);
/// A record that waits this long in a cluster that answers may be lost inside librdkafka. Making the producer anew is no
/// harm if it is not: what was on its way may be written twice.
const LOST_AFTER: Duration = Duration::from_secs(300);
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
        let mut watch = Watch::default();
        while !state.is_stopping() {
            self.start_question();
            if !ask(state, &mut watch) {
                self.ask_by(Instant::now() + ASK_AGAIN);
            }
            self.wait(state);
        }
    }

    /// Sets the time of the next question before this one is asked, so that a call for a new answer that comes meanwhile
    /// is not forgotten.
    fn start_question(&self) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + ASK_EVERY;
    }

    fn wait(&self, state: &State) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
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
fn ask(state: &State, watch: &mut Watch) -> bool {
    let live = state.live().as_ref().map(|live| (live.native.clone(), live.has_topics()));
    let Some((native, has_topics)) = live else { return false };
    let was_lost = {
        let status = state.status();
        status.answered && !status.connected
    };
    if !has_topics && !was_lost {
        // Nothing to ask about yet, and asking for nothing means asking for all topics.
        let met = native.has_met_cluster(ANSWER_MAX);
        state.set_connected(met, None);
        return met;
    }
    match native.metadata(None, ANSWER_MAX) {
        Ok(topics) => {
            state.set_connected(true, None);
            watch.look(state, &topics);
            let complete = topics.iter().all(TopicState::is_usable);
            *state.partitions() = if has_topics { topics } else { Vec::new() };
            complete
        }
        Err(code) => {
            *watch = Watch::default();
            let known = state.status().last_error.clone();
            state.set_connected(false, known.or_else(|| Some(describe(code))));
            false
        }
    }
}

/// Watches for records on which librdkafka never reports. Seen with version 2.12.1, once in some hundred starts: a topic
/// is taken from it while its first records wait for the first connection.
#[derive(Default)]
struct Watch {
    /// The turn of the oldest record without a report, and since when it is the oldest.
    oldest: Option<(u64, Instant)>,
}

impl Watch {
    /// The cluster has answered with the topics in use.
    fn look(&mut self, state: &State, topics: &[TopicState]) {
        let Some(debt) = state.book().oldest() else {
            self.oldest = None;
            return;
        };
        let since = match self.oldest {
            Some((turn, since)) if turn == debt.turn => since,
            Some(_) | None => Instant::now(),
        };
        self.oldest = Some((debt.turn, since));
        let name = state.live().as_ref().and_then(|live| live.topic_name(debt.topic));
        let is_gone = topics.iter().any(|topic| !topic.is_usable() && name.as_ref() == Some(&topic.name));
        if since.elapsed() > if is_gone { LOST_AFTER_GONE } else { LOST_AFTER } {
            self.oldest = None;
            state.ask_for_renewal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_in(keeper: &Keeper) -> Duration {
        keeper.due.lock().unwrap().saturating_duration_since(Instant::now())
    }

    #[test]
    fn a_call_during_a_question_is_not_forgotten() {
        let keeper = Keeper::default();
        keeper.start_question();
        assert!(due_in(&keeper) > ASK_SOON);
        keeper.ask_soon();
        assert!(due_in(&keeper) <= ASK_SOON);
    }

    #[test]
    fn a_later_call_does_not_put_a_question_off() {
        let keeper = Keeper::default();
        keeper.ask_soon();
        keeper.ask_by(Instant::now() + ASK_EVERY);
        assert!(due_in(&keeper) <= ASK_SOON);
    }
}
