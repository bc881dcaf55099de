//! What the session holds, what is in flight, and what the acknowledgements were. Pure.

use std::collections::VecDeque;

/// How many messages the publishers have sent by now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    UpTo(u64),
    All,
}

/// One message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) index: u64,
    /// Its text, where it has no number.
    pub(super) probe: Option<String>,
    pub(super) packet_id: u16,
    pub(super) dup: bool,
}

/// The session.
#[derive(Debug, Default)]
pub(super) struct Book {
    total: u64,
    accepted: u64,
    /// Next number to be sent for the first time.
    next: u64,
    /// To be sent before anything new: repetitions with their packet ids.
    again: VecDeque<Sending>,
    /// A probe and how many numbered messages stand before it.
    probes: VecDeque<(u64, String)>,
    /// Sent on this connection, in order.
    flying: VecDeque<Sending>,
    receive_maximum: usize,
    last_packet_id: u16,
    is_subscribed: bool,
    pub(super) acked: u64,
    pub(super) violations: u64,
}

impl Book {
    pub(super) fn new(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(super) fn flying(&self) -> usize {
        self.flying.len()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.next == self.accepted && self.flying.is_empty() && self.again.is_empty() && self.probes.is_empty()
    }

    /// Without a rate the publishers are as fast as the window: nothing waits.
    pub(super) fn accept(&mut self, due: Due) {
        let room = self.receive_maximum.saturating_sub(self.flying.len() + self.again.len()) as u64;
        let wanted = match due {
            Due::UpTo(count) => count,
            Due::All if self.is_subscribed => self.next + room,
            Due::All => 0,
        };
        self.accepted = self.accepted.max(wanted.min(self.total));
    }

    pub(super) fn stop(&mut self) {
        self.total = self.accepted;
    }

    pub(super) fn probe(&mut self, text: &str) {
        self.probes.push_back((self.accepted, text.to_owned()));
    }

    /// What was in flight is to be sent again.
    pub(super) fn disconnected(&mut self) {
        self.is_subscribed = false;
        for mut sending in self.flying.drain(..).rev() {
            sending.dup = true;
            self.again.push_front(sending);
        }
    }

    /// A session that is not present gives new packet ids to everything.
    pub(super) fn connected(&mut self, receive_maximum: u16, session_present: bool) {
        self.receive_maximum = receive_maximum.into();
        self.is_subscribed = session_present;
        if session_present {
            return;
        }
        self.last_packet_id = 0;
        for sending in &mut self.again {
            (sending.packet_id, sending.dup) = (0, false);
        }
    }

    pub(super) fn subscribed(&mut self) {
        self.is_subscribed = true;
    }

    pub(super) fn next_to_send(&mut self) -> Option<Sending> {
        if !self.is_subscribed || self.flying.len() >= self.receive_maximum {
            return None;
        }
        let mut sending = self.again.pop_front().or_else(|| self.new_one())?;
        if sending.packet_id == 0 {
            sending.packet_id = self.free_packet_id();
        }
        self.flying.push_back(sending.clone());
        Some(sending)
    }

    fn new_one(&mut self) -> Option<Sending> {
        if self.probes.front().is_some_and(|(before, _)| *before <= self.next) {
            let probe = self.probes.pop_front().map(|(_, text)| text);
            return Some(Sending { index: 0, probe, packet_id: 0, dup: false });
        }
        let index = self.next;
        (index < self.accepted).then(|| {
            self.next += 1;
            Sending { index, probe: None, packet_id: 0, dup: false }
        })
    }

    fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            let used = |sending: &Sending| sending.packet_id == self.last_packet_id;
            if !self.flying.iter().any(used) && !self.again.iter().any(used) {
                return self.last_packet_id;
            }
        }
    }

    /// The oldest in flight is the only one whose turn it is.
    pub(super) fn acknowledged(&mut self, packet_id: u16) {
        let at = self.flying.iter().position(|sending| sending.packet_id == packet_id);
        if at != Some(0) {
            self.violations += 1;
        }
        if let Some(sending) = at.and_then(|at| self.flying.remove(at)) {
            self.acked += u64::from(sending.probe.is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five messages, a window of three, connected and subscribed.
    fn book() -> Book {
        let mut book = Book::new(5);
        book.connected(3, false);
        book.subscribed();
        book.accept(Due::UpTo(5));
        book
    }

    fn send_all(book: &mut Book) -> Vec<(u64, u16, bool)> {
        let mut sent = Vec::new();
        while let Some(sending) = book.next_to_send() {
            sent.push((sending.index, sending.packet_id, sending.dup));
        }
        sent
    }

    #[test]
    fn no_more_than_the_window_flies() {
        let mut book = book();
        assert_eq!(send_all(&mut book), [(0, 1, false), (1, 2, false), (2, 3, false)]);
        book.acknowledged(1);
        assert_eq!(send_all(&mut book), [(3, 4, false)]);
    }

    #[test]
    fn what_was_not_acknowledged_comes_again_under_its_id() {
        let mut book = book();
        send_all(&mut book);
        book.acknowledged(1);
        book.disconnected();
        book.connected(3, true);
        assert_eq!(send_all(&mut book), [(1, 2, true), (2, 3, true), (3, 4, false)]);
    }

    #[test]
    fn a_forgotten_session_counts_ids_anew_and_sees_stale_acknowledgements() {
        let mut book = book();
        send_all(&mut book);
        book.acknowledged(1);
        book.disconnected();
        book.connected(3, false);
        assert_eq!(send_all(&mut book), []);
        book.subscribed();
        assert_eq!(send_all(&mut book), [(1, 1, false), (2, 2, false), (3, 3, false)]);
        book.acknowledged(2);
        assert_eq!(book.violations, 1);
    }

    #[test]
    fn acknowledgements_out_of_order_and_of_nothing_are_counted() {
        let mut book = book();
        send_all(&mut book);
        book.acknowledged(2);
        book.acknowledged(1);
        book.acknowledged(1);
        assert_eq!((book.violations, book.acked), (2, 2));
    }

    #[test]
    fn a_probe_waits_for_what_was_before_it() {
        let mut book = book();
        book.probe("p");
        book.receive_maximum = 10;
        let mut last = None;
        while let Some(sending) = book.next_to_send() {
            last = sending.probe;
        }
        assert_eq!(last.as_deref(), Some("p"));
        assert!(!book.is_settled());
        (1..=6).for_each(|packet_id| book.acknowledged(packet_id));
        assert!(book.is_settled());
    }
}
