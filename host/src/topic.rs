//! Names and filters of topics: MQTT's (`TopicName`, `TopicFilter`) and Kafka's (`KafkaTopic`, `KafkaTopics`).
//!
//! Invariant: a value of these types is valid; nothing after `parse` asks again.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use dashmap::DashMap;

/// Longest MQTT topic or filter in bytes (MQTT 5, section 1.5.4).
pub const TOPIC_BYTES_MAX: usize = 65_535;
/// Longest Kafka topic name in characters.
pub const KAFKA_TOPIC_CHARS_MAX: usize = 249;

/// The topic of a PUBLISH: UTF-8, not empty, no wildcard, no NUL (MQTT 5, section 4.7). Shares the bytes it was cut from.
#[derive(Clone)]
pub struct TopicName(Bytes);

impl TopicName {
    /// # Errors
    /// Names the rule of MQTT that `name` breaks.
    pub fn parse(name: Bytes) -> Result<Self, TopicError> {
        let text = std::str::from_utf8(&name).map_err(|_| TopicError::NotUtf8)?;
        check_length(text)?;
        match text.bytes().find(|byte| matches!(byte, b'+' | b'#' | 0)) {
            Some(0) => Err(TopicError::Nul),
            Some(_) => Err(TopicError::WildcardInName),
            None => Ok(Self(name)),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked by `parse`")
    }

    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl PartialEq for TopicName {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for TopicName {}

impl Hash for TopicName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A topic filter as MQTT knows it: `+` for one level, `#` for the rest, without captures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter(Arc<str>);

impl TopicFilter {
    /// Accepts `$share/GROUP/FILTER` too (MQTT 5, section 4.8.2).
    ///
    /// # Errors
    /// Names the rule of MQTT that `text` breaks (MQTT 5, section 4.7.1).
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check_length(text)?;
        if text.contains('\0') {
            return Err(TopicError::Nul);
        }
        let levels = match text.strip_prefix("$share/") {
            Some(shared) => match shared.split_once('/') {
                Some((group, rest)) if !group.is_empty() && !group.contains(['+', '#']) && !rest.is_empty() => rest,
                Some(_) | None => return Err(TopicError::BadShare),
            },
            None => text,
        };
        let depth = levels.split('/').count();
        for (at, level) in levels.split('/').enumerate() {
            match level {
                "#" if at + 1 < depth => return Err(TopicError::HashNotLast),
                "#" | "+" => {}
                _ if level.contains('#') => return Err(TopicError::HashNotAlone),
                _ if level.contains('+') => return Err(TopicError::PlusNotAlone),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// The whole text, as a SUBSCRIBE carries it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that topics are matched against: without `$share/GROUP/`.
    #[must_use]
    pub fn levels(&self) -> &str {
        match self.0.strip_prefix("$share/").and_then(|shared| shared.split_once('/')) {
            Some((_, rest)) => rest,
            None => &self.0,
        }
    }

    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.starts_with("$share/")
    }

    /// Whether a broker sends a message of `topic` to a subscription with this filter. Wildcards in the first level do
    /// not match topics that begin with `$` (MQTT 5, section 4.7.2).
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let mut topics = topic.split('/');
        let mut first = true;
        for level in self.levels().split('/') {
            let hidden = first && topic.starts_with('$');
            first = false;
            match (level, topics.next()) {
                ("#", _) => return !hidden,
                ("+", Some(_)) if !hidden => {}
                (literal, Some(level)) if literal == level => {}
                _ => return false,
            }
        }
        topics.next().is_none()
    }

    /// Whether every topic that `other` matches is matched by this filter too. A shared filter covers nothing but
    /// itself: its messages are divided among the group.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        if self.is_shared() || other.is_shared() {
            return false;
        }
        let (mut mine, mut theirs) = (self.0.split('/'), other.0.split('/'));
        let mut first = true;
        loop {
            let hidden = first && other.0.starts_with('$');
            first = false;
            match (mine.next(), theirs.next()) {
                (Some("#"), _) => return !hidden,
                (Some("+"), Some("#")) | (Some(_), None) | (None, Some(_)) => return false,
                (Some("+"), Some(_)) if !hidden => {}
                (Some(mine), Some(theirs)) if mine == theirs => {}
                (Some(_), Some(_)) => return false,
                (None, None) => return true,
            }
        }
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_length(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=TOPIC_BYTES_MAX => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

/// The rule of MQTT that a topic name or filter breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than 65,535 bytes")]
    TooLong,
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it contains the character U+0000")]
    Nul,
    #[error("a topic name may not contain `+` or `#`")]
    WildcardInName,
    #[error("`#` may only be the last level")]
    HashNotLast,
    #[error("`#` must stand alone in its level")]
    HashNotAlone,
    #[error("`+` must stand alone in its level")]
    PlusNotAlone,
    #[error("a shared filter reads `$share/GROUP/FILTER`")]
    BadShare,
}

/// Why a text is no Kafka topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaTopicError {
    #[error("it is empty")]
    Empty,
    #[error("Kafka does not allow the names `.` and `..`")]
    Dots,
    #[error("it is longer than 249 characters")]
    TooLong,
    #[error("Kafka allows only `A-Z a-z 0-9 . _ -`")]
    BadCharacter,
    #[error("there are more different topics on this cluster than `topics_max` allows")]
    TooMany,
}

/// Whether Kafka allows `name` as a topic.
///
/// # Errors
/// Says what Kafka would not take.
pub fn check_kafka_topic(name: &str) -> Result<(), KafkaTopicError> {
    match name {
        "" => Err(KafkaTopicError::Empty),
        "." | ".." => Err(KafkaTopicError::Dots),
        _ if name.len() > KAFKA_TOPIC_CHARS_MAX => Err(KafkaTopicError::TooLong),
        _ if !name.bytes().all(is_kafka_topic_byte) => Err(KafkaTopicError::BadCharacter),
        _ => Ok(()),
    }
}

/// Whether Kafka allows this byte in a topic name.
#[must_use]
pub fn is_kafka_topic_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Which `[kafka.<name>]`: its place among the clusters of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterNo(pub u16);

/// A Kafka topic of one cluster, interned: `id` is its place in the cluster's `KafkaTopics`, for the life of the process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KafkaTopic {
    pub cluster: ClusterNo,
    pub id: u32,
    name: Arc<str>,
}

impl KafkaTopic {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The topics that were ever named on one cluster. Bounded, since each costs librdkafka a handle.
pub struct KafkaTopics {
    cluster: ClusterNo,
    topics_max: u32,
    known: DashMap<Arc<str>, u32, foldhash::fast::RandomState>,
    next: AtomicU32,
}

impl KafkaTopics {
    #[must_use]
    pub fn new(cluster: ClusterNo, topics_max: u32) -> Self {
        Self { cluster, topics_max, known: DashMap::default(), next: AtomicU32::new(0) }
    }

    /// # Errors
    /// Where Kafka does not allow the name, or `topics_max` are known already.
    pub fn intern(&self, name: &str) -> Result<KafkaTopic, KafkaTopicError> {
        if let Some(known) = self.known.get(name) {
            return Ok(KafkaTopic { cluster: self.cluster, id: *known.value(), name: known.key().clone() });
        }
        check_kafka_topic(name)?;
        let name: Arc<str> = name.into();
        let entry = self.known.entry(name.clone());
        let id = match entry {
            dashmap::Entry::Occupied(known) => *known.get(),
            dashmap::Entry::Vacant(vacant) => {
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                if id >= self.topics_max {
                    self.next.fetch_sub(1, Ordering::Relaxed);
                    return Err(KafkaTopicError::TooMany);
                }
                *vacant.insert(id)
            }
        };
        Ok(KafkaTopic { cluster: self.cluster, id, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, topic: &str, expected: bool) {
        assert_eq!(TopicFilter::parse(filter).unwrap().matches(topic), expected, "{filter} on {topic}");
    }

    #[test]
    fn plus_stands_for_exactly_one_level() {
        check("a/+/c", "a/b/c", true);
        check("a/+/c", "a/b/b/c", false);
        check("a/+", "a/", true);
        check("a/+", "a", false);
    }

    #[test]
    fn hash_stands_for_the_parent_and_everything_below() {
        check("a/#", "a", true);
        check("a/#", "a/b/c", true);
        check("a/#", "ab", false);
        check("#", "a/b", true);
    }

    #[test]
    fn leading_wildcards_leave_dollar_topics_alone() {
        check("#", "$SYS/uptime", false);
        check("+/uptime", "$SYS/uptime", false);
        check("$SYS/#", "$SYS/uptime", true);
    }

    #[test]
    fn a_shared_filter_matches_by_its_inner_filter() {
        check("$share/g/a/+", "a/b", true);
        assert_eq!(TopicFilter::parse("$share/g"), Err(TopicError::BadShare));
    }

    #[test]
    fn filters_that_mqtt_forbids_are_refused() {
        let refused = |text: &str| TopicFilter::parse(text).unwrap_err();
        assert_eq!(refused(""), TopicError::Empty);
        assert_eq!(refused("a/#/b"), TopicError::HashNotLast);
        assert_eq!(refused("a#"), TopicError::HashNotAlone);
        assert_eq!(refused("a+/b"), TopicError::PlusNotAlone);
    }

    fn check_covers(wide: &str, narrow: &str, expected: bool) {
        let [wide, narrow] = [wide, narrow].map(|text| TopicFilter::parse(text).unwrap());
        assert_eq!(wide.covers(&narrow), expected, "{wide} covers {narrow}");
    }

    #[test]
    fn a_filter_covers_what_it_would_receive_anyway() {
        check_covers("a/#", "a/b/+", true);
        check_covers("a/#", "a", true);
        check_covers("a/+", "a/b", true);
        check_covers("a/+", "a/#", false);
        check_covers("a/+/c", "a/b/+", false);
        check_covers("#", "$SYS/a", false);
        check_covers("+/a", "+/a", true);
        check_covers("$share/g/#", "a", false);
    }

    #[test]
    fn interning_gives_one_id_per_name_and_stops_at_the_limit() {
        let topics = KafkaTopics::new(ClusterNo(0), 2);
        assert_eq!(topics.intern("a").unwrap().id, topics.intern("a").unwrap().id);
        assert_ne!(topics.intern("a").unwrap().id, topics.intern("b").unwrap().id);
        assert_eq!(topics.intern("c"), Err(KafkaTopicError::TooMany));
        assert_eq!(topics.intern("a/b"), Err(KafkaTopicError::BadCharacter));
    }
}
