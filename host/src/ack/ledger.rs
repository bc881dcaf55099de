//! `AckLedger`: which messages are owed to the broker, in receive order, and which acknowledgements may leave.
//!
//! Invariant: pure. No clock, no socket, no thread; what happens comes in as calls, what may leave comes out of
//! `take_acks`. A slot of a lost connection never yields an acknowledgement: only the broker's own redelivery, on the
//! connection that stands, can take up its debt again.

use std::collections::{HashMap, VecDeque};

use super::token::{SLOT_COUNT, Slot};
use crate::message::Qos;

/// Packet identifier of a QoS 1 or 2 PUBLISH: 1 to 65,535, valid within one session (MQTT 5, section 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketId(pub u16);

/// An acknowledgement that may leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// PUBACK for a QoS 1 message.
    Puback(PacketId),
    /// PUBREC for a QoS 2 message.
    Pubrec(PacketId),
}

/// How many messages left the book in one `take_acks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub messages: u64,
}

struct Entry<T> {
    /// The slot it was given first: reports know it by this one, whatever connection it was taken over to.
    home: Slot,
    packet_id: Option<PacketId>,
    qos: Qos,
    /// Shares not settled yet; 0 is settled.
    owed: u32,
    abandoned: bool,
    /// A message of the broker, not a call that we made of ourselves.
    is_message: bool,
    size_bytes: usize,
    kept: T,
}

impl<T> Entry<T> {
    fn is_over(&self) -> bool {
        match self.packet_id {
            Some(_) => self.owed == 0 && !self.abandoned,
            None => self.owed == 0 || self.abandoned,
        }
    }
}

/// The book of one source. `T` is what is kept of a message until it is settled.
pub struct AckLedger<T> {
    entries: VecDeque<Entry<T>>,
    /// Slot of `entries[0]`.
    base: u64,
    bytes: usize,
    /// Entries that are no messages.
    occasions: usize,
    /// Debts of the connection before, by packet id, until the broker sends the message again.
    detached: HashMap<PacketId, Entry<T>>,
    /// The same by home.
    detached_at: HashMap<Slot, PacketId>,
    /// Debts that a redelivery took up: home to present slot.
    moved: HashMap<Slot, Slot>,
}

impl<T> Default for AckLedger<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            base: 0,
            bytes: 0,
            occasions: 0,
            detached: HashMap::new(),
            detached_at: HashMap::new(),
            moved: HashMap::new(),
        }
    }
}

impl<T> AckLedger<T> {
    /// The slot that the next message will have: for its tokens, which are made before it is entered.
    #[must_use]
    pub fn next_slot(&self) -> Slot {
        Slot((self.base + self.entries.len() as u64) % SLOT_COUNT)
    }

    /// Enters a message, with `owed` shares to be settled; none owed is settled at once. A QoS 0 message has no
    /// `packet_id`.
    pub fn arrive(&mut self, packet_id: Option<PacketId>, qos: Qos, owed: u32, size_bytes: usize, kept: T) -> Slot {
        let home = self.next_slot();
        self.push(Entry { home, packet_id, qos, owed, abandoned: false, is_message: true, size_bytes, kept })
    }

    /// Enters a call without a message, with one share to be settled: acknowledgements behind it wait for its records, but
    /// it is not counted among the messages.
    pub fn occur(&mut self, kept: T) -> Slot {
        let (home, qos) = (self.next_slot(), Qos::AtMostOnce);
        self.occasions += 1;
        self.push(Entry {
            home,
            packet_id: None,
            qos,
            owed: 1,
            abandoned: false,
            is_message: false,
            size_bytes: 0,
            kept,
        })
    }

    /// A message that the broker marks as sent before. Where the debt of its first delivery still stands and `is_same`
    /// holds, the new delivery takes that debt up and nothing is to be done again.
    pub fn rejoin(&mut self, packet_id: PacketId, is_same: impl FnOnce(&T) -> bool) -> bool {
        let Some(entry) = self.detached.remove(&packet_id) else { return false };
        self.detached_at.remove(&entry.home);
        if entry.abandoned || !is_same(&entry.kept) {
            return false;
        }
        let (home, still_owed) = (entry.home, entry.owed > 0);
        let slot = self.push(entry);
        if still_owed {
            self.moved.insert(home, slot);
        }
        true
    }

    /// `more` further shares of the message are owed.
    pub fn owe(&mut self, slot: Slot, more: u32) {
        if let Some(entry) = self.entry(slot) {
            entry.owed = entry.owed.saturating_add(more);
        }
    }

    /// One share of the message is settled. Returns what is kept of it, where it still stands in the book.
    pub fn pay(&mut self, slot: Slot) -> Option<&mut T> {
        let present = self.present(slot);
        let entry = self.entry_at(present, slot)?;
        entry.owed = entry.owed.saturating_sub(1);
        let is_settled = entry.owed == 0;
        if is_settled && present != slot {
            self.moved.remove(&slot);
        }
        self.entry_at(present, slot).map(|entry| &mut entry.kept)
    }

    /// A share of the message was forgotten: it will never be acknowledged on this connection.
    pub fn abandon(&mut self, slot: Slot) {
        if let Some(entry) = self.entry(slot) {
            entry.abandoned = true;
        }
    }

    /// What was kept of the message, where it still stands in the book.
    #[must_use]
    pub fn kept(&mut self, slot: Slot) -> Option<&mut T> {
        self.entry(slot).map(|entry| &mut entry.kept)
    }

    /// Appends the acknowledgements of the longest settled prefix and strikes those messages out.
    pub fn take_acks(&mut self, acks: &mut Vec<Ack>) -> Left {
        let mut left = Left::default();
        while self.entries.front().is_some_and(Entry::is_over) {
            let Some(entry) = self.entries.pop_front() else { break };
            self.base += 1;
            self.bytes -= entry.size_bytes;
            left.messages += u64::from(!entry.abandoned && entry.is_message);
            self.occasions -= usize::from(!entry.is_message);
            match (entry.packet_id, entry.qos) {
                (Some(id), Qos::ExactlyOnce) => acks.push(Ack::Pubrec(id)),
                (Some(id), Qos::AtMostOnce | Qos::AtLeastOnce) => acks.push(Ack::Puback(id)),
                (None, _) => {}
            }
        }
        left
    }

    /// The connection is gone: no slot so far can acknowledge any more. Returns how many messages stood open. Their
    /// debts wait for the broker to send them again.
    pub fn lost(&mut self) -> u64 {
        let (entries, open) = (self.entries.len() as u64, self.in_flight() as u64);
        for entry in self.entries.drain(..) {
            let Some(packet_id) = entry.packet_id else { continue };
            self.detached_at.insert(entry.home, packet_id);
            if let Some(older) = self.detached.insert(packet_id, entry) {
                self.detached_at.remove(&older.home);
            }
        }
        self.moved.clear();
        self.base += entries;
        self.bytes = 0;
        self.occasions = 0;
        open
    }

    /// A new connection stands. Without the old session the broker will not send the open messages again as such.
    pub fn linked(&mut self, resumed: bool) {
        if !resumed {
            self.detached.clear();
            self.detached_at.clear();
        }
    }

    /// Messages of this connection that are not acknowledged yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.entries.len() - self.occasions
    }

    /// Their bytes.
    #[must_use]
    pub fn in_flight_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a forgotten message stands first, so that no acknowledgement can leave before a new connection.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.entries.front().is_some_and(|entry| entry.abandoned && entry.packet_id.is_some())
    }

    fn push(&mut self, entry: Entry<T>) -> Slot {
        let slot = self.next_slot();
        self.bytes += entry.size_bytes;
        self.entries.push_back(entry);
        slot
    }

    /// The entry whose home `slot` is, on this connection or waiting for redelivery.
    fn entry(&mut self, slot: Slot) -> Option<&mut Entry<T>> {
        self.entry_at(self.present(slot), slot)
    }

    /// Where the debt of `home` stands on this connection, if it does.
    fn present(&self, home: Slot) -> Slot {
        match self.moved.is_empty() {
            true => home,
            false => self.moved.get(&home).copied().unwrap_or(home),
        }
    }

    fn entry_at(&mut self, present: Slot, home: Slot) -> Option<&mut Entry<T>> {
        let place = (present.0 + SLOT_COUNT - self.base % SLOT_COUNT) % SLOT_COUNT;
        match usize::try_from(place).ok().filter(|place| *place < self.entries.len()) {
            Some(place) => self.entries.get_mut(place),
            None => self.detached.get_mut(self.detached_at.get(&home)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn taken(ledger: &mut AckLedger<u32>) -> Vec<Ack> {
        let mut acks = Vec::new();
        ledger.take_acks(&mut acks);
        acks
    }

    fn arrive(ledger: &mut AckLedger<u32>, id: u16) -> Slot {
        ledger.arrive(Some(PacketId(id)), Qos::AtLeastOnce, 1, 1, u32::from(id))
    }

    #[test]
    fn acknowledgements_leave_in_receive_order() {
        let mut ledger = AckLedger::default();
        let slots = [7, 3, 9].map(|id| arrive(&mut ledger, id));
        ledger.pay(slots[1]);
        assert_eq!(taken(&mut ledger), []);
        ledger.pay(slots[0]);
        assert_eq!(taken(&mut ledger), [7, 3].map(|id| Ack::Puback(PacketId(id))));
        assert_eq!(ledger.in_flight(), 1);
    }

    #[test]
    fn an_occasion_holds_what_is_behind_it_and_is_no_message() {
        let mut ledger = AckLedger::default();
        let occasion = ledger.occur(0);
        let slot = arrive(&mut ledger, 7);
        ledger.pay(slot);
        assert_eq!((taken(&mut ledger), ledger.in_flight()), (vec![], 1));
        ledger.pay(occasion);
        assert_eq!(ledger.take_acks(&mut Vec::new()), Left { messages: 1 });
        ledger.occur(0);
        assert_eq!((ledger.in_flight(), ledger.lost(), ledger.in_flight()), (0, 0, 0));
    }

    #[test]
    fn a_forgotten_message_is_never_acknowledged_and_holds_those_behind_it() {
        let mut ledger = AckLedger::default();
        let slots = [1, 2].map(|id| arrive(&mut ledger, id));
        ledger.abandon(slots[0]);
        ledger.pay(slots[1]);
        assert_eq!(taken(&mut ledger), []);
        assert!(ledger.is_stuck());
    }

    #[test]
    fn a_forgotten_qos_0_message_holds_nobody() {
        let mut ledger = AckLedger::default();
        let forgotten = ledger.arrive(None, Qos::AtMostOnce, 1, 1, 0);
        let paid = arrive(&mut ledger, 1);
        ledger.abandon(forgotten);
        ledger.pay(paid);
        assert_eq!(taken(&mut ledger), [Ack::Puback(PacketId(1))]);
    }

    #[test]
    fn a_debt_of_a_lost_connection_acknowledges_nothing_on_the_next() {
        let mut ledger = AckLedger::default();
        let old = arrive(&mut ledger, 1);
        assert_eq!(ledger.lost(), 1);
        ledger.linked(false);
        arrive(&mut ledger, 1);
        ledger.pay(old);
        assert_eq!(taken(&mut ledger), []);
    }

    #[test]
    fn a_redelivery_takes_up_the_debt_of_the_first_delivery() {
        let mut ledger = AckLedger::default();
        let [paid, owing] = [1, 2].map(|id| arrive(&mut ledger, id));
        ledger.pay(paid);
        ledger.lost();
        ledger.linked(true);
        assert!(ledger.rejoin(PacketId(1), |kept| *kept == 1));
        assert!(ledger.rejoin(PacketId(2), |kept| *kept == 2));
        assert_eq!(taken(&mut ledger), [Ack::Puback(PacketId(1))]);
        ledger.pay(owing);
        assert_eq!(taken(&mut ledger), [Ack::Puback(PacketId(2))]);
    }

    #[test]
    fn a_redelivery_of_another_message_under_the_same_id_starts_anew() {
        let mut ledger = AckLedger::default();
        let old = arrive(&mut ledger, 1);
        ledger.lost();
        ledger.linked(true);
        assert!(!ledger.rejoin(PacketId(1), |_| false));
        arrive(&mut ledger, 1);
        ledger.pay(old);
        assert_eq!(taken(&mut ledger), []);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive { shares: u32, qos: u8 },
        Pay(usize),
        Abandon(usize),
        Break { resumed: bool },
        Take,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1u32..4, 0u8..3).prop_map(|(shares, qos)| Step::Arrive { shares, qos }),
            8 => any::<usize>().prop_map(Step::Pay),
            1 => any::<usize>().prop_map(Step::Abandon),
            1 => any::<bool>().prop_map(|resumed| Step::Break { resumed }),
            3 => Just(Step::Take),
        ]
    }

    /// What a message owes, told apart from the book.
    struct Debt {
        shares: u32,
        abandoned: bool,
        packet_id: Option<PacketId>,
    }

    proptest! {
        #[test]
        fn only_settled_messages_of_this_connection_are_acknowledged_in_order(steps in prop::collection::vec(step(), 1..200)) {
            let mut ledger = AckLedger::default();
            let mut debts: BTreeMap<Slot, Debt> = BTreeMap::new();
            let mut owed: Vec<Slot> = Vec::new();
            let mut awaited: VecDeque<(PacketId, Slot)> = VecDeque::new();
            let mut next_id = 0u16;
            for step in steps {
                match step {
                    Step::Arrive { shares, qos } => {
                        next_id += 1;
                        let qos = Qos::from_level(qos).unwrap();
                        let packet_id = (qos != Qos::AtMostOnce).then_some(PacketId(next_id));
                        let slot = ledger.arrive(packet_id, qos, 1, 1, u32::from(next_id));
                        ledger.owe(slot, shares - 1);
                        debts.insert(slot, Debt { shares, abandoned: false, packet_id });
                        owed.extend((0..shares).map(|_| slot));
                        awaited.extend(packet_id.map(|id| (id, slot)));
                    }
                    Step::Pay(at) if !owed.is_empty() => {
                        let slot = owed.swap_remove(at % owed.len());
                        debts.get_mut(&slot).unwrap().shares -= 1;
                        ledger.pay(slot);
                    }
                    Step::Abandon(at) if !owed.is_empty() => {
                        let slot = owed.swap_remove(at % owed.len());
                        debts.get_mut(&slot).unwrap().abandoned = true;
                        ledger.abandon(slot);
                    }
                    Step::Pay(_) | Step::Abandon(_) => {}
                    Step::Break { resumed } => {
                        ledger.lost();
                        ledger.linked(resumed);
                        let waiting = std::mem::take(&mut awaited);
                        for (id, slot) in waiting.into_iter().filter(|_| resumed) {
                            if ledger.rejoin(id, |_| true) {
                                awaited.push_back((id, slot));
                            } else {
                                prop_assert!(debts[&slot].abandoned);
                            }
                        }
                    }
                    Step::Take => {
                        let mut acks = Vec::new();
                        ledger.take_acks(&mut acks);
                        for ack in acks {
                            let (Ack::Puback(id) | Ack::Pubrec(id)) = ack;
                            let (expected, slot) = awaited.pop_front().unwrap();
                            prop_assert_eq!(id, expected);
                            prop_assert!(debts[&slot].shares == 0 && !debts[&slot].abandoned);
                            prop_assert_eq!(debts[&slot].packet_id, Some(id));
                        }
                        if let Some((_, slot)) = awaited.front() {
                            let stands_behind_qos_0 = ledger.entries.front().is_some_and(|front| front.packet_id.is_none());
                            prop_assert!(debts[slot].shares > 0 || debts[slot].abandoned || stands_behind_qos_0);
                        }
                    }
                }
            }
        }
    }
}
