//! Records of troubled topics, in order, until each has its verdict.
//!
//! Invariant: while a topic is parked, every record of it goes behind those that wait, so none overtakes.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::classify::{Handling, KafkaFault};
use super::letter::Letter;
use crate::topic::KafkaTopic;

/// Between two tries of a topic that is missing or may not be written: at most two a second.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Before the first try: reports of the same trouble still come in.
const FIRST_TRY_AFTER: Duration = Duration::from_millis(100);

/// The parked topics of one cluster.
#[derive(Debug)]
pub(super) struct Parked {
    topics: HashMap<u32, ParkedTopic>,
    records: usize,
    bytes: u64,
    bytes_max: u64,
}

/// One parked topic.
#[derive(Debug)]
pub(super) struct ParkedTopic {
    pub(super) topic: KafkaTopic,
    /// By turn.
    letters: BTreeMap<u64, Letter>,
    /// Records up to this turn were refused in company and are tried one by one.
    suspects_until: u64,
    /// A letter has its verdict pending: its turn.
    tried: Option<u64>,
    next_try: Instant,
    /// Something other than a refused record: told with an alarm.
    pub(super) alarmed: bool,
}

/// What is to be tried now.
pub(super) struct Trial<'a> {
    pub(super) topic: &'a KafkaTopic,
    pub(super) letter: &'a Letter,
}

impl Parked {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { topics: HashMap::new(), records: 0, bytes: 0, bytes_max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Records that wait.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    pub(super) fn contains(&self, topic: u32) -> bool {
        self.topics.contains_key(&topic)
    }

    pub(super) fn get_mut(&mut self, topic: u32) -> Option<&mut ParkedTopic> {
        self.topics.get_mut(&topic)
    }

    /// Whether there is room for one more record from the front. Records that came back are always taken.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.bytes_max
    }

    /// Parks `letter`; `fault` is what happened to it, `None` where it merely goes behind others.
    /// Tells whether its topic was not parked before.
    pub(super) fn park(&mut self, letter: Letter, fault: Option<KafkaFault>, now: Instant) -> bool {
        let id = letter.topic.id;
        let is_new = !self.topics.contains_key(&id);
        let entry = self.topics.entry(id).or_insert_with(|| ParkedTopic::new(letter.topic.clone(), now));
        match fault.map(KafkaFault::handling) {
            Some(Handling::Reject | Handling::Retry) => {
                entry.suspects_until = entry.suspects_until.max(letter.debt.turn);
            }
            Some(Handling::HoldTopic | Handling::Fatal) | None => {}
        }
        self.records += 1;
        self.bytes += letter.size_bytes();
        entry.letters.insert(letter.debt.turn, letter);
        is_new
    }

    /// Calls `try_it` for the first letter of each topic that is due and not being tried; it tells whether the letter is
    /// on its way now.
    pub(super) fn each_due(&mut self, now: Instant, mut try_it: impl FnMut(Trial<'_>) -> bool) {
        for entry in self.topics.values_mut() {
            if entry.tried.is_some() || entry.next_try > now {
                continue;
            }
            let Some((turn, letter)) = entry.letters.first_key_value() else { continue };
            if try_it(Trial { topic: &entry.topic, letter }) {
                entry.tried = Some(*turn);
            }
        }
    }

    /// When the next topic is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self.topics.values().filter(|entry| entry.tried.is_none() && !entry.letters.is_empty());
        waiting.map(|entry| entry.next_try).min()
    }

    /// The letter under trial has its verdict: takes it out. Its topic is due again at once.
    pub(super) fn take_tried(&mut self, topic: u32, now: Instant) -> Option<Letter> {
        let entry = self.topics.get_mut(&topic)?;
        let turn = entry.tried.take()?;
        entry.next_try = now;
        let letter = entry.letters.remove(&turn)?;
        self.records -= 1;
        self.bytes -= letter.size_bytes();
        Some(letter)
    }

    /// The debt of the letter under trial.
    pub(super) fn tried_opaque(&self, topic: u32) -> Option<u64> {
        let entry = self.topics.get(&topic)?;
        entry.letters.get(&entry.tried?).map(|letter| letter.debt.opaque)
    }

    /// The trial gave no verdict: the topic is tried again later.
    pub(super) fn put_off(&mut self, topic: u32, now: Instant) {
        if let Some(entry) = self.topics.get_mut(&topic) {
            entry.tried = None;
            entry.next_try = now + RETRY_EVERY;
        }
    }

    /// All trials are void: their producer is gone.
    pub(super) fn put_all_off(&mut self, now: Instant) {
        for entry in self.topics.values_mut().filter(|entry| entry.tried.is_some()) {
            entry.tried = None;
            entry.next_try = now + RETRY_EVERY;
        }
    }

    /// Whether `topic` needs no more trials: the first letter is past all suspects.
    pub(super) fn may_release(&self, topic: u32) -> bool {
        self.topics
            .get(&topic)
            .is_some_and(|entry| entry.letters.first_key_value().is_none_or(|(turn, _)| *turn > entry.suspects_until))
    }

    /// Gives the letters of `topic` to `send` in order for as long as it takes them, and forgets the topic when none is
    /// left. Tells whether it was forgotten.
    pub(super) fn release(&mut self, topic: u32, mut send: impl FnMut(&Letter) -> bool) -> bool {
        let Some(entry) = self.topics.get_mut(&topic) else { return false };
        while let Some(first) = entry.letters.first_entry() {
            if !send(first.get()) {
                return false;
            }
            let letter = first.remove();
            self.records -= 1;
            self.bytes -= letter.size_bytes();
        }
        self.topics.remove(&topic);
        true
    }
}

impl ParkedTopic {
    fn new(topic: KafkaTopic, now: Instant) -> Self {
        let next_try = now + FIRST_TRY_AFTER;
        Self { topic, letters: BTreeMap::new(), suspects_until: 0, tried: None, next_try, alarmed: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::testing::{letter, topics};

    struct Case {
        parked: Parked,
        start: Instant,
    }

    impl Case {
        /// Letters of one topic, by turn, with what happened to each.
        fn new(letters: &[(u64, Option<KafkaFault>)]) -> Self {
            let (mut parked, start) = (Parked::new(1 << 20), Instant::now());
            for (turn, fault) in letters {
                parked.park(letter(&topics().intern("t").unwrap(), *turn), *fault, start);
            }
            Self { parked, start }
        }

        fn due(&mut self, after_ms: u64) -> Vec<u64> {
            let mut due = Vec::new();
            self.parked.each_due(self.start + Duration::from_millis(after_ms), |trial| {
                due.push(trial.letter.debt.turn);
                true
            });
            due
        }

        fn released(&mut self) -> Vec<u64> {
            let mut released = Vec::new();
            self.parked.release(0, |letter| {
                released.push(letter.debt.turn);
                true
            });
            released
        }
    }

    #[test]
    fn the_oldest_is_tried_first_and_alone() {
        let mut case = Case::new(&[(7, None), (3, Some(KafkaFault::TopicMissing)), (5, None)]);
        assert_eq!(case.due(10), [0u64; 0]);
        assert_eq!(case.due(200), [3]);
        assert_eq!(case.due(10_000), [0u64; 0]);
    }

    #[test]
    fn at_most_two_tries_a_second() {
        let mut case = Case::new(&[(3, Some(KafkaFault::TopicMissing))]);
        assert_eq!(case.due(100), [3]);
        case.parked.put_off(0, case.start + Duration::from_millis(100));
        assert_eq!(case.due(599), [0u64; 0]);
        assert_eq!(case.due(600), [3]);
    }

    #[test]
    fn a_held_topic_is_released_after_its_first_delivery_in_order() {
        let mut case =
            Case::new(&[(3, Some(KafkaFault::TopicMissing)), (9, None), (5, Some(KafkaFault::TopicMissing))]);
        case.due(200);
        assert_eq!(case.parked.take_tried(0, case.start).unwrap().debt.turn, 3);
        assert!(case.parked.may_release(0));
        assert_eq!(case.released(), [5, 9]);
        assert!(case.parked.is_empty());
    }

    #[test]
    fn suspects_are_tried_one_by_one() {
        let refused = Some(KafkaFault::TooLarge);
        let mut case = Case::new(&[(3, refused), (4, refused), (5, None)]);
        assert_eq!(case.due(200), [3]);
        case.parked.take_tried(0, case.start);
        assert!(!case.parked.may_release(0));
        assert_eq!(case.due(200), [4]);
        case.parked.take_tried(0, case.start);
        assert!(case.parked.may_release(0));
        assert_eq!(case.released(), [5]);
    }

    #[test]
    fn a_release_stops_where_there_is_no_room() {
        let mut case = Case::new(&[(3, None), (4, None)]);
        assert!(!case.parked.release(0, |letter| letter.debt.turn == 3));
        assert_eq!(case.parked.records(), 1);
        assert_eq!(case.released(), [4]);
    }

    #[test]
    fn bytes_are_bounded() {
        let mut parked = Parked::new(100);
        assert!(parked.has_room());
        parked.park(letter(&topics().intern("t").unwrap(), 1), None, Instant::now());
        assert!(!parked.has_room());
    }
}
