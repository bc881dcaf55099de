//! Which rules answer a copy of a message, where the broker sends one copy per matching subscription.

use std::collections::HashSet;

use super::route::{Leg, Route};
use crate::message::{Message, SubscriptionId};

/// What one source knows of the copies that it gets.
///
/// A copy that names a subscription of ours serves the rules behind that subscription. A copy without identifiers
/// serves all. One that names only subscriptions we do not know was queued under a configuration of an earlier run, on a
/// session that the broker kept: it serves a rule until the first copy of the rule's own subscription has come, for
/// from then on every message comes under that one too.
#[derive(Default)]
pub struct Copies {
    heard: HashSet<SubscriptionId, foldhash::fast::RandomState>,
    heard_last: Option<SubscriptionId>,
}

/// How a copy is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    ForAll,
    BySubscription,
    OfAnEarlierRun,
}

impl Copies {
    /// Forgets what was heard: the broker starts a session anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Judges a copy and learns from it.
    pub fn judge(&mut self, route: &Route, message: &Message) -> Copy {
        let ids = message.subscriptions.as_slice();
        if ids.is_empty() {
            return Copy::ForAll;
        }
        let mut verdict = Copy::OfAnEarlierRun;
        for id in ids.iter().filter(|id| route.knows(**id)) {
            verdict = Copy::BySubscription;
            if !message.retain && self.heard_last != Some(*id) {
                self.heard.insert(*id);
                self.heard_last = Some(*id);
            }
        }
        verdict
    }

    /// Whether `leg` answers the copy.
    #[must_use]
    pub fn is_for(&self, leg: &Leg, copy: Copy, message: &Message) -> bool {
        match copy {
            Copy::ForAll => true,
            Copy::BySubscription => leg.is_served_by(message.subscriptions.as_slice()),
            Copy::OfAnEarlierRun => !leg.serving().iter().any(|id| self.heard.contains(id)),
        }
    }
}
