//! `check` finds what is wrong, where, all at once, and tells exit codes as promised.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_tests::bridge::tidegate_with;

const GOOD: &str = r#"
[mqtt.plant]
url = "mqtt://127.0.0.1:1883"
[kafka.main]
brokers = ["127.0.0.1:9092"]
[dead_letter]
kafka = "main"
topic = "dlq"
[[rule]]
name = "copy"
from = ["a/{x}/#"]
to = { topic = "t.{x}" }
"#;

/// Exit code and answer of `check --format json` on one file.
fn check_file(text: &str) -> (Option<i32>, Value, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tidegate.toml");
    fs::write(&file, text).expect("the folder can be written");
    let (code, answer) = check_path(&file);
    (code, answer, folder)
}

fn check_path(path: &Path) -> (Option<i32>, Value) {
    let path = path.to_str().expect("temporary folders have UTF-8 names");
    let output = tidegate_with(&["check", "-c", path, "--format", "json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = serde_json::from_str(&text).unwrap_or_else(|error| panic!("one JSON document: {error}: {text}"));
    (output.status.code(), answer)
}

fn errors(answer: &Value) -> Vec<&Value> {
    let problems = answer["problems"].as_array().expect("a list of problems");
    problems.iter().filter(|problem| problem["severity"] == "error").collect()
}

/// Replaces `from` by `to` in the good file: the one error must stand on the changed line and under `key`.
fn check(from: &str, to: &str, key: &str) {
    assert!(GOOD.contains(from), "{from} is not in the good file");
    let text = GOOD.replacen(from, to, 1);
    let line = text[..text.find(to).expect("it was put there")].matches('\n').count() + 1;
    let lines = line..=line + to.matches('\n').count();
    let (code, answer, _folder) = check_file(&text);
    assert_eq!(code, Some(1), "{to}: {answer:#}");
    let found = errors(&answer);
    let here = |problem: &&&Value| {
        let at = problem["line"].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        lines.contains(&at) && problem["key"].as_str().is_some_and(|found| found.starts_with(key))
    };
    assert!(found.iter().any(|problem| here(&problem)), "{to}: no error at {key}, line {line}: {answer:#}");
    assert!(found.iter().all(|problem| problem["message"].as_str().is_some_and(|text| text.len() > 8)), "{answer:#}");
}

#[test]
fn the_good_file_is_good() {
    let (code, answer, _folder) = check_file(GOOD);
    assert_eq!((code, errors(&answer).len()), (Some(0), 0), "{answer:#}");
}

#[test]
fn unknown_keys_and_names_are_found() {
    check("brokers =", "broker = 1\nbrokers =", "kafka.main.broker");
    check("to = {", "tu = 1\nto = {", "rule[0].tu");
    check("topic = \"t.{x}\"", "topic = \"t.{y}\"", "rule[0].to");
    check("topic = \"t.{x}\"", "topic = \"t\", kafka = \"mian\"", "rule[0].to");
    check("name = \"copy\"", "name = \"copy\"\nsource = \"plnat\"", "rule[0].source");
    check("name = \"copy\"", "name = \"copy\"\nvia = [\"no-such-plugin\"]", "rule[0].via");
}

#[test]
fn wrong_values_are_found() {
    check("a/{x}/#", "a/#/b", "rule[0].from");
    check("a/{x}/#", "a/{x}/{x}", "rule[0].from");
    check("a/{x}/#", "a/b{x}/#", "rule[0].from");
    check("mqtt://127.0.0.1:1883", "http://127.0.0.1:1883", "mqtt.plant.url");
    check("url =", "window = 70000\nurl =", "mqtt.plant.window");
    check("url =", "keep_alive = 30\nurl =", "mqtt.plant.keep_alive");
    check("url =", "session_expiry = \"7 fortnights\"\nurl =", "mqtt.plant.session_expiry");
    check("url =", "protocol = \"4\"\nurl =", "mqtt.plant.protocol");
    check("to = {", "qos = 3\nto = {", "rule[0].qos");
    check("topic = \"t.{x}\"", "topic = \"t.{x\"", "rule[0].to");
    check("topic = \"t.{x}\"", "topic = \"\"", "rule[0].to");
}

#[test]
fn what_the_promise_rests_on_cannot_be_set() {
    for property in ["acks", "enable.idempotence", "message.timeout.ms", "partitioner", "ssl.ca.location"] {
        let line = format!("properties = {{ \"{property}\" = \"1\" }}\nbrokers =");
        check("brokers =", &line, "kafka.main.properties");
    }
}

#[test]
fn an_unset_variable_is_found() {
    check("127.0.0.1:9092", "${NO_SUCH_VARIABLE_HERE}:9092", "kafka.main.brokers");
}

#[test]
fn a_rule_name_is_used_once() {
    let rule = "to = { topic = \"t.{x}\" }";
    let second = "\n[[rule]]\nname = \"copy\"\nfrom = [\"b\"]\nto = { topic = \"u\" }";
    check(rule, &format!("{rule}{second}"), "rule[1].name");
}

#[test]
fn all_problems_are_told_at_once() {
    let text =
        GOOD.replace("brokers =", "broker = 1\nbrokers =").replace("a/{x}/#", "a/#/b").replace("\"dlq\"", "\"\"");
    let (code, answer, _folder) = check_file(&text);
    assert_eq!(code, Some(1));
    assert!(errors(&answer).len() >= 3, "{answer:#}");
}

#[test]
fn broken_toml_has_a_place_too() {
    let (code, answer, _folder) = check_file("[mqtt.plant]\nurl = \n");
    assert_eq!(code, Some(1));
    assert!(errors(&answer).iter().any(|problem| problem["line"] == 2), "{answer:#}");
}

#[test]
fn secrets_are_not_shown() {
    let text = GOOD.replace("url =", "pasword = \"open-sesame\"\npassword = { value = \"open-sesame\" }\nurl =");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tidegate.toml");
    fs::write(&file, text).expect("the folder can be written");
    let output = tidegate_with(&["check", "-c", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    let shown = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!shown.contains("open-sesame"), "{shown}");
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    for (arguments, code) in [
        (vec!["check", "-c", "/no/such/file.toml"], 2),
        (vec!["check", "--no-such-option"], 2),
        (vec!["no-such-command"], 2),
        (vec!["schema"], 0),
        (vec!["--version"], 0),
    ] {
        assert_eq!(tidegate_with(&arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn the_schema_is_json() {
    let output = tidegate_with(&["schema"]);
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|schema| schema.is_object()));
}

#[test]
fn run_refuses_a_broken_configuration() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tidegate.toml");
    fs::write(&file, GOOD.replace("brokers =", "broker =")).expect("the folder can be written");
    let output = tidegate_with(&["run", "-c", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
