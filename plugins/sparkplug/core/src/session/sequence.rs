//! The sequence number: one count from 0 to 255 per edge node over births, data and device deaths (Sparkplug 6.4.2).

/// How a sequence number stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to compare with.
    First,
    InOrder,
    /// So many before it have not come.
    Ahead {
        missing: u8,
    },
    /// It has come already.
    Duplicate,
    /// It was missed, and numbers after it have been passed on.
    Late,
}

/// Half of the circle lies ahead, half behind.
const AHEAD_MAX: u8 = 127;

/// The next number that is due, and which around it have been seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    next: Option<u8>,
    seen: [u64; 4],
}

impl Sequence {
    /// Starts over behind a birth; `None` when the birth had no number.
    pub fn restart(&mut self, seq: Option<u8>) {
        *self = Self::default();
        if let Some(seq) = seq {
            self.mark(seq);
            self.next = Some(seq.wrapping_add(1));
        }
    }

    #[must_use]
    pub fn step(&self, seq: u8) -> Step {
        let Some(next) = self.next else { return Step::First };
        match seq.wrapping_sub(next) {
            0 => Step::InOrder,
            _ if self.is_seen(seq) => Step::Duplicate,
            missing @ 1..=AHEAD_MAX => Step::Ahead { missing },
            _ => Step::Late,
        }
    }

    /// Goes on behind `seq`, whatever was missing before it.
    pub fn advance_to(&mut self, seq: u8) {
        let start = self.next.unwrap_or(seq);
        let steps = seq.wrapping_sub(start).wrapping_add(1);
        self.mark(seq);
        for step in 0..steps {
            // The number that comes into the half ahead has been seen a whole circle ago at best.
            self.clear(start.wrapping_add(step).wrapping_add(1).wrapping_add(AHEAD_MAX));
        }
        self.next = Some(seq.wrapping_add(1));
    }

    /// Notes one that came out of its turn.
    pub fn mark(&mut self, seq: u8) {
        if let Some(word) = self.seen.get_mut(usize::from(seq >> 6)) {
            *word |= 1 << (seq & 63);
        }
    }

    /// The next number that is due.
    #[must_use]
    pub fn next(&self) -> Option<u8> {
        self.next
    }

    /// The next number that is due has come already, out of its turn.
    #[must_use]
    pub fn next_is_seen(&self) -> bool {
        self.next.is_some_and(|next| self.is_seen(next))
    }

    /// Any number ahead has come already.
    #[must_use]
    pub fn has_ahead(&self) -> bool {
        self.next.is_some_and(|next| (0..=AHEAD_MAX).any(|ahead| self.is_seen(next.wrapping_add(ahead))))
    }

    /// Behind the last number that came out of its turn: gives up on all that is missing.
    pub fn skip_to_last_seen(&mut self) {
        let Some(next) = self.next else { return };
        let last = (0..=AHEAD_MAX).rev().map(|ahead| next.wrapping_add(ahead)).find(|seq| self.is_seen(*seq));
        if let Some(last) = last {
            self.advance_to(last);
        }
    }

    /// For the export of memory.
    #[must_use]
    pub fn parts(&self) -> (Option<u8>, [u64; 4]) {
        (self.next, self.seen)
    }

    #[must_use]
    pub fn from_parts(next: Option<u8>, seen: [u64; 4]) -> Self {
        Self { next, seen }
    }

    fn is_seen(&self, seq: u8) -> bool {
        self.seen.get(usize::from(seq >> 6)).is_some_and(|word| word >> (seq & 63) & 1 == 1)
    }

    fn clear(&mut self, seq: u8) {
        if let Some(word) = self.seen.get_mut(usize::from(seq >> 6)) {
            *word &= !(1 << (seq & 63));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: u8) -> Sequence {
        let mut sequence = Sequence::default();
        sequence.restart(Some(seq));
        sequence
    }

    #[test]
    fn numbers_wrap_after_255() {
        let mut sequence = at(254);
        for seq in [255, 0, 1] {
            assert_eq!(sequence.step(seq), Step::InOrder);
            sequence.advance_to(seq);
        }
        assert_eq!(sequence.next(), Some(2));
    }

    #[test]
    fn gaps_duplicates_and_late_ones_are_told_apart() {
        let mut sequence = at(10);
        assert_eq!(sequence.step(13), Step::Ahead { missing: 2 });
        sequence.advance_to(13);
        assert_eq!(sequence.step(13), Step::Duplicate);
        assert_eq!(sequence.step(10), Step::Duplicate);
        assert_eq!(sequence.step(12), Step::Late);
        sequence.mark(12);
        assert_eq!(sequence.step(12), Step::Duplicate);
    }

    #[test]
    fn many_rounds_in_order_stay_in_order() {
        let mut sequence = at(0);
        for round in 1..2000_u32 {
            let seq = (round % 256) as u8;
            assert_eq!(sequence.step(seq), Step::InOrder, "{round}");
            sequence.advance_to(seq);
            assert_eq!(sequence.step(seq), Step::Duplicate);
        }
    }

    #[test]
    fn what_came_early_is_reached_or_skipped_to() {
        let mut sequence = at(0);
        sequence.mark(2);
        sequence.mark(5);
        assert!(sequence.has_ahead() && !sequence.next_is_seen());
        sequence.advance_to(1);
        assert!(sequence.next_is_seen());
        sequence.skip_to_last_seen();
        assert_eq!(sequence.next(), Some(6));
        assert!(!sequence.has_ahead());
    }
}
