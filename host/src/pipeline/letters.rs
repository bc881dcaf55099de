//! What becomes of a share that could not be carried out: the rule's `on_error`, and the way of a dead letter.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::records::{Extent, dead_letter};
use crate::ack::{Failure, RuleNo, Slot};
use crate::config::OnError;
use crate::message::{Message, Record};
use crate::meters::RuleMeters;
use crate::router::{Rule, Snapshot};

/// Shortest and longest wait before a held share is tried again.
const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The dead letters under way and the shares that wait to be tried again, of one source.
#[derive(Default)]
pub struct Letters {
    letters: HashMap<(Slot, RuleNo), Letter>,
    waiting: HashMap<(Slot, RuleNo), Waiting>,
}

struct Letter {
    failure: Failure,
    extent: Extent,
    /// Shares of the message and rule that this letter settles.
    shares: u32,
}

struct Waiting {
    /// `None` once it has been carried again.
    due: Option<Instant>,
    wait: Duration,
}

/// What is to be done about a failed share.
#[must_use]
pub enum Reply {
    /// Produce this dead letter; the share is settled when it is delivered.
    Send(Box<Record>),
    /// Set it aside, counted.
    Drop,
    /// The message's dead letter for this rule is under way and settles this share too.
    AlreadyOnItsWay,
    /// Carry the share again after this while.
    TryAgain { after: Duration },
}

impl Letters {
    /// Decides about a share of `message` that `rule` could not carry out, or about its dead letter.
    pub fn reply(
        &mut self,
        rule: &Rule,
        message: &Message,
        slot: Slot,
        failure: Failure,
        is_letter: bool,
        snapshot: &Snapshot,
    ) -> Reply {
        if is_letter {
            return self.letter_refused(rule, message, slot, &failure, snapshot);
        }
        match (rule.on_error, &snapshot.dead_letter) {
            (OnError::Drop, _) => Reply::Drop,
            (OnError::DeadLetter, Some(topic)) => {
                if let Some(known) = self.letters.get_mut(&(slot, rule.no)) {
                    known.shares += 1;
                    return Reply::AlreadyOnItsWay;
                }
                let record = dead_letter(topic, message, &rule.name, snapshot.generation, &failure, Extent::Whole);
                self.letters.insert((slot, rule.no), Letter { failure, extent: Extent::Whole, shares: 1 });
                Reply::Send(Box::new(record))
            }
            (OnError::Hold, _) | (OnError::DeadLetter, None) => {
                warn!(rule = %rule.name, error = %failure.error, "a message is held until its rule can carry it");
                self.wait(slot, rule.no)
            }
        }
    }

    /// Kafka will not take the dead letter as it is: it goes without its value, and if even that is refused it is tried
    /// again for as long as it takes.
    fn letter_refused(
        &mut self,
        rule: &Rule,
        message: &Message,
        slot: Slot,
        refusal: &Failure,
        snapshot: &Snapshot,
    ) -> Reply {
        let Some(letter) = self.letters.get_mut(&(slot, rule.no)) else { return Reply::AlreadyOnItsWay };
        let Some(topic) = &snapshot.dead_letter else { return self.wait(slot, rule.no) };
        match letter.extent {
            Extent::Whole => {
                error!(
                    rule = %rule.name, size_bytes = message.payload.len(), error = %refusal.error,
                    "the dead-letter topic does not take a message whole, it goes without its value"
                );
                letter.extent = Extent::WithoutValue;
                let (generation, extent) = (snapshot.generation, Extent::WithoutValue);
                Reply::Send(Box::new(dead_letter(topic, message, &rule.name, generation, &letter.failure, extent)))
            }
            Extent::WithoutValue => {
                error!(rule = %rule.name, error = %refusal.error, "the dead-letter topic refuses a dead letter");
                self.letters.remove(&(slot, rule.no));
                self.wait(slot, rule.no)
            }
        }
    }

    /// A dead letter is in Kafka: returns how many shares it settles.
    pub fn delivered(&mut self, slot: Slot, rule: RuleNo, meters: &RuleMeters) -> u32 {
        self.waiting.remove(&(slot, rule));
        let Some(letter) = self.letters.remove(&(slot, rule)) else { return 0 };
        *meters.dead_lettered.entry(letter.failure.kind).or_default() += 1;
        letter.shares
    }

    /// The shares whose wait is over; each is told once.
    pub fn due(&mut self, now: Instant) -> Vec<(Slot, RuleNo)> {
        let told =
            |(share, known): (&(Slot, RuleNo), &mut Waiting)| known.due.take_if(|due| *due <= now).map(|_| *share);
        self.waiting.iter_mut().filter_map(told).collect()
    }

    /// A share that may have waited is settled or void.
    pub fn forget(&mut self, slot: Slot, rule: RuleNo) {
        if !self.waiting.is_empty() {
            self.waiting.remove(&(slot, rule));
        }
    }

    fn wait(&mut self, slot: Slot, rule: RuleNo) -> Reply {
        let before = self.waiting.get(&(slot, rule)).map(|known| known.wait);
        let wait = before.map_or(WAIT_MIN, |before| (before * 2).min(WAIT_MAX));
        self.waiting.insert((slot, rule), Waiting { due: Some(Instant::now() + wait), wait });
        Reply::TryAgain { after: wait }
    }
}
