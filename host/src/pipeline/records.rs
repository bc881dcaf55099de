//! From a message and what the plugins said of it to the Kafka records of a rule; and from a failed message to its dead
//! letter. The one place that knows how a record is made: `run` and `explain` both come here.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::chain::Said;
use super::route::{BadTopic, Bound, named};
use crate::ack::{Failure, FailureKind};
use crate::message::{Header, Headers, Message, Record};
use crate::topic::{KafkaTopic, KafkaTopicError, KafkaTopics};

/// The record of `message` for one destination.
///
/// # Errors
/// Where the topic, the rule's or the plugin's, cannot be used.
pub fn record(
    bound: &Bound,
    message: &Message,
    payload: Option<Bytes>,
    said: Option<&Said>,
    topics: &[Arc<KafkaTopics>],
) -> Result<Record, Failure> {
    let topic = match said.and_then(|said| said.topic.as_deref()) {
        Some(name) => named(name, &topics[bound.cluster]),
        None => bound.topic.clone(),
    };
    let own = said.map(|said| said.headers.clone()).unwrap_or_default();
    Ok(Record {
        topic: topic.map_err(|bad| bad_topic(&bad))?,
        key: Some(said.and_then(|said| said.key.clone()).unwrap_or_else(|| bound.key.clone())),
        payload,
        headers: headers(message, bound.headers.clone(), own),
        timestamp_ms: said.and_then(|said| said.timestamp_ms).unwrap_or(message.received_ms),
    })
}

fn headers(message: &Message, rule: Arc<[Header]>, own: Vec<Header>) -> Headers {
    Headers { topic: message.topic.clone(), properties: message.properties.clone(), rule, own }
}

fn bad_topic(bad: &BadTopic) -> Failure {
    let kind = match bad.cause {
        KafkaTopicError::TooMany => FailureKind::TooManyTopics,
        KafkaTopicError::Empty | KafkaTopicError::Dots | KafkaTopicError::TooLong | KafkaTopicError::BadCharacter => {
            FailureKind::BadTopic
        }
    };
    Failure { kind, error: bad.to_string(), plugin: None }
}

/// How much of the message a dead letter carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Without the value, which even the dead-letter topic would not take; its size and digest stand in for it.
    WithoutValue,
}

/// The dead letter of `message`, which `rule` failed to carry.
#[must_use]
pub fn dead_letter(
    topic: &KafkaTopic,
    message: &Message,
    rule: &str,
    generation: u64,
    failure: &Failure,
    extent: Extent,
) -> Record {
    let mut own = vec![
        header("dlq.reason", failure.kind.code()),
        header("dlq.error", &failure.error),
        header("dlq.rule", rule),
        header("dlq.generation", &generation.to_string()),
        header("dlq.time", &rfc3339(SystemTime::now())),
        header("mqtt.qos", &message.qos.level().to_string()),
        header("mqtt.retain", if message.retain { "true" } else { "false" }),
    ];
    if let Some(plugin) = &failure.plugin {
        own.push(header("dlq.plugin", &plugin.name));
        own.push(header("dlq.plugin.sha256", &plugin.sha256));
        own.push(header("dlq.stage", &plugin.stage.to_string()));
    }
    let payload = match extent {
        Extent::Whole => message.payload.clone(),
        Extent::WithoutValue => {
            own.push(header("dlq.size", &message.payload.len().to_string()));
            own.push(header("dlq.sha256", &crate::digest::sha256_hex(&message.payload)));
            Bytes::new()
        }
    };
    Record {
        topic: topic.clone(),
        key: Some(message.topic.as_bytes().clone()),
        payload: (extent == Extent::Whole).then_some(payload),
        headers: headers(message, Arc::from([]), own),
        timestamp_ms: message.received_ms,
    }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: Bytes::copy_from_slice(value.as_bytes()) }
}

/// The wall clock, milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", second % 60, since.subsec_millis())
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while month < 11 && day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, day + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(seconds: u64, expected: &str) {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    }

    #[test]
    fn times_are_written_in_utc() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400, "2000-02-29T00:00:00.000Z");
        check(4_107_542_399, "2100-02-28T23:59:59.000Z");
        check(1_735_689_599, "2024-12-31T23:59:59.000Z");
    }
}
