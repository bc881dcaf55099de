//! `explain` says what `run` does: random rules and topics, both asked, records compared.

use std::fmt::Write;

use serde_json::Value;
use tidegate_tests::bridge::tidegate_with;
use tidegate_tests::payload::{Random, seed};
use tidegate_tests::tier::scaled;

use super::Bed;

const WORDS: [&str; 6] = ["a", "b", "c", "plant-1", "x.y", "ünit"];
const KAFKA_TOPICS: [(&str, i32); 3] = [("one", 1), ("two", 1), ("three", 1)];

/// A record in a form that both sides can be brought to: topic, key, headers, payload.
type Plain = (String, String, Vec<(String, String)>, String);

fn word(random: &mut Random) -> &'static str {
    WORDS[usize::try_from(random.below(WORDS.len() as u64)).expect("below the length")]
}

/// A filter with captures `c0`, `c1`… and their names.
fn filter(random: &mut Random) -> (String, Vec<String>) {
    let mut levels = Vec::new();
    let mut captures = Vec::new();
    for at in 0..=random.below(3) {
        levels.push(match random.below(3) {
            0 => word(random).to_owned(),
            1 => "+".to_owned(),
            _ => {
                captures.push(format!("c{at}"));
                format!("{{c{at}}}")
            }
        });
    }
    match random.below(4) {
        0 => levels.push("#".to_owned()),
        1 => {
            captures.push("rest".to_owned());
            levels.push("{rest...}".to_owned());
        }
        _ => {}
    }
    (levels.join("/"), captures)
}

fn rule(random: &mut Random, number: usize) -> String {
    let (filter, captures) = filter(random);
    let mut key = "{rule}:{topic}".to_owned();
    captures.iter().for_each(|name| write!(key, ":{{{name}}}").expect("a String takes it"));
    let topic = KAFKA_TOPICS[usize::try_from(random.below(3)).expect("below 3")].0;
    let header = captures.first().map_or("{source}".to_owned(), |name| format!("{{{name}}}"));
    let key = if random.below(4) == 0 { String::new() } else { format!(", key = \"{key}\"") };
    format!(
        "[[rule]]\nname = \"r{number}\"\nfrom = [\"{filter}\"]\nto = {{ topic = \"{topic}\"{key}, headers = {{ h = \"{header}\" }} }}\n"
    )
}

fn topics(random: &mut Random, count: usize) -> Vec<String> {
    let mut topic = || {
        let levels: Vec<_> = (0..=random.below(4)).map(|_| word(random)).collect();
        levels.join("/")
    };
    (0..count).map(|_| topic()).collect()
}

fn explained(bed: &Bed, topic: &str, payload: &str) -> Vec<Plain> {
    let folder = bed.bridge.path("");
    let arguments = ["explain", "-c", folder.to_str().expect("UTF-8"), "--format", "json", topic, payload];
    let output = tidegate_with(&arguments);
    assert_eq!(output.status.code(), Some(0), "{topic}: {}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let matches = answer["matches"].as_array().expect("a list of matches");
    matches.iter().flat_map(|one| one["records"].as_array().expect("a list of records")).map(plain).collect()
}

fn plain(record: &Value) -> Plain {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("a string in {record}")).to_owned();
    let headers = record["headers"].as_object().expect("a table of headers");
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    headers.sort();
    (text(&record["topic"]), text(&record["key"]), headers, text(&record["payload"]))
}

fn delivered(bed: &Bed) -> Vec<Plain> {
    let records = bed.records(&KAFKA_TOPICS.map(|(topic, _)| topic));
    let of = |record: &tidegate_tests::read::Record| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        headers.sort();
        (record.topic.clone(), record.key_text().unwrap_or_default(), headers, record.payload_text())
    };
    records.iter().map(of).collect()
}

#[test]
fn explain_agrees_with_run() {
    let mut random = Random::new(seed());
    let rules: String = (0..30).map(|number| rule(&mut random, number)).collect();
    let topics = topics(&mut random, scaled(100, 500));
    let bed = Bed::start(&KAFKA_TOPICS, "", "", &rules);
    let mut wanted = Vec::new();
    for (id, topic) in (1..).zip(&topics) {
        let payload = format!("message {id}");
        wanted.extend(explained(&bed, topic, &payload));
        bed.broker.publish(topic, payload.as_bytes(), 1, id);
    }
    bed.wait_pubacks(1, topics.len());
    let mut found = delivered(&bed);
    found.sort();
    wanted.sort();
    assert!(!wanted.is_empty(), "no rule matched anything: {rules}");
    for (one, other) in wanted.iter().zip(&found) {
        assert_eq!(one, other, "explain (left) and run (right) differ; rules:\n{rules}");
    }
    assert_eq!(wanted.len(), found.len());
}

#[test]
fn a_topic_without_a_rule_has_no_matches() {
    let bed = Bed::prepared(&[("t", 1)], "", "", super::COPY);
    let folder = bed.bridge.path("");
    let folder = folder.to_str().expect("UTF-8");
    let output = tidegate_with(&["explain", "-c", folder, "--format", "json", "nobody/wants"]);
    assert_eq!(output.status.code(), Some(0));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(answer["matches"], Value::Array(Vec::new()));
    let forbidden = tidegate_with(&["explain", "-c", folder, "a/+/b"]);
    assert_eq!(forbidden.status.code(), Some(2), "a topic name with a wildcard");
}
