//! Dead letters come back: each exactly once, in order per key, even when the replay is killed.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_tests::bridge::{Bridge, tidegate_with};
use tidegate_tests::kafka::Kafka;
use tidegate_tests::mosquitto::{Mosquitto, Settings};
use tidegate_tests::payload::MessageId;
use tidegate_tests::places::tidegate;
use tidegate_tests::publish::Load;
use tidegate_tests::read::{Reader, Record};
use tidegate_tests::tier::scaled;

use super::PATIENCE;

/// The second level is `..`, which no Kafka topic may be called.
const BROKEN: &str = "[[rule]]\nname = \"r\"\nfrom = [\"d/{bad}/{machine}\"]\nto = { topic = \"{bad}\" }\n";
const REPAIRED: &str =
    "[[rule]]\nname = \"r\"\nfrom = [\"d/+/{machine}\"]\nto = { topic = \"fixed\", key = \"{machine}\" }\n";

struct Post {
    kafka: Kafka,
    bridge: Bridge,
    /// Kept: it holds the port.
    _mosquitto: Mosquitto,
    letters: u32,
}

impl Post {
    /// As many dead letters as `letters`, and then the rule is repaired.
    fn filled(letters: u32) -> Self {
        let kafka = Kafka::start();
        kafka.client().create_topics(&[("dlq", 3), ("fixed", 6)]);
        let mosquitto = Mosquitto::start(Settings::default());
        let dead_letter = "[dead_letter]\nkafka = \"main\"\ntopic = \"dlq\"\n";
        let tables = format!("{}\n{}\n{dead_letter}", mosquitto.table("client_id = \"bridge\""), kafka.table());
        let bridge = Bridge::running(&tables, BROKEN);
        let load = Load::new(mosquitto.port, letters / 100, |id| format!("d/../m{}", id.publisher));
        let published = load.start().finish();
        assert_eq!(published.sent(), u64::from(letters));
        let all = f64::from(letters) - 0.5;
        bridge.wait_metric("tidegate_messages_dead_lettered_total", &[("rule", "r")], PATIENCE, |count| count > all);
        bridge.write("rules.d/rules.toml", REPAIRED);
        Self { kafka, bridge, _mosquitto: mosquitto, letters }
    }

    fn folder(&self) -> String {
        self.bridge.path("").to_str().expect("UTF-8").to_owned()
    }

    fn dlq(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let (action, rest) = arguments.split_first().expect("an action");
        let folder = self.folder();
        let mut all = vec!["dlq", *action, "-c", &folder, "--format", "json"];
        all.extend(rest);
        let output = tidegate_with(&all);
        let answer = serde_json::from_slice(&output.stdout);
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), answer)
    }
}

fn sequence(record: &Record) -> u32 {
    MessageId::find(record.payload.as_deref().expect("a payload")).expect("a numbered payload").sequence
}

#[test]
#[ignore = "needs real servers"]
fn a_replay_that_is_killed_goes_on_and_sends_each_letter_once_in_order() {
    let post = Post::filled(scaled(20_000, 100_000));
    let (code, rehearsed) = post.dlq(&["replay", "--dry-run"]);
    assert_eq!((code, &rehearsed["sent"]), (Some(0), &Value::from(post.letters)), "{rehearsed:#}");
    let mut reader = Reader::open(&post.kafka.client(), &["fixed"]);
    let mut replay = Command::new(tidegate());
    replay.args(["dlq", "replay", "--rate", "10000", "-c", &post.folder()]).stdout(Stdio::null());
    let mut child = replay.spawn().expect("the program starts");
    let mut records = reader.wait_for(post.letters as usize / 4, PATIENCE);
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let started = Instant::now();
    let (code, rest) = post.dlq(&["replay"]);
    let took = started.elapsed();
    let went = rest["sent"].as_u64().unwrap_or(0);
    println!("{} letters, killed half way; the rest, {went}, in {took:?}", post.letters);
    assert_eq!((code, &rest["stay"]), (Some(0), &Value::from(0)), "{rest:#}");
    assert!(went > 0 && went < u64::from(post.letters), "{went} letters after the kill");
    records.extend(reader.wait_for(post.letters as usize - records.len(), PATIENCE));
    assert_eq!(reader.wait_for(1, Duration::from_secs(3)).len(), 0, "more records than letters");
    assert_eq!(records.len(), post.letters as usize);
    assert_in_order(&records);
    let (_, again) = post.dlq(&["replay"]);
    assert_eq!(again["sent"], 0, "replayed twice: {again:#}");
    assert_eq!(post.dlq(&["list"]).1["total"], 0);
}

/// Each once, and those of one key as they were published.
fn assert_in_order(records: &[Record]) {
    let mut last: BTreeMap<String, u32> = BTreeMap::new();
    for record in records {
        let (key, number) = (record.key_text().expect("a key"), sequence(record));
        assert!(record.header("dlq.replayed").is_some(), "{record:?}");
        if let Some(before) = last.insert(key.clone(), number) {
            assert!(before < number, "{key}: {number} after {before}");
        }
    }
}

#[test]
#[ignore = "needs real servers"]
fn letters_are_listed_shown_and_chosen() {
    let post = Post::filled(200);
    let (code, listed) = post.dlq(&["list", "--limit", "5"]);
    assert_eq!((code, &listed["total"]), (Some(0), &Value::from(200)));
    assert_eq!(listed["letters"].as_array().map(Vec::len), Some(5));
    let first = &listed["letters"][0];
    assert_eq!((&first["reason"], &first["rule"]), (&Value::from("bad-topic"), &Value::from("r")));
    let place = first["place"].as_str().expect("a place");
    let (_, shown) = post.dlq(&["show", place]);
    assert_eq!(shown["headers"]["dlq.rule"], "r", "{shown:#}");
    assert_eq!(post.dlq(&["list", "--key", "d/../m7"]).1["total"], 2);
    assert_eq!(post.dlq(&["list", "--reason", "plugin-trap"]).1["total"], 0);
    assert_eq!(post.dlq(&["list", "--until", "1h"]).1["total"], 0);
    let (code, chosen) = post.dlq(&["replay", "--key", "d/../m7"]);
    assert_eq!((code, &chosen["sent"]), (Some(0), &Value::from(2)), "{chosen:#}");
    assert_eq!(post.dlq(&["list"]).1["total"], 198);
    assert_eq!(post.dlq(&["list", "--all"]).1["total"], 200);
    // A rule that still fails leaves its letters where they are.
    post.bridge.write("rules.d/rules.toml", BROKEN);
    let (code, stayed) = post.dlq(&["replay"]);
    assert_eq!((code, &stayed["stay"], &stayed["sent"]), (Some(1), &Value::from(198), &Value::from(0)));
    assert_eq!(post.dlq(&["list"]).1["total"], 198);
}
