//! The demo's books: what was sent, what the bridge says, what Kafka holds, and whether it adds up. Pure.

use super::plant::AREAS;
use super::settings::{READINGS_RULE, readings_topic};
use crate::meters::{Meters, RuleMeters};

/// What the plant published, by what is to become of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub decoded: u64,
    pub filtered: u64,
    pub dead_lettered: u64,
    /// How many of them the MQTT broker has acknowledged to the plant.
    pub acknowledged: u64,
}

impl Sent {
    #[must_use]
    pub fn total(&self) -> u64 {
        self.decoded + self.filtered + self.dead_lettered
    }
}

/// What the bridge counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bridged {
    pub received: u64,
    pub acknowledged: u64,
    pub in_flight: u64,
    pub decoded: u64,
    pub filtered: u64,
    pub dead_lettered: u64,
}

impl Bridged {
    #[must_use]
    pub fn read(meters: &Meters) -> Self {
        let mut bridged = Self::default();
        for source in meters.sources.get().map_or(&[][..], Vec::as_slice) {
            bridged.received += source.received.get();
            bridged.acknowledged += source.acknowledged.get();
            bridged.in_flight += source.in_flight.get();
        }
        let of_plant = |topic: &str| AREAS.iter().any(|area| readings_topic(area) == topic);
        let produced = meters.produced.iter().filter(|series| of_plant(&series.topic));
        bridged.decoded = produced.map(|series| series.records.get()).sum();
        if let Some(rule) = meters.rules.iter().find(|rule| rule.name == READINGS_RULE) {
            bridged.add_rule(rule.value());
        }
        bridged
    }

    fn add_rule(&mut self, rule: &RuleMeters) {
        self.filtered = rule.filtered.get();
        self.dead_lettered = rule.dead_lettered.iter().map(|reason| *reason.value()).sum();
    }
}

/// What was read back from Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sunk {
    /// Readings of the plant, each machine's in order; repeated ones are not in here.
    pub decoded: u64,
    /// Damaged readings of the plant, likewise.
    pub dead_lettered: u64,
    /// Came again, or after one that was published later.
    pub repeated: u64,
    /// Are where they do not belong: an idle reading that was decoded, a whole one among the dead letters.
    pub misplaced: u64,
    /// What the demo's user published below `yours/`.
    pub yours: u64,
    /// Anything else that a user wrote.
    pub foreign: u64,
    /// Why reading back had to stop, if it had to.
    pub trouble: Option<String>,
}

impl Sunk {
    /// Records of the plant that were read back, each once.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.decoded + self.dead_lettered
    }
}

/// All books at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    pub sent: Sent,
    pub bridged: Bridged,
    pub sunk: Sunk,
}

impl Accounts {
    /// Nothing is under way any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let Self { sent, bridged, sunk } = self;
        sent.acknowledged >= sent.total()
            && bridged.received >= sent.total()
            && bridged.acknowledged >= sent.total()
            && bridged.filtered >= sent.filtered
            && sunk.decoded >= sent.decoded
            && sunk.dead_lettered >= sent.dead_lettered
    }

    /// What does not add up, in one line each; empty where everything that was sent arrived.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let Self { sent, bridged, sunk } = self;
        let mut findings = Vec::new();
        let mut compare = |what: &str, expected: u64, seen: u64| {
            if expected != seen {
                findings.push(format!("{what}: expected {}, saw {}", grouped(expected), grouped(seen)));
            }
        };
        compare("readings acknowledged by the MQTT broker", sent.total(), sent.acknowledged);
        compare("records read back from Kafka", sent.decoded, sunk.decoded);
        compare("dead letters read back from Kafka", sent.dead_lettered, sunk.dead_lettered);
        compare("idle readings filtered out", sent.filtered, bridged.filtered);
        compare("records that came twice or out of order", 0, sunk.repeated);
        compare("records where they do not belong", 0, sunk.misplaced);
        if bridged.acknowledged < sent.total() {
            compare("readings acknowledged by the bridge", sent.total(), bridged.acknowledged);
        }
        findings.extend(sunk.trouble.clone());
        findings
    }
}

/// A number as people read it: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ack::{FailureKind, RuleNo};
    use crate::meters::SourceMeters;
    use crate::topic::{ClusterNo, KafkaTopics};

    fn even() -> Accounts {
        Accounts {
            sent: Sent { decoded: 80, filtered: 16, dead_lettered: 4, acknowledged: 100 },
            bridged: Bridged {
                received: 100,
                acknowledged: 100,
                in_flight: 0,
                decoded: 80,
                filtered: 16,
                dead_lettered: 4,
            },
            sunk: Sunk { decoded: 80, dead_lettered: 4, ..Sunk::default() },
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Accounts), finding: &str) {
        let mut accounts = even();
        change(&mut accounts);
        assert_eq!(accounts.findings(), [finding]);
    }

    #[test]
    fn books_that_add_up_have_no_findings() {
        assert!(even().findings().is_empty());
        assert!(even().is_settled());
    }

    #[test]
    fn whatever_is_missing_is_told() {
        check(|books| books.sunk.decoded = 79, "records read back from Kafka: expected 80, saw 79");
        check(|books| books.sunk.dead_lettered = 3, "dead letters read back from Kafka: expected 4, saw 3");
        check(|books| books.bridged.filtered = 15, "idle readings filtered out: expected 16, saw 15");
        check(|books| books.sent.acknowledged = 99, "readings acknowledged by the MQTT broker: expected 100, saw 99");
        check(|books| books.bridged.acknowledged = 1, "readings acknowledged by the bridge: expected 100, saw 1");
    }

    #[test]
    fn whatever_is_too_much_is_told() {
        check(|books| books.sunk.repeated = 1_234, "records that came twice or out of order: expected 0, saw 1,234");
        check(|books| books.sunk.misplaced = 1, "records where they do not belong: expected 0, saw 1");
        check(|books| books.sunk.trouble = Some("gone".into()), "gone");
    }

    #[test]
    fn what_a_user_publishes_does_not_count() {
        let mut accounts = even();
        accounts.bridged.received += 2;
        accounts.bridged.acknowledged += 2;
        accounts.bridged.dead_lettered += 1;
        accounts.sunk.yours = 1;
        accounts.sunk.foreign = 1;
        assert!(accounts.findings().is_empty());
        assert!(accounts.is_settled());
    }

    #[test]
    fn books_with_something_under_way_are_not_settled() {
        let mut accounts = even();
        accounts.sunk.decoded -= 1;
        assert!(!accounts.is_settled());
    }

    #[test]
    fn the_bridges_own_counts_are_read_from_its_meters() {
        let meters = Meters::default();
        let source = SourceMeters::default();
        source.received.add(9);
        source.acknowledged.add(8);
        meters.sources.set(vec![Arc::new(source)]).unwrap();
        let (no, other) = (RuleNo::new(0).unwrap(), RuleNo::new(1).unwrap());
        let rule = meters.rule(no, READINGS_RULE);
        rule.filtered.add(2);
        rule.dead_lettered.insert(FailureKind::PluginFailed, 1);
        meters.rule(other, "yours").filtered.add(77);
        let topics = KafkaTopics::new(ClusterNo(0), 9);
        meters.produced(no, &topics.intern("plant.press").unwrap()).records.add(5);
        meters.produced(no, &topics.intern("plant.dead-letter").unwrap()).records.add(1);
        let expected =
            Bridged { received: 9, acknowledged: 8, in_flight: 0, decoded: 5, filtered: 2, dead_lettered: 1 };
        assert_eq!(Bridged::read(&meters), expected);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouping = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(grouping, ["0", "999", "1,000", "1,234,567"]);
    }
}
