//! What a plugin answered against what its case expects.

use bytes::Bytes;
use serde_json::Value;

use super::cases::{kind_expected, kind_of};
use crate::config::cases::{Expect, Payload, Record};
use crate::seam::{Outcome, Output};

/// Most characters of a payload in a message.
const SHOWN_CHARS_MAX: usize = 200;

/// How `outcome` differs from what is expected; `None` where it does not.
pub(super) fn differs(expect: &Expect, outcome: &Outcome) -> Option<String> {
    match (expect, outcome) {
        (Expect::Pass, Outcome::Pass) | (Expect::Drop, Outcome::Drop) => None,
        (Expect::Replace(wanted), Outcome::Replace(got)) => {
            wanted.as_ref().and_then(|wanted| payload_differs(wanted, Some(got)))
        }
        (Expect::Emit(wanted), Outcome::Emit(got)) => wanted.as_ref().and_then(|wanted| records_differ(wanted, got)),
        // An empty list is a drop by the contract.
        (Expect::Emit(Some(wanted)), Outcome::Drop) if wanted.is_empty() => None,
        (Expect::Fail(wanted), Outcome::Fail(got)) => {
            let wanted = wanted.as_ref().filter(|wanted| !got.contains(wanted.as_str()))?;
            Some(format!("expected a reason with \"{wanted}\", got \"{got}\""))
        }
        (_, _) => Some(format!("expected {}, got {}", kind_expected(expect), told(outcome))),
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass | Outcome::Drop => kind_of(outcome).into(),
        Outcome::Replace(payload) => format!("replace {}", shown(payload)),
        Outcome::Emit(outputs) => format!("emit of {} records", outputs.len()),
        Outcome::Fail(reason) => format!("fail \"{reason}\""),
    }
}

fn records_differ(wanted: &[Record], got: &[Output]) -> Option<String> {
    if wanted.len() != got.len() {
        return Some(format!("expected {} records, got {}", wanted.len(), got.len()));
    }
    let pairs = wanted.iter().zip(got).enumerate();
    let differs = |(place, (wanted, got)): (usize, (&Record, &Output))| {
        record_differs(wanted, got).map(|difference| format!("record {place}: {difference}"))
    };
    pairs.filter_map(differs).next()
}

fn record_differs(wanted: &Record, got: &Output) -> Option<String> {
    let topic = wanted.topic.as_ref().filter(|topic| got.topic.as_ref() != Some(topic));
    if let Some(topic) = topic {
        return Some(format!("expected topic `{topic}`, got {}", or_rule(got.topic.as_deref())));
    }
    if let Some(key) = wanted.key.as_ref().filter(|key| got.key.as_ref() != Some(key)) {
        let got = got.key.as_deref().map(shown);
        return Some(format!("expected key {}, got {}", shown(key), or_rule(got.as_deref())));
    }
    if let Some(time) = wanted.timestamp_ms.filter(|time| got.timestamp_ms != Some(*time)) {
        return Some(format!("expected the time {time}, got {:?}", got.timestamp_ms));
    }
    for (name, value) in &wanted.headers {
        let there = got.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        if there.is_none_or(|there| there != value.as_bytes()) {
            let there = there.map_or("none".into(), |there| shown(there));
            return Some(format!("expected header `{name}` to be {}, got {there}", shown(value.as_bytes())));
        }
    }
    wanted.payload.as_ref().and_then(|payload| payload_differs(payload, got.payload.as_ref()))
}

fn or_rule(text: Option<&str>) -> String {
    text.map_or_else(|| "none, which leaves it to the rule".into(), |text| format!("`{text}`"))
}

fn payload_differs(wanted: &Payload, got: Option<&Bytes>) -> Option<String> {
    let Some(got) = got else {
        let told = |expected: String| format!("expected the payload {expected}, got a tombstone");
        return match wanted {
            Payload::Tombstone => None,
            Payload::Json(json) => Some(told(json.to_string())),
            Payload::Exact(bytes) => Some(told(shown(bytes))),
        };
    };
    let is_equal = match wanted {
        Payload::Tombstone => return Some(format!("expected a tombstone, got {}", shown(got))),
        Payload::Exact(bytes) => bytes == got,
        Payload::Json(json) => match serde_json::from_slice::<Value>(got) {
            Ok(parsed) => same(json, &parsed),
            Err(error) => return Some(format!("expected JSON, got {}, which is none: {error}", shown(got))),
        },
    };
    let expected = match wanted {
        Payload::Json(json) => json.to_string(),
        Payload::Exact(bytes) => shown(bytes),
        Payload::Tombstone => String::new(),
    };
    (!is_equal).then(|| format!("expected the payload {expected}, got {}", shown(got)))
}

/// Equal as JSON, where 100 and 100.0 are one number.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let there = |(name, value): (&String, &Value)| other.get(name).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(there)
        }
        (_, _) => one == other,
    }
}

/// Text in quotes, what is none as its length and first bytes.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let short: String = text.escape_debug().take(SHOWN_CHARS_MAX).collect();
            let more = if text.chars().count() > SHOWN_CHARS_MAX { "…" } else { "" };
            format!("'{short}{more}'")
        }
        Err(_) => {
            let first: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            format!("{} bytes that are no text ({first}…)", bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expect: &Expect, outcome: &Outcome, told: Option<&str>) {
        let found = differs(expect, outcome);
        match told {
            None => assert_eq!(found, None),
            Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{found:?}"),
        }
    }

    fn json_case(value: Value) -> Expect {
        Expect::Replace(Some(Payload::Json(value)))
    }

    #[test]
    fn json_is_compared_by_value() {
        check(&json_case(json!({"a": 100.0, "b": [1]})), &Outcome::Replace(r#"{"b":[1.0],"a":100}"#.into()), None);
        check(&json_case(json!({"a": 1})), &Outcome::Replace(r#"{"a":1,"b":2}"#.into()), Some("got '{"));
        check(&json_case(json!(1)), &Outcome::Replace("x".into()), Some("which is none"));
    }

    #[test]
    fn the_kind_is_told_with_what_came() {
        check(&Expect::Drop, &Outcome::Pass, Some("expected drop, got pass"));
        check(&Expect::Pass, &Outcome::Fail("why".into()), Some("got fail \"why\""));
        check(&Expect::Fail(Some("JSON".into())), &Outcome::Fail("no number".into()), Some("with \"JSON\""));
        check(&Expect::Fail(None), &Outcome::Fail("any".into()), None);
        check(&Expect::Replace(None), &Outcome::Replace("any".into()), None);
    }

    #[test]
    fn records_are_compared_by_what_the_case_names() {
        let output = |topic: &str, payload: Option<&str>| Output {
            topic: Some(topic.into()),
            key: Some("k".into()),
            payload: payload.map(|payload| Bytes::copy_from_slice(payload.as_bytes())),
            headers: vec![("h".into(), "1".into())],
            timestamp_ms: Some(7),
        };
        let emitted = Outcome::Emit(vec![output("t", Some("{}")), output("u", None)]);
        let record = |topic: &str, payload| Record { topic: Some(topic.into()), payload, ..Record::default() };
        let expected = |second| Expect::Emit(Some(vec![record("t", Some(Payload::Json(json!({})))), second]));
        check(&expected(record("u", Some(Payload::Tombstone))), &emitted, None);
        check(&expected(record("w", None)), &emitted, Some("record 1: expected topic `w`, got `u`"));
        let header = Record { headers: vec![("h".into(), "2".into())], ..record("u", None) };
        check(&expected(header), &emitted, Some("header `h`"));
        check(&Expect::Emit(Some(Vec::new())), &emitted, Some("expected 0 records, got 2"));
        check(&Expect::Emit(Some(Vec::new())), &Outcome::Drop, None);
    }
}
