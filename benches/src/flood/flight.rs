//! Which packet ids are in flight, and whether their acknowledgements come in the order of sending. Pure.

/// Packet ids are 1 to 65,535 (MQTT 5, 2.2.1).
const IDS: u64 = 65_535;

/// The window of one run. Ids are given out in a circle, so the id follows from the position of the message.
#[derive(Debug)]
pub(super) struct Flight {
    window: u64,
    sent: u64,
    /// All messages before this one are done.
    head: u64,
    done: u64,
    /// By id: done, although an earlier one is not.
    early: Vec<bool>,
    received: u64,
    out_of_order: u64,
    unknown: u64,
}

impl Flight {
    /// Nothing in flight, room for `window` messages.
    #[must_use]
    pub(super) fn new(window: u16) -> Self {
        let early = vec![false; usize::from(u16::MAX) + 1];
        let window = u64::from(window.max(1));
        Flight { window, sent: 0, head: 0, done: 0, early, received: 0, out_of_order: 0, unknown: 0 }
    }

    /// How many more may be sent now.
    #[must_use]
    pub(super) fn room(&self) -> u64 {
        self.window - (self.sent - self.head)
    }

    /// Takes the id for the next message. Call it only when there is room.
    pub(super) fn take_id(&mut self) -> u16 {
        let id = id_of(self.sent);
        self.sent += 1;
        id
    }

    /// Counts a message that will never be acknowledged (QoS 0).
    pub(super) fn sent_without_id(&mut self) {
        self.sent += 1;
        self.head += 1;
        self.done += 1;
    }

    /// The first half of QoS 2 has come back (PUBREC); its order counts, too.
    pub(super) fn receive(&mut self, id: u16) {
        if id == id_of(self.received) {
            self.received += 1;
        } else {
            self.out_of_order += 1;
            self.received = self.position(id).map_or(self.received, |position| position + 1);
        }
    }

    /// A message is done: PUBACK, or PUBCOMP.
    pub(super) fn finish(&mut self, id: u16) {
        let Some(position) = self.position(id) else {
            self.unknown += 1;
            return;
        };
        if position != self.head {
            self.out_of_order += 1;
        }
        if !std::mem::replace(&mut self.early[usize::from(id)], true) {
            self.done += 1;
        }
        while self.head < self.sent && std::mem::take(&mut self.early[usize::from(id_of(self.head))]) {
            self.head += 1;
        }
    }

    /// Messages given out so far.
    #[must_use]
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Messages that are done.
    #[must_use]
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Acknowledgements that overtook an earlier message.
    #[must_use]
    pub(super) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Acknowledgements for ids that were not in flight.
    #[must_use]
    pub(super) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// The message in flight under this id; none when the id is not in flight.
    fn position(&self, id: u16) -> Option<u64> {
        let ahead = (u64::from(id) + IDS - u64::from(id_of(self.head))) % IDS;
        (id > 0 && ahead < self.sent - self.head).then_some(self.head + ahead)
    }
}

fn id_of(position: u64) -> u16 {
    u16::try_from(position % IDS + 1).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as many as there is room for, then acknowledges these ids: done, out of order, unknown, room.
    fn check(window: u16, acknowledged: &[u16], expected: (u64, u64, u64, u64)) {
        let mut flight = Flight::new(window);
        while flight.room() > 0 {
            flight.take_id();
        }
        acknowledged.iter().for_each(|&id| flight.finish(id));
        assert_eq!((flight.done(), flight.out_of_order(), flight.unknown(), flight.room()), expected);
    }

    #[test]
    fn acks_in_order_make_room() {
        check(4, &[1, 2, 3], (3, 0, 0, 3));
    }

    #[test]
    fn an_overtaking_ack_is_counted_and_makes_no_room() {
        check(4, &[2], (1, 1, 0, 0));
        check(4, &[2, 1], (2, 1, 0, 2));
    }

    #[test]
    fn acks_for_nothing_in_flight_are_unknown() {
        check(4, &[5, 0, 1, 1], (1, 0, 3, 1));
    }

    #[test]
    fn ids_go_round_and_never_meet() {
        let mut flight = Flight::new(u16::MAX);
        for _ in 0..3 {
            while flight.room() > 0 {
                flight.take_id();
            }
            (1..=u16::MAX).for_each(|id| flight.finish(id));
        }
        assert_eq!((flight.done(), flight.out_of_order(), flight.unknown()), (3 * IDS, 0, 0));
    }

    #[test]
    fn order_of_the_first_half_of_qos_2_counts() {
        let mut flight = Flight::new(3);
        assert_eq!([flight.take_id(), flight.take_id(), flight.take_id()], [1, 2, 3]);
        [1, 3, 2].iter().for_each(|&id| flight.receive(id));
        assert_eq!(flight.out_of_order(), 2);
    }
}
