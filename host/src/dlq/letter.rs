//! One record of the dead-letter topic: a letter, or the mark that one was replayed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::kafka::scan::Found;
use crate::message::{Header, Message, Properties, Qos, SubscriptionIds};
use crate::topic::TopicName;

/// Header of a mark: the place of the letter that was replayed.
const MARK: &str = "dlq.mark";
/// Header of a record that a replay made: the place of its letter.
const ORIGIN: &str = "dlq.replayed";

/// Where a letter stands: `PARTITION:OFFSET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

/// Text that is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place; write PARTITION:OFFSET as `dlq list` shows it, such as 0:17")]
pub struct BadPlace(String);

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let parts = text.split_once(':').and_then(|(partition, offset)| {
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        parts.filter(|place| place.partition >= 0 && place.offset >= 0).ok_or_else(|| BadPlace(text.into()))
    }
}

impl Place {
    /// The header of the mark that says that the letter here was replayed.
    #[must_use]
    pub fn mark(self) -> Header {
        self.header(MARK)
    }

    /// The header of each record that the letter here became.
    #[must_use]
    pub fn origin(self) -> Header {
        self.header(ORIGIN)
    }

    fn header(self, name: &str) -> Header {
        Header { name: name.into(), value: self.to_string().into() }
    }
}

/// What a record of the dead-letter topic is.
#[derive(Clone, Debug)]
pub enum Entry {
    Letter(Box<Letter>),
    /// The letter at this place was replayed.
    Mark(Place),
    /// Not ours.
    Foreign,
}

/// A message that a rule could not carry.
#[derive(Clone, Debug)]
pub struct Letter {
    pub place: Place,
    pub rule: String,
    /// The stable code, `dlq.reason`.
    pub reason: String,
    /// For people, `dlq.error`.
    pub error: String,
    /// RFC 3339 in UTC, `dlq.time`.
    pub time: String,
    /// The plugin that failed.
    pub plugin: Option<String>,
    /// Its headers, all of them.
    pub headers: Vec<(String, Vec<u8>)>,
    pub key: Option<Vec<u8>>,
    /// `None` where it was too large to be kept.
    pub payload: Option<Bytes>,
    pub timestamp_ms: u64,
}

impl Entry {
    #[must_use]
    pub fn read(found: Found) -> Self {
        let text = |name: &str| {
            let header = found.headers.iter().find(|(known, _)| known == name);
            header.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        if let Some(mark) = text(MARK) {
            return mark.parse().map_or(Self::Foreign, Self::Mark);
        }
        let (Some(rule), Some(reason)) = (text("dlq.rule"), text("dlq.reason")) else { return Self::Foreign };
        Self::Letter(Box::new(Letter {
            place: Place { partition: found.partition, offset: found.offset },
            rule,
            reason,
            error: text("dlq.error").unwrap_or_default(),
            time: text("dlq.time").unwrap_or_default(),
            plugin: text("dlq.plugin"),
            key: found.key,
            payload: found.payload.map(Bytes::from),
            timestamp_ms: found.timestamp_ms,
            headers: found.headers,
        }))
    }
}

impl Letter {
    /// The message as it arrived.
    ///
    /// # Errors
    /// Where too much of it is gone, in the user's words.
    pub fn message(&self) -> Result<Message, String> {
        let topic = self.header("mqtt.topic").ok_or("the header mqtt.topic is missing")?;
        let topic = TopicName::parse(topic).map_err(|error| format!("its MQTT topic cannot be used: {error}"))?;
        let payload = self.payload.clone().ok_or("its value was too large for the dead-letter topic and is gone")?;
        let level = self.text("mqtt.qos").and_then(|level| level.parse().ok());
        Ok(Message {
            topic,
            payload,
            qos: level.and_then(Qos::from_level).unwrap_or(Qos::AtLeastOnce),
            retain: self.text("mqtt.retain").as_deref() == Some("true"),
            received_ms: self.timestamp_ms,
            properties: self.properties().map(Arc::new),
            subscriptions: SubscriptionIds::None,
        })
    }

    /// What MQTT 5 said of the message; none where it said nothing.
    fn properties(&self) -> Option<Properties> {
        let ours = |name: &str| name.starts_with("dlq.") || name.starts_with("mqtt.") || name == "content-type";
        let user = self.headers.iter().filter(|(name, _)| !ours(name));
        let properties = Properties {
            content_type: self.text("content-type"),
            response_topic: self.text("mqtt.response-topic"),
            correlation_data: self.header("mqtt.correlation-data"),
            user: user.map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned())).collect(),
            ..Properties::default()
        };
        (properties != Properties::default()).then_some(properties)
    }

    fn header(&self, name: &str) -> Option<Bytes> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| Bytes::copy_from_slice(value))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.header(name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(&str, &str)]) -> Found {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        Found {
            partition: 2,
            offset: 7,
            payload: Some(b"21".to_vec()),
            headers: headers.iter().map(owned).collect(),
            timestamp_ms: 5,
            ..Found::default()
        }
    }

    const LETTER: [(&str, &str); 6] = [
        ("mqtt.topic", "a/b"),
        ("content-type", "text/plain"),
        ("line", "7"),
        ("dlq.rule", "r"),
        ("dlq.reason", "plugin-trap"),
        ("mqtt.qos", "2"),
    ];

    #[test]
    fn a_letter_becomes_the_message_that_it_was() {
        let Entry::Letter(letter) = Entry::read(found(&LETTER)) else { panic!("a letter") };
        let message = letter.message().unwrap();
        assert_eq!((message.topic.as_str(), &message.payload[..], message.qos), ("a/b", &b"21"[..], Qos::ExactlyOnce));
        let properties = message.properties.unwrap();
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.user, [("line".to_owned(), "7".to_owned())]);
        assert_eq!(message.received_ms, 5);
    }

    #[test]
    fn a_letter_without_its_value_is_told() {
        let Entry::Letter(letter) = Entry::read(Found { payload: None, ..found(&LETTER) }) else { panic!("a letter") };
        assert!(letter.message().unwrap_err().contains("too large"));
    }

    #[test]
    fn a_mark_names_its_letter() {
        let place = Place { partition: 3, offset: 19 };
        let mark = place.mark();
        let value = String::from_utf8(mark.value.to_vec()).unwrap();
        let read = Entry::read(found(&[(&mark.name, &value), ("dlq.rule", "r"), ("dlq.reason", "x")]));
        assert!(matches!(read, Entry::Mark(marked) if marked == place), "{read:?}");
    }

    #[test]
    fn what_is_not_ours_is_foreign() {
        assert!(matches!(Entry::read(found(&[])), Entry::Foreign));
        assert!(matches!(Entry::read(found(&[(MARK, "nonsense")])), Entry::Foreign));
    }

    #[test]
    fn places_are_read_as_they_are_shown() {
        assert_eq!("3:19".parse(), Ok(Place { partition: 3, offset: 19 }));
        for bad in ["", "3", "3:", ":1", "-1:2", "1:-2", "1:2:3", "99999999999:0"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
