//! Which letters are meant.

use std::str::FromStr;
use std::time::SystemTime;

use super::letter::Letter;
use crate::config::parse_duration;
use crate::pipeline::records::rfc3339;

/// All that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub rule: Option<String>,
    pub reason: Option<String>,
    /// The record key, which is the MQTT topic.
    pub key: Option<String>,
    /// From this time of failure on.
    pub since: Option<Time>,
    /// Up to this time of failure.
    pub until: Option<Time>,
}

impl Filter {
    #[must_use]
    pub fn takes(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let key = self.key.as_deref().is_none_or(|key| letter.key.as_deref() == Some(key.as_bytes()));
        let cut = |time: &Time| letter.time.get(..time.0.len()).unwrap_or(&letter.time).to_owned();
        is(&self.rule, &letter.rule)
            && is(&self.reason, &letter.reason)
            && key
            && self.since.as_ref().is_none_or(|since| cut(since) >= since.0)
            && self.until.as_ref().is_none_or(|until| cut(until) <= until.0)
    }
}

/// A point in time to any precision, as the beginning of a time in RFC 3339 and UTC, which sort as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time(String);

/// Text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no time; write 2026-01-31, 2026-01-31T08:15 or 2026-01-31T08:15:00Z (UTC), or how long ago, such as 2h"
)]
pub struct BadTime(String);

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        if let Ok(ago) = parse_duration(text) {
            let then = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
            return Ok(Self(rfc3339(then)));
        }
        let plain = text.strip_suffix('Z').unwrap_or(text);
        let shape = "dddd-dd-ddTdd:dd:dd.ddd";
        let fits = plain.len() <= shape.len()
            && plain.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                _ => byte == wanted,
            });
        let whole = [4, 7, 10, 13, 16, 19, 23].contains(&plain.len());
        if fits && whole { Ok(Self(plain.into())) } else { Err(BadTime(text.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::Place;
    use super::*;

    fn letter() -> Letter {
        Letter {
            place: Place { partition: 0, offset: 0 },
            rule: "r".into(),
            reason: "plugin-trap".into(),
            error: String::new(),
            time: "2026-03-04T05:06:07.890Z".into(),
            plugin: None,
            headers: Vec::new(),
            key: Some(b"a/b".to_vec()),
            payload: None,
            timestamp_ms: 0,
        }
    }

    fn since(text: &str) -> bool {
        Filter { since: Some(text.parse().unwrap()), ..Filter::default() }.takes(&letter())
    }

    fn until(text: &str) -> bool {
        Filter { until: Some(text.parse().unwrap()), ..Filter::default() }.takes(&letter())
    }

    #[test]
    fn times_compare_at_the_precision_given() {
        assert!(since("2026-03-04") && since("2026-03-04T05:06:07.890Z") && since("2025"));
        assert!(!since("2026-03-05") && !since("2026-03-04T05:06:08Z"));
        assert!(until("2026-03-04") && until("2026-03-04T05:06") && !until("2026-03-03"));
    }

    #[test]
    fn a_while_ago_is_a_time() {
        assert!(!since("1h"));
        assert!(until("1h"));
    }

    #[test]
    fn what_is_no_time_is_told() {
        for bad in ["yesterday", "2026-3-4", "2026-03-04T05:06+02:00", "20260304", "", "2026-"] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let filter = |rule: &str, key: &str| Filter {
            rule: Some(rule.into()),
            key: Some(key.into()),
            reason: Some("plugin-trap".into()),
            ..Filter::default()
        };
        assert!(filter("r", "a/b").takes(&letter()));
        assert!(!filter("other", "a/b").takes(&letter()));
        assert!(!filter("r", "a").takes(&letter()));
        assert!(Filter::default().takes(&letter()));
    }
}
