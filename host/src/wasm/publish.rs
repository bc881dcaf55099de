//! `publish`: what a plugin sends back to the broker. Kept until its call has answered, then handed to the source's queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::config::PublishGrant;
use crate::message::Qos;
use crate::seam::{Backchannel, Outgoing};
use crate::topic::TopicName;

/// Most bytes that one call may publish; the queue behind has its own bound.
const CALL_BYTES_MAX: usize = 16 << 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BadMessage,
    NotGranted,
    TooMany,
    TooLarge,
    NotConnected,
}

/// Where all instances of one plugin in one rule publish.
pub(super) struct Desk {
    grant: PublishGrant,
    back: Option<Arc<dyn Backchannel>>,
    rate: Mutex<Rate>,
}

#[derive(Default)]
struct Rate {
    began: Option<Instant>,
    taken: u32,
}

impl Rate {
    /// Whether one more may leave now.
    fn admit(&mut self, per_s_max: u32, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            *self = Self { began: Some(now), taken: 0 };
        }
        let is_free = self.taken < per_s_max;
        self.taken += u32::from(is_free);
        is_free
    }
}

impl Desk {
    pub(super) fn new(grant: PublishGrant, back: Option<Arc<dyn Backchannel>>) -> Self {
        Self { grant, back, rate: Mutex::default() }
    }

    fn check(&self, topic: &TopicName, payload: &[u8], qos: Qos, held_bytes: usize) -> Result<(), Refusal> {
        if !self.grant.topics.iter().any(|filter| filter.matches(topic.as_str())) {
            return Err(Refusal::NotGranted);
        }
        let size_bytes = topic.as_str().len() + payload.len();
        if let Some(back) = &self.back {
            if size_bytes > back.message_bytes_max() {
                return Err(Refusal::TooLarge);
            }
            if qos == Qos::AtMostOnce && !back.is_linked() {
                return Err(Refusal::NotConnected);
            }
            if !back.has_room() {
                return Err(Refusal::TooMany);
            }
        }
        let rate = &mut self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        match held_bytes + size_bytes <= CALL_BYTES_MAX && rate.admit(self.grant.per_s_max, Instant::now()) {
            true => Ok(()),
            false => Err(Refusal::TooMany),
        }
    }
}

/// What the call in hand has published so far.
pub(super) struct Call {
    desk: Arc<Desk>,
    held: Vec<Outgoing>,
    held_bytes: usize,
}

impl Call {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, held: Vec::new(), held_bytes: 0 }
    }

    pub(super) fn publish(&mut self, topic: String, payload: Vec<u8>, qos: u8, retain: bool) -> Result<(), Refusal> {
        let topic = TopicName::parse(Bytes::from(topic)).map_err(|_| Refusal::BadMessage)?;
        let qos = match Qos::from_level(qos) {
            Some(qos @ (Qos::AtMostOnce | Qos::AtLeastOnce)) => qos,
            Some(Qos::ExactlyOnce) | None => return Err(Refusal::BadMessage),
        };
        self.desk.check(&topic, &payload, qos, self.held_bytes)?;
        self.held_bytes += topic.as_str().len() + payload.len();
        self.held.push(Outgoing { topic, payload: payload.into(), qos, retain });
        Ok(())
    }

    pub(super) fn commit(&mut self) {
        self.held_bytes = 0;
        if self.held.is_empty() {
            return;
        }
        match &self.desk.back {
            Some(back) => back.publish(&mut self.held),
            None => self.held.clear(),
        }
    }

    pub(super) fn roll_back(&mut self) {
        self.held_bytes = 0;
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::TopicFilter;

    fn call(per_s_max: u32) -> Call {
        let topics = vec![TopicFilter::parse("plant/+/cmd").unwrap()];
        Call::new(Arc::new(Desk::new(PublishGrant { topics, per_s_max }, None)))
    }

    #[test]
    fn only_what_is_granted_leaves() {
        let mut call = call(9);
        assert_eq!(call.publish("plant/a/cmd".into(), vec![1], 1, false), Ok(()));
        assert_eq!(call.publish("plant/a/state".into(), vec![1], 1, false), Err(Refusal::NotGranted));
        assert_eq!(call.publish("plant/+/cmd".into(), vec![1], 1, false), Err(Refusal::BadMessage));
        assert_eq!(call.publish("plant/a/cmd".into(), vec![1], 2, false), Err(Refusal::BadMessage));
        assert_eq!(call.held.len(), 1);
    }

    #[test]
    fn the_rate_is_kept() {
        let start = Instant::now();
        let mut rate = Rate::default();
        let admitted = [0, 1, 2, 1000].map(|ms| rate.admit(2, start + Duration::from_millis(ms)));
        assert_eq!(admitted, [true, true, false, true]);
        let mut call = call(1);
        let taken = [0, 1].map(|_| call.publish("plant/a/cmd".into(), Vec::new(), 0, false));
        assert_eq!(taken, [Ok(()), Err(Refusal::TooMany)]);
    }
}
