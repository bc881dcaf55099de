//! Messages that wait: for a birth, or for a missing sequence number.

use std::collections::VecDeque;

use super::pack::{Pack, Unpack};
use crate::options::HoldLimit;
use crate::topic::MessageType;

/// A message that waits, whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub kind: MessageType,
    pub device: Option<Box<str>>,
    pub topic: Box<str>,
    pub received_ms: u64,
    pub retain: bool,
    /// Not compressed.
    pub payload: Box<[u8]>,
    /// The metrics that wait, by their index in the payload; empty means the message waits whole.
    pub only: Vec<u32>,
    /// The sequence number for which it waits its turn; `None` when it waits for a birth.
    pub seq: Option<u8>,
}

impl Held {
    /// What it takes of the limit.
    #[must_use]
    pub fn bytes(&self) -> usize {
        128 + self.payload.len() + self.topic.len() + 4 * self.only.len()
    }

    pub fn pack(&self, pack: &mut Pack) {
        pack.number(self.kind as u64);
        pack.optional_text(self.device.as_deref());
        pack.text(&self.topic);
        pack.number(self.received_ms);
        pack.number(u64::from(self.retain));
        pack.bytes(&self.payload);
        pack.number(self.only.len() as u64);
        for index in &self.only {
            pack.number(u64::from(*index));
        }
        pack.optional(self.seq.map(u64::from));
    }

    #[must_use]
    pub fn unpack(unpack: &mut Unpack<'_>) -> Option<Self> {
        Some(Self {
            kind: MessageType::from_code(unpack.number()?)?,
            device: unpack.optional_text()?.map(Into::into),
            topic: unpack.text()?.into(),
            received_ms: unpack.number()?,
            retain: unpack.number()? != 0,
            payload: unpack.bytes()?.into(),
            only: {
                let count = unpack.count(1)?;
                (0..count).map(|_| u32::try_from(unpack.number()?).ok()).collect::<Option<_>>()?
            },
            seq: match unpack.optional()? {
                Some(seq) => Some(u8::try_from(seq).ok()?),
                None => None,
            },
        })
    }
}

/// Held messages of one node, oldest first, each with a number for the export of memory.
#[derive(Clone, Debug, Default)]
pub struct HeldQueue {
    queue: VecDeque<(u64, Held)>,
    bytes: usize,
    next_id: u64,
}

impl HeldQueue {
    /// Takes one more; gives those that have to go for it, oldest first, or the new one when it alone is too large.
    pub fn push(&mut self, held: Held, limit: &HoldLimit) -> Vec<(u64, Held)> {
        let size = held.bytes();
        let id = self.next_id;
        self.next_id += 1;
        let mut gone = Vec::new();
        if size > limit.bytes.0 || limit.messages == 0 {
            gone.push((id, held));
            return gone;
        }
        while self.queue.len() >= limit.messages || self.bytes + size > limit.bytes.0 {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.bytes -= oldest.1.bytes();
            gone.push(oldest);
        }
        self.bytes += size;
        self.queue.push_back((id, held));
        gone
    }

    /// Takes out those for which `choose` holds, in order.
    pub fn take(&mut self, mut choose: impl FnMut(&Held) -> bool) -> Vec<(u64, Held)> {
        if !self.queue.iter().any(|(_, held)| choose(held)) {
            return Vec::new();
        }
        let (mut taken, mut kept) = (Vec::new(), VecDeque::new());
        for each in std::mem::take(&mut self.queue) {
            if choose(&each.1) {
                taken.push(each);
            } else {
                kept.push_back(each);
            }
        }
        self.queue = kept;
        self.bytes = self.queue.iter().map(|(_, held)| held.bytes()).sum();
        taken
    }

    /// Puts one back under its number after an import.
    pub fn restore(&mut self, id: u64, held: Held) {
        self.next_id = self.next_id.max(id.saturating_add(1));
        self.bytes += held.bytes();
        self.queue.push_back((id, held));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn iter(&self) -> impl Iterator<Item = &(u64, Held)> {
        self.queue.iter()
    }
}
