//! Which packet ids the broker has open with us: QoS 1 and 2 messages in flight, and QoS 2 messages whose PUBREC left.
//!
//! Invariant: pure. At most 65,535 ids, 16 KiB, whatever the broker sends.

use super::reason::Violation;
use crate::ack::{Ack, PacketId};
use crate::message::Qos;

/// What to do with a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Deliver it.
    Take,
    /// Already in flight on this connection: the broker will have its acknowledgement when it is due.
    Ignore,
    /// QoS 2, delivered before: send the PUBREC again.
    RecAgain,
}

/// The open packet ids of one session.
#[derive(Default)]
pub(super) struct Inbound {
    /// Delivered on this connection and not acknowledged.
    in_flight: IdSet,
    /// PUBREC sent, PUBREL not seen. Part of the session: survives the connection (MQTT 5, section 4.1).
    recorded: IdSet,
}

impl Inbound {
    /// A new connection stands. Without the old session, the ids of old mean nothing.
    pub(super) fn linked(&mut self, resumed: bool) {
        self.in_flight.clear();
        if !resumed {
            self.recorded.clear();
        }
    }

    /// Judges a PUBLISH. Without the DUP flag it is a new message whatever we remember: the worst of that is a
    /// duplicate, the worst of the contrary a loss.
    ///
    /// # Errors
    /// Where the broker gives an id to a new message that another one in flight still has.
    #[inline]
    pub(super) fn judge(&mut self, qos: Qos, packet_id: Option<PacketId>, dup: bool) -> Result<Verdict, Violation> {
        let Some(id) = packet_id else { return Ok(Verdict::Take) };
        if self.in_flight.has(id) {
            return match dup {
                true => Ok(Verdict::Ignore),
                false => Err(Violation::protocol("a new message under a packet identifier in use")),
            };
        }
        if self.recorded.has(id) {
            if dup && qos == Qos::ExactlyOnce {
                return Ok(Verdict::RecAgain);
            }
            self.recorded.remove(id);
        }
        self.in_flight.insert(id);
        Ok(Verdict::Take)
    }

    /// An acknowledgement leaves.
    #[inline]
    pub(super) fn acknowledged(&mut self, ack: Ack) {
        match ack {
            Ack::Puback(id) => self.in_flight.remove(id),
            Ack::Pubrec(id) => {
                self.in_flight.remove(id);
                self.recorded.insert(id);
            }
        }
    }

    /// A PUBREL came. `false`: the id is not known, as after a restart of ours; it is answered all the same.
    pub(super) fn released(&mut self, id: PacketId) -> bool {
        let known = self.recorded.has(id);
        self.recorded.remove(id);
        known
    }
}

/// A set of packet ids.
struct IdSet(Box<[u64; 1024]>);

impl Default for IdSet {
    fn default() -> Self {
        Self(Box::new([0; 1024]))
    }
}

impl IdSet {
    fn has(&self, id: PacketId) -> bool {
        self.0[usize::from(id.0 >> 6)] & (1 << (id.0 & 63)) != 0
    }

    fn insert(&mut self, id: PacketId) {
        self.0[usize::from(id.0 >> 6)] |= 1 << (id.0 & 63);
    }

    fn remove(&mut self, id: PacketId) {
        self.0[usize::from(id.0 >> 6)] &= !(1 << (id.0 & 63));
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inbound: &mut Inbound, qos: Qos, id: u16, dup: bool, expected: Verdict) {
        assert_eq!(inbound.judge(qos, Some(PacketId(id)), dup), Ok(expected), "{qos:?} {id} dup={dup}");
    }

    #[test]
    fn a_resend_on_the_same_connection_is_ignored_until_it_is_acknowledged() {
        let mut inbound = Inbound::default();
        check(&mut inbound, Qos::AtLeastOnce, 7, false, Verdict::Take);
        check(&mut inbound, Qos::AtLeastOnce, 7, true, Verdict::Ignore);
        inbound.acknowledged(Ack::Puback(PacketId(7)));
        check(&mut inbound, Qos::AtLeastOnce, 7, false, Verdict::Take);
    }

    #[test]
    fn a_new_message_under_an_id_in_flight_breaks_the_protocol() {
        let mut inbound = Inbound::default();
        check(&mut inbound, Qos::AtLeastOnce, 65_535, false, Verdict::Take);
        assert!(inbound.judge(Qos::ExactlyOnce, Some(PacketId(65_535)), false).is_err());
    }

    #[test]
    fn redelivery_on_the_next_connection_is_taken() {
        let mut inbound = Inbound::default();
        check(&mut inbound, Qos::AtLeastOnce, 1, false, Verdict::Take);
        inbound.linked(true);
        check(&mut inbound, Qos::AtLeastOnce, 1, true, Verdict::Take);
    }

    #[test]
    fn a_recorded_message_is_not_delivered_again_while_the_session_lives() {
        let mut inbound = Inbound::default();
        check(&mut inbound, Qos::ExactlyOnce, 5, false, Verdict::Take);
        inbound.acknowledged(Ack::Pubrec(PacketId(5)));
        inbound.linked(true);
        check(&mut inbound, Qos::ExactlyOnce, 5, true, Verdict::RecAgain);
        assert!(inbound.released(PacketId(5)));
        assert!(!inbound.released(PacketId(5)));
        check(&mut inbound, Qos::ExactlyOnce, 5, true, Verdict::Take);
    }

    #[test]
    fn a_new_session_forgets_what_was_recorded() {
        let mut inbound = Inbound::default();
        inbound.acknowledged(Ack::Pubrec(PacketId(5)));
        inbound.linked(false);
        check(&mut inbound, Qos::ExactlyOnce, 5, true, Verdict::Take);
    }

    #[test]
    fn a_recorded_id_without_dup_is_a_new_message() {
        let mut inbound = Inbound::default();
        inbound.acknowledged(Ack::Pubrec(PacketId(5)));
        check(&mut inbound, Qos::ExactlyOnce, 5, false, Verdict::Take);
        check(&mut inbound, Qos::ExactlyOnce, 5, true, Verdict::Ignore);
    }

    #[test]
    fn qos_0_is_always_taken() {
        let mut inbound = Inbound::default();
        assert_eq!(inbound.judge(Qos::AtMostOnce, None, true), Ok(Verdict::Take));
    }
}
