//! What a source tells about its connection, for readiness and the admin interface.

use std::sync::{Mutex, PoisonError};

use super::subscribe::{Lowered, Refused};

/// How a source stands at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The broker that we are connected to.
    pub connected: Option<String>,
    /// Whether the broker has granted every subscription.
    pub subscribed: bool,
    /// Filters that the broker refuses, with its reason; asked again after a while.
    pub refused: Vec<Refused>,
    /// Filters that the broker serves with a lower QoS than their rules ask for.
    pub lowered: Vec<Lowered>,
    /// Most QoS 1 and 2 messages that we let the broker have in flight to us. MQTT 3.1.1 cannot tell it to the broker.
    pub window: u16,
    /// What the broker does not give although the delivery promise rests on it, one sentence each.
    pub hollow: Vec<String>,
    /// Why the last connection ended or could not be made.
    pub last_error: Option<String>,
}

impl Standing {
    /// Whether messages of every subscription reach us.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.connected.is_some() && self.subscribed
    }
}

/// A source's `Standing`, shared with other threads.
#[derive(Debug, Default)]
pub struct Status(Mutex<Standing>);

impl Status {
    #[must_use]
    pub fn read(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
