//! The book of records that a producer has and has not reported on: ticket to debt, and the order of hand-over.
//!
//! Invariant: a ticket stands for one debt until it is redeemed, exactly once. A ticket that never comes back is a
//! message that is never acknowledged.

/// What stands behind a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Debt {
    /// The spent `AckToken`.
    pub(super) opaque: u64,
    /// Counts up with each hand-over; survives every resend, so that the order of the first hand-over is never lost.
    pub(super) turn: u64,
    /// librdkafka does not give it back with a failed report.
    pub(super) timestamp_ms: u64,
    /// `KafkaTopic::id`.
    pub(super) topic: u32,
}

/// All debts that one cluster's producer carries.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    places: Vec<Option<Debt>>,
    free: Vec<usize>,
    turns: u64,
}

impl Outstanding {
    /// The next place in the order of hand-over.
    pub(super) fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// How many turns were given out.
    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    /// Puts a debt down; the ticket is never 0.
    pub(super) fn enter(&mut self, debt: Debt) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(debt);
                place + 1
            }
            None => {
                self.places.push(Some(debt));
                self.places.len()
            }
        }
    }

    /// Takes the debt of `ticket` out.
    pub(super) fn redeem(&mut self, ticket: usize) -> Option<Debt> {
        let place = ticket.checked_sub(1)?;
        let debt = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(debt)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// The debt that was handed over first. Looks at all of them.
    pub(super) fn oldest(&self) -> Option<Debt> {
        self.places.iter().flatten().min_by_key(|debt| debt.turn).copied()
    }

    /// Takes all debts out.
    pub(super) fn redeem_all(&mut self) -> Vec<Debt> {
        (1..=self.places.len()).filter_map(|ticket| self.redeem(ticket)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debt(turn: u64) -> Debt {
        Debt { opaque: turn * 10, turn, timestamp_ms: 0, topic: 0 }
    }

    #[test]
    fn a_ticket_gives_its_debt_once() {
        let mut book = Outstanding::default();
        let ticket = book.enter(debt(1));
        assert_eq!(book.redeem(ticket), Some(debt(1)));
        assert_eq!(book.redeem(ticket), None);
    }

    #[test]
    fn places_are_used_again() {
        let mut book = Outstanding::default();
        let first = book.enter(debt(1));
        book.redeem(first);
        assert_eq!(book.enter(debt(2)), first);
        assert_eq!(book.len(), 1);
    }

    #[test]
    fn the_oldest_is_the_one_with_the_first_turn() {
        let mut book = Outstanding::default();
        book.enter(debt(5));
        let first = book.enter(debt(2));
        assert_eq!(book.oldest(), Some(debt(2)));
        book.redeem(first);
        assert_eq!(book.oldest(), Some(debt(5)));
    }

    #[test]
    fn a_foreign_ticket_is_nothing() {
        let mut book = Outstanding::default();
        assert_eq!(book.redeem(0), None);
        assert_eq!(book.redeem(77), None);
    }

    #[test]
    fn all_can_be_taken_out_at_once() {
        let mut book = Outstanding::default();
        let first = book.enter(debt(1));
        book.enter(debt(2));
        book.redeem(first);
        assert_eq!(book.redeem_all(), [debt(2)]);
        assert_eq!(book.len(), 0);
    }

    #[test]
    fn turns_only_grow() {
        let mut book = Outstanding::default();
        assert!(book.next_turn() < book.next_turn());
    }
}
