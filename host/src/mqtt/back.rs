//! `Back`: what plugins publish to the broker of one source, over the connection that the source has anyway.
//!
//! QoS 0 leaves once. QoS 1 stays here until the broker has it, and is sent again on the next connection. The bounds:
//! so many bytes wait, so many messages are open at the broker.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::Notify;

use crate::config::Protocol;
use crate::message::Qos;
use crate::seam::{Backchannel, Outgoing};

/// Most bytes that wait, a message and its bookkeeping counted.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// What a message costs besides topic and payload.
const MESSAGE_BYTES: usize = 128;
/// Most QoS 1 messages that the broker has not acknowledged. Small, so that no broker's own bound is met.
const OPEN_MAX: usize = 16;
/// Packet ids from here on are ours; those below belong to subscriptions.
pub(super) const FIRST_ID: u16 = 0x8000;
/// Topic length, packet id, property length and the fixed header at its longest.
const OVERHEAD_BYTES: usize = 10;

/// The queue of one source, used by all lanes and by its connection.
pub struct Back {
    queue: Mutex<Queue>,
    wake: Arc<Notify>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Outgoing>,
    waiting_bytes: usize,
    /// In the order of sending.
    open: VecDeque<(u16, Outgoing)>,
    next_id: u16,
    /// Largest packet of the connection that stands.
    linked: Option<usize>,
}

impl Back {
    /// `wake` is what the source's connection waits for.
    #[must_use]
    pub fn new(wake: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), wake })
    }

    /// What the connection of the source waits for.
    #[must_use]
    pub fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    /// A connection stands: what is open is sent again first.
    pub(super) fn linked(&self, packet_bytes_max: usize) {
        let mut queue = self.lock();
        queue.linked = Some(packet_bytes_max);
        while let Some((_, message)) = queue.open.pop_back() {
            queue.put(message, VecDeque::push_front);
        }
    }

    /// The connection is gone, and with it what may arrive at most once.
    pub(super) fn lost(&self) {
        let mut queue = self.lock();
        queue.linked = None;
        queue.waiting.retain(|message| message.qos != Qos::AtMostOnce);
        queue.waiting_bytes = queue.waiting.iter().map(cost).sum();
    }

    /// Appends the next message, encoded, to `bytes`; whether there was one.
    pub(super) fn write_next(&self, protocol: Protocol, bytes: &mut BytesMut) -> bool {
        let mut queue = self.lock();
        let can_open = queue.open.len() < OPEN_MAX;
        if queue.waiting.front().is_none_or(|next| next.qos != Qos::AtMostOnce && !can_open) {
            return false;
        }
        let Some(message) = queue.waiting.pop_front() else { return false };
        queue.waiting_bytes -= cost(&message);
        let id = (message.qos != Qos::AtMostOnce).then(|| queue.free_id());
        encode(&message, id, protocol, bytes);
        if let Some(id) = id {
            queue.open.push_back((id, message));
        }
        true
    }

    /// The broker has the message, or will never take it. An id that we do not know is of no concern.
    pub(super) fn acknowledged(&self, id: u16) {
        self.lock().open.retain(|(open, _)| *open != id);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backchannel for Back {
    fn is_linked(&self) -> bool {
        self.lock().linked.is_some()
    }

    fn has_room(&self) -> bool {
        self.lock().waiting_bytes < WAITING_BYTES_MAX
    }

    fn message_bytes_max(&self) -> usize {
        self.lock().linked.unwrap_or(WAITING_BYTES_MAX).saturating_sub(OVERHEAD_BYTES)
    }

    fn publish(&self, messages: &mut Vec<Outgoing>) {
        let mut queue = self.lock();
        messages.drain(..).for_each(|message| queue.put(message, VecDeque::push_back));
        drop(queue);
        self.wake.notify_one();
    }
}

impl Queue {
    fn put(&mut self, message: Outgoing, end: impl Fn(&mut VecDeque<Outgoing>, Outgoing)) {
        self.waiting_bytes += cost(&message);
        end(&mut self.waiting, message);
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or_default().max(FIRST_ID);
            if self.open.iter().all(|(open, _)| *open != self.next_id) {
                return self.next_id;
            }
        }
    }
}

fn cost(message: &Outgoing) -> usize {
    message.topic.as_str().len() + message.payload.len() + MESSAGE_BYTES
}

/// PUBLISH (MQTT 5, section 3.3; 3.1.1 alike but for the properties).
fn encode(message: &Outgoing, id: Option<u16>, protocol: Protocol, bytes: &mut BytesMut) {
    let topic: &Bytes = message.topic.as_bytes();
    let properties = usize::from(protocol == Protocol::V5);
    let remaining = 2 + topic.len() + if id.is_some() { 2 } else { 0 } + properties + message.payload.len();
    bytes.put_u8(0x30 | message.qos.level() << 1 | u8::from(message.retain));
    put_length(bytes, remaining);
    bytes.put_u16(u16::try_from(topic.len()).unwrap_or(u16::MAX));
    bytes.put_slice(topic);
    if let Some(id) = id {
        bytes.put_u16(id);
    }
    bytes.put_bytes(0, properties);
    bytes.put_slice(&message.payload);
}

/// Variable Byte Integer (MQTT 5, section 1.5.5).
fn put_length(bytes: &mut BytesMut, mut length: usize) {
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        bytes.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::TopicName;

    fn back(messages: &[(&'static str, Qos)]) -> Arc<Back> {
        let back = Back::new(Arc::default());
        back.linked(1 << 20);
        let message = |(topic, qos): &(&'static str, Qos)| Outgoing {
            topic: TopicName::parse(Bytes::from_static(topic.as_bytes())).unwrap(),
            payload: Bytes::from_static(b"on"),
            qos: *qos,
            retain: false,
        };
        back.publish(&mut messages.iter().map(message).collect());
        back
    }

    fn written(back: &Back, protocol: Protocol) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        while back.write_next(protocol, &mut bytes) {}
        bytes.to_vec()
    }

    #[test]
    fn a_publish_is_as_mqtt_says() {
        let messages = [("a", Qos::AtMostOnce), ("b", Qos::AtLeastOnce)];
        assert_eq!(written(&back(&messages), Protocol::V311), b"\x30\x05\0\x01aon\x32\x07\0\x01b\x80\0on");
        assert_eq!(written(&back(&messages), Protocol::V5), b"\x30\x06\0\x01a\0on\x32\x08\0\x01b\x80\0\0on");
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_in_order() {
        let back = back(&[("a", Qos::AtLeastOnce), ("b", Qos::AtLeastOnce), ("c", Qos::AtMostOnce)]);
        written(&back, Protocol::V311);
        back.acknowledged(FIRST_ID);
        back.lost();
        back.linked(1 << 20);
        assert_eq!(written(&back, Protocol::V311), b"\x32\x07\0\x01b\x80\x02on");
        back.acknowledged(FIRST_ID + 2);
        assert_eq!(back.lock().open.len(), 0);
        assert_eq!(back.lock().waiting_bytes, 0);
    }

    #[test]
    fn only_so_many_are_open() {
        let back = back(&[("a", Qos::AtLeastOnce); OPEN_MAX + 3]);
        assert_eq!(written(&back, Protocol::V311).len(), OPEN_MAX * 9);
        back.acknowledged(FIRST_ID);
        assert_eq!(written(&back, Protocol::V311).len(), 9);
    }

    #[test]
    fn what_may_arrive_at_most_once_does_not_wait_for_a_connection() {
        let back = back(&[("a", Qos::AtMostOnce), ("b", Qos::AtLeastOnce)]);
        back.lost();
        assert_eq!(back.lock().waiting.len(), 1);
        assert!(!back.is_linked());
    }
}
