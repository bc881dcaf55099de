//! The oracle: judges what is in Kafka by what was acknowledged to the publishers.
//!
//! Invariant: it knows the messages and the rules of the test, and nothing of the bridge.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::partition::java_partition;
use crate::payload::MessageId;
use crate::publish::{Published, TopicOf};
use crate::read::Record;

const EXAMPLES_MAX: usize = 10;

/// What one message must become on one Kafka topic.
#[derive(Clone, Debug)]
pub struct Expected {
    pub topic: String,
    pub key: Option<String>,
    /// Headers, in any order.
    pub headers: Vec<(String, String)>,
    /// Whether there may be others: a dead letter tells more than a test can know.
    pub more_headers: bool,
    pub payload: Content,
}

/// What is known about the payload of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The very bytes that were published.
    Same,
    /// A plugin changed it; only the number inside counts.
    Changed,
    /// The number's own bytes at this length, whatever the length of the others.
    Sized(usize),
    /// The bytes that were published, behind this word and a blank.
    Commanded(&'static str),
    /// None: Kafka took the record without it. Found by its key and its place among the others.
    Absent,
}

impl Expected {
    /// A record as a rule without own key and headers makes it.
    #[must_use]
    pub fn plain(topic: &str, mqtt_topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            key: Some(mqtt_topic.to_owned()),
            headers: vec![("mqtt.topic".to_owned(), mqtt_topic.to_owned())],
            more_headers: false,
            payload: Content::Same,
        }
    }

    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A dead letter with this reason: value and key as they came.
    #[must_use]
    pub fn letter(topic: &str, mqtt_topic: &str, reason: &str) -> Self {
        Self { more_headers: true, ..Self::plain(topic, mqtt_topic).header("dlq.reason", reason) }
    }

    #[must_use]
    pub fn content(mut self, payload: Content) -> Self {
        self.payload = payload;
        self
    }
}

/// Which records each message must become.
pub type Expectation = Box<dyn Fn(MessageId, &str) -> Vec<Expected> + Send>;

/// Takes records one by one, in partition order.
pub struct Oracle {
    topic: TopicOf,
    expect: Expectation,
    payload_bytes: usize,
    partitions: BTreeMap<String, i32>,
    /// By Kafka topic, publisher and sequence: how often.
    seen: HashMap<(String, u32), Vec<u8>>,
    /// By Kafka topic, publisher and MQTT topic: the highest sequence so far.
    newest: HashMap<(String, u32, String), u32>,
    verdict: Verdict,
}

/// What is wrong, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub records: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub inversions: u64,
    pub invented: u64,
    pub wrong_topic: u64,
    pub wrong_key: u64,
    pub wrong_headers: u64,
    pub wrong_partition: u64,
    pub wrong_payload: u64,
    /// The first few findings in words.
    pub examples: Vec<String>,
}

impl Verdict {
    /// # Panics
    /// Where anything is wrong, or there are more than `duplicates_max` duplicates.
    pub fn assert_clean(&self, duplicates_max: u64) {
        let wrong = self.lost
            + self.inversions
            + self.invented
            + self.wrong_topic
            + self.wrong_key
            + self.wrong_headers
            + self.wrong_partition
            + self.wrong_payload;
        assert!(wrong == 0 && self.duplicates <= duplicates_max, "at most {duplicates_max} duplicates, but {self}");
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text());
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records: {} lost, {} duplicates, {} inversions, {} invented; wrong: {} topics, {} keys, {} headers, \
             {} partitions, {} payloads",
            self.records,
            self.lost,
            self.duplicates,
            self.inversions,
            self.invented,
            self.wrong_topic,
            self.wrong_key,
            self.wrong_headers,
            self.wrong_partition,
            self.wrong_payload
        )?;
        self.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))
    }
}

impl Oracle {
    /// `partitions` as `Reader::partitions` tells them.
    #[must_use]
    pub fn new(topic: TopicOf, payload_bytes: usize, partitions: BTreeMap<String, i32>, expect: Expectation) -> Self {
        Self {
            topic,
            expect,
            payload_bytes,
            partitions,
            seen: HashMap::new(),
            newest: HashMap::new(),
            verdict: Verdict::default(),
        }
    }

    /// Takes the next record of its partition.
    pub fn take(&mut self, record: &Record) {
        self.verdict.records += 1;
        let Some(id) = record.payload.as_deref().and_then(MessageId::find).or_else(|| in_key(record)) else {
            self.verdict.invented += 1;
            return self.verdict.note(|| format!("no publisher sent {record:?}"));
        };
        let mqtt_topic = (self.topic)(id);
        let Some(expected) = (self.expect)(id, &mqtt_topic).into_iter().find(|one| one.topic == record.topic) else {
            self.verdict.wrong_topic += 1;
            return self.verdict.note(|| format!("{id} has no business in {}", record.topic));
        };
        self.compare(id, record, &expected);
        self.count(id, record, mqtt_topic);
    }

    fn compare(&mut self, id: MessageId, record: &Record, expected: &Expected) {
        if record.key_text() != expected.key {
            self.verdict.wrong_key += 1;
            self.verdict.note(|| format!("{id}: key {:?}, not {:?}", record.key_text(), expected.key));
        }
        if !same_headers(record, expected) {
            self.verdict.wrong_headers += 1;
            self.verdict.note(|| format!("{id}: headers of {record:?}, not {:?}", expected.headers));
        }
        if !self.same_payload(id, record, expected.payload) {
            self.verdict.wrong_payload += 1;
            self.verdict.note(|| format!("{id}: payload {}", record.payload_text()));
        }
        self.compare_partition(id, record);
    }

    fn same_payload(&self, id: MessageId, record: &Record, content: Content) -> bool {
        let found = record.payload.as_deref().unwrap_or_default();
        match content {
            Content::Same => found == id.payload(self.payload_bytes),
            Content::Sized(size) => found == id.payload(size),
            Content::Commanded(word) => found == id.commanded(word, self.payload_bytes),
            Content::Changed | Content::Absent => true,
        }
    }

    fn compare_partition(&mut self, id: MessageId, record: &Record) {
        let (Some(key), Some(count)) = (&record.key, self.partitions.get(&record.topic)) else { return };
        let java = java_partition(key, *count);
        if java != record.partition {
            self.verdict.wrong_partition += 1;
            self.verdict.note(|| format!("{id}: partition {} of {count}, in Java {java}", record.partition));
        }
    }

    fn count(&mut self, id: MessageId, record: &Record, mqtt_topic: String) {
        let seen = self.seen.entry((record.topic.clone(), id.publisher)).or_default();
        let at = usize::try_from(id.sequence).expect("32 bits fit");
        if seen.len() <= at {
            seen.resize(at + 1, 0);
        }
        seen[at] = seen[at].saturating_add(1);
        if seen[at] > 1 {
            self.verdict.duplicates += 1;
            return;
        }
        let newest = self.newest.entry((record.topic.clone(), id.publisher, mqtt_topic)).or_insert(id.sequence);
        if id.sequence < *newest {
            self.verdict.inversions += 1;
            let before = *newest;
            return self.verdict.note(|| format!("{id} in {} comes after {before}", record.topic));
        }
        *newest = id.sequence;
    }

    /// How many different records came so far.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.verdict.records - self.verdict.duplicates - self.verdict.invented - self.verdict.wrong_topic
    }

    /// How many different records the acknowledged messages must become.
    #[must_use]
    pub fn wanted(&self, published: &Published) -> u64 {
        acknowledged(published).map(|id| (self.expect)(id, &(self.topic)(id)).len() as u64).sum()
    }

    /// Judges what was taken by what was published.
    #[must_use]
    pub fn judge(mut self, published: &Published) -> Verdict {
        acknowledged(published).for_each(|id| self.look_for(id));
        self.look_for_invented(published);
        self.verdict
    }

    fn look_for(&mut self, id: MessageId) {
        for expected in (self.expect)(id, &(self.topic)(id)) {
            let seen = self.seen.get(&(expected.topic.clone(), id.publisher));
            let at = usize::try_from(id.sequence).expect("32 bits fit");
            if seen.and_then(|seen| seen.get(at)).is_none_or(|times| *times == 0) {
                self.verdict.lost += 1;
                self.verdict.note(|| format!("{id} was acknowledged and is not in {}", expected.topic));
            }
        }
    }

    fn look_for_invented(&mut self, published: &Published) {
        for ((topic, publisher), seen) in &self.seen {
            let publisher_at = usize::try_from(*publisher).expect("32 bits fit");
            let sent = published.acked.get(publisher_at).map_or(0, Vec::len);
            let beyond = seen.iter().skip(sent).filter(|times| **times > 0).count();
            if beyond > 0 {
                self.verdict.invented += beyond as u64;
                self.verdict.note(|| format!("{beyond} records of publisher {publisher} in {topic} were never sent"));
            }
        }
    }
}

/// A dead letter without its value is known by a number in its MQTT topic.
fn in_key(record: &Record) -> Option<MessageId> {
    record.key_text()?.split('/').find_map(MessageId::parse)
}

fn acknowledged(published: &Published) -> impl Iterator<Item = MessageId> {
    (0..).zip(&published.acked).flat_map(|(publisher, acked)| {
        let acked = (0..).zip(acked).filter(|(_, acked)| **acked);
        acked.map(move |(sequence, _)| MessageId { publisher, sequence })
    })
}

fn same_headers(record: &Record, expected: &Expected) -> bool {
    let mut found: Vec<_> = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let mut wanted: Vec<_> = expected.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    if expected.more_headers {
        return wanted.iter().all(|header| found.contains(header));
    }
    found.sort_unstable();
    wanted.sort_unstable();
    found == wanted
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SIZE: usize = 100;

    fn topic(id: MessageId) -> String {
        format!("line/{}/{}", id.publisher, id.sequence % 2)
    }

    fn record(publisher: u32, sequence: u32) -> Record {
        let id = MessageId { publisher, sequence };
        let topic = topic(id);
        Record {
            topic: "t".into(),
            partition: java_partition(topic.as_bytes(), 6),
            key: Some(topic.clone().into_bytes()),
            headers: vec![("mqtt.topic".into(), topic.into_bytes())],
            payload: Some(id.payload(SIZE)),
            ..Record::default()
        }
    }

    /// Two publishers sent four messages each; `records` is what Kafka has.
    fn judge(records: &[Record]) -> Verdict {
        let expect: Expectation = Box::new(|_, mqtt_topic| vec![Expected::plain("t", mqtt_topic)]);
        let mut oracle = Oracle::new(Arc::new(topic), SIZE, BTreeMap::from([("t".to_owned(), 6)]), expect);
        records.iter().for_each(|record| oracle.take(record));
        let published =
            Published { acked: vec![vec![true; 4], vec![true; 4]], resent: 0, unmatched: 0, took: Default::default() };
        oracle.judge(&published)
    }

    fn whole() -> Vec<Record> {
        (0..2).flat_map(|publisher| (0..4).map(move |sequence| record(publisher, sequence))).collect()
    }

    /// Changes the whole set and looks at one count of the verdict.
    fn check(change: impl FnOnce(&mut Vec<Record>), count: impl Fn(&Verdict) -> u64, wanted: u64) {
        let mut records = whole();
        change(&mut records);
        let verdict = judge(&records);
        assert_eq!(count(&verdict), wanted, "{verdict}");
    }

    #[test]
    fn the_whole_set_is_clean() {
        judge(&whole()).assert_clean(0);
    }

    #[test]
    fn a_missing_record_is_lost() {
        check(|records| drop(records.remove(3)), |verdict| verdict.lost, 1);
        check(Vec::clear, |verdict| verdict.lost, 8);
    }

    #[test]
    fn a_repeated_record_is_a_duplicate_and_no_inversion() {
        let change = |records: &mut Vec<Record>| records.push(records[0].clone());
        check(change, |verdict| verdict.duplicates, 1);
        check(change, |verdict| verdict.inversions, 0);
    }

    #[test]
    fn a_late_first_occurrence_is_an_inversion() {
        check(|records| records.swap(0, 2), |verdict| verdict.inversions, 1);
        // Different MQTT topics of one publisher owe each other no order.
        check(|records| records.swap(0, 1), |verdict| verdict.inversions, 0);
    }

    #[test]
    fn what_nobody_sent_is_invented() {
        check(|records| records.push(record(0, 4)), |verdict| verdict.invented, 1);
        check(|records| records.push(record(7, 0)), |verdict| verdict.invented, 1);
        check(|records| records[0].payload = Some(b"?".to_vec()), |verdict| verdict.invented, 1);
    }

    #[test]
    fn changed_parts_are_found() {
        check(|records| records[0].key = None, |verdict| verdict.wrong_key, 1);
        check(|records| records[0].headers.clear(), |verdict| verdict.wrong_headers, 1);
        check(|records| records[0].partition += 1, |verdict| verdict.wrong_partition, 1);
        check(|records| records[0].topic = "u".into(), |verdict| verdict.wrong_topic, 1);
        let damage = |records: &mut Vec<Record>| records[0].payload.as_mut().expect("it has one")[50] = b'#';
        check(damage, |verdict| verdict.wrong_payload, 1);
    }

    #[test]
    #[should_panic(expected = "1 lost")]
    fn a_loss_fails_the_test() {
        judge(&whole()[1..]).assert_clean(0);
    }
}
