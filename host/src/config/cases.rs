//! `NAME.cases.toml` beside `NAME.wasm`: messages, and what the plugin is to answer.
//!
//! A text stands for itself here: `${NAME}` is no variable.

mod expect;
mod settings;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value as Json;

use super::check::json::json_text;
use super::item::Item;
use super::load::beside;
use super::raw::Value;
use super::reader::{Section, shown};
use super::review::{At, Review};
use super::text::Span;
use super::{Outside, Place, Problem, Severity, files, syntax};
use crate::message::{Properties, Qos};
use crate::topic::TopicName;
use settings::{CASES, PROPERTIES};

/// Largest `payload_file`.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;

/// All cases of one plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Cases {
    /// In file order; at least one.
    pub cases: Vec<Case>,
}

/// One message and what the plugin is to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub name: String,
    pub place: Place,
    /// Given to `init`.
    pub config: String,
    pub topic: String,
    pub payload: Bytes,
    pub properties: Option<Properties>,
    pub qos: Qos,
    pub retain: bool,
    /// Milliseconds since 1970.
    pub received_ms: u64,
    /// Payloads on the same topic that the same instance gets first; what it answers to them does not count.
    pub before: Vec<Bytes>,
    pub expect: Expect,
}

/// What the plugin is to answer; what is left out may be anything.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    Pass,
    Drop,
    Replace(Option<Payload>),
    Emit(Option<Vec<Record>>),
    /// With a text that the reason contains.
    Fail(Option<String>),
}

/// How a payload is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// As JSON: order of fields, blanks and the notation of numbers do not matter.
    Json(Json),
    Exact(Bytes),
    /// No payload at all.
    Tombstone,
}

/// One record of `emit`; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub topic: Option<String>,
    pub key: Option<Bytes>,
    pub payload: Option<Payload>,
    pub headers: Vec<(String, String)>,
    pub timestamp_ms: Option<u64>,
}

/// Reads the cases in the file at `path`.
///
/// # Errors
/// Everything that is wrong with the file, each with its place.
pub fn load(path: &Path) -> Result<Cases, Vec<Problem>> {
    let outside = Outside { env: &|_| None, builtins: &[] };
    let review = Review::literal(&outside);
    let file = files::read(&review, path);
    let table = syntax::parse(&review, file);
    let whole = Span { file, start: 0, end: 0 };
    let cases = {
        let root = Section::of(&review, &table, &CASES, String::new(), whole);
        read(&root)
    };
    if cases.cases.is_empty() && !review.is_broken() && !table.entries.contains_key("case") {
        let at = At { span: whole, key: "case".into() };
        review.error_with(&at, "no-cases", "this file holds no `[[case]]`", "add one, or remove the file".to_owned());
    }
    let problems = review.into_problems();
    match problems.iter().any(|problem| problem.severity == Severity::Error) {
        true => Err(problems),
        false => Ok(cases),
    }
}

fn read(root: &Section<'_, '_>) -> Cases {
    let config = root.item("config").and_then(|item| config(&item)).unwrap_or_default();
    let items = root.item("case").and_then(|item| item.list()).unwrap_or_default();
    let mut cases: Vec<Case> = Vec::new();
    for item in &items {
        let Some(case) = item.section().and_then(|section| case(&section, &config)) else { continue };
        if let Some(other) = cases.iter().find(|other| other.name == case.name) {
            let message = format!("there is a case `{}` already", shown(&case.name));
            item.error("duplicate-case", message, format!("the other one stands in line {}", other.place.line));
        }
        cases.push(case);
    }
    Cases { cases }
}

/// A text as it is, or a table as the rule would write it.
fn config(item: &Item<'_, '_>) -> Option<String> {
    match &item.node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Table(_) => json_text(item),
        _ => item.wrong_type("a text with JSON, or a table", None),
    }
}

/// All parts are read before any is asked for, so that all problems are told.
fn case(section: &Section<'_, '_>, config_of_all: &str) -> Option<Case> {
    let name = section.text("name");
    let topic = topic(section);
    let payload = payload(section);
    let properties = section.item("properties").and_then(|item| properties(&item));
    let config = section.item("config").and_then(|item| config(&item));
    let before = section.item("before").and_then(|item| item.list()).unwrap_or_default();
    let before = before.iter().filter_map(Item::text).map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
    let expect = expect::expect(section);
    Some(Case {
        name: name?.to_owned(),
        place: section.review.place(&section.at()),
        config: config.unwrap_or_else(|| config_of_all.to_owned()),
        topic,
        payload: payload.unwrap_or_default(),
        properties,
        qos: u8::try_from(section.whole("qos")).ok().and_then(Qos::from_level).unwrap_or(Qos::AtLeastOnce),
        retain: section.boolean("retain"),
        received_ms: u64::try_from(section.whole("received_ms")).unwrap_or_default(),
        before,
        expect: expect?,
    })
}

fn topic(section: &Section<'_, '_>) -> String {
    let Some(item) = section.item("topic") else { return section.default("topic").into() };
    let topic = item.text().unwrap_or(section.default("topic"));
    if let Err(error) = TopicName::parse(Bytes::copy_from_slice(topic.as_bytes())) {
        item.error("bad-topic", format!("`{}` is no topic of a message: {error}", shown(topic)), None);
    }
    topic.into()
}

fn payload(section: &Section<'_, '_>) -> Option<Bytes> {
    let item = one_of(section, &["payload", "payload_base64", "payload_file"])?;
    let text = item.text()?;
    match item.path.rsplit('.').next() {
        Some("payload_base64") => base64(&item, text),
        Some("payload_file") => payload_file(&item, text),
        Some(_) | None => Some(Bytes::copy_from_slice(text.as_bytes())),
    }
}

fn payload_file(item: &Item<'_, '_>, text: &str) -> Option<Bytes> {
    let path = beside(&item.review.text(item.node.span.file).path, text);
    match files::read_limited(&path, PAYLOAD_BYTES_MAX) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            let help = "the path is relative to the file it stands in".to_owned();
            item.error("unreadable-file", format!("{} cannot be read: {error}", path.display()), help);
            None
        }
    }
}

fn base64(item: &Item<'_, '_>, text: &str) -> Option<Bytes> {
    match STANDARD.decode(text) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            item.error("bad-base64", format!("`{}` is no base64: {error}", item.path), None);
            None
        }
    }
}

/// The one of these keys that is there; a second one is told.
fn one_of<'r, 'a>(section: &Section<'r, 'a>, names: &[&'static str]) -> Option<Item<'r, 'a>> {
    let mut there = names.iter().filter_map(|name| section.item(name));
    let first = there.next()?;
    for other in there {
        let message = format!("`{}` and `{}` exclude each other", other.path, first.path);
        other.error("conflict", message, "keep one of them".to_owned());
    }
    Some(first)
}

fn properties(item: &Item<'_, '_>) -> Option<Properties> {
    let section = Section::of(item.review, item.table()?, &PROPERTIES, item.path.clone(), item.node.span);
    let text = |name| section.item(name).and_then(|item| item.text()).map(str::to_owned);
    Some(Properties {
        content_type: text("content-type"),
        response_topic: text("response-topic"),
        correlation_data: text("correlation-data").map(Bytes::from),
        user: section.item("user").map(|item| texts(&item)).unwrap_or_default(),
        message_expiry_s: section
            .item("message-expiry")
            .and_then(|item| item.whole())
            .and_then(|seconds| seconds.try_into().ok()),
        payload_is_utf8: false,
    })
}

/// A table of texts, in name order.
fn texts(item: &Item<'_, '_>) -> Vec<(String, String)> {
    let Some(table) = item.table() else { return Vec::new() };
    let text = |(name, item): (&str, Item<'_, '_>)| Some((name.to_owned(), item.text()?.to_owned()));
    item.children(table).filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Cases, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("blob.bin"), b"\0\xff").unwrap();
        let path = folder.path().join("p.cases.toml");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    fn check_problems(text: &str, expected: &[(usize, &str, &str)]) {
        let problems = loaded(text).expect_err("the file has problems");
        let told: Vec<_> =
            problems.iter().map(|found| (found.place.line, found.code, found.place.key.as_str())).collect();
        assert_eq!(told, expected, "{problems:#?}");
    }

    #[test]
    fn every_key_is_read() {
        let cases = loaded(
            r#"
            config = '{"unit":"F"}'
            [[case]]
            name = "all of a message"
            topic = "site/ulm"
            payload = '${NOT_A_VARIABLE}'
            qos = 2
            retain = true
            received_ms = 1700000000000
            before = ["a", "b"]
            properties = { content-type = "text/plain", response-topic = "r", correlation-data = "c", message-expiry = 5, user = { a = "1" } }
            expect = "replace"
            expect_json = '{"c": 100.0}'
            [[case]]
            name = "records"
            config = { unit = "C" }
            payload_base64 = "AP8="
            expect = "emit"
            records = [{ topic = "t", key = "k", json = '{}', headers = { h = "1" }, timestamp_ms = 7 }, { tombstone = true }]
            [[case]]
            name = "a failure"
            payload_file = "blob.bin"
            expect = "fail"
            expect_error = "JSON"
            "#,
        )
        .unwrap();
        let [message, records, failure] = cases.cases.as_slice() else { panic!("{cases:?}") };
        assert_eq!(message.payload, "${NOT_A_VARIABLE}");
        assert_eq!(message.config, r#"{"unit":"F"}"#);
        assert_eq!((message.qos, message.retain, message.before.len()), (Qos::ExactlyOnce, true, 2));
        assert_eq!(message.properties.as_ref().unwrap().message_expiry_s, Some(5));
        assert_eq!(message.expect, Expect::Replace(Some(Payload::Json(serde_json::json!({"c": 100.0})))));
        assert_eq!(records.config, r#"{"unit":"C"}"#);
        assert_eq!(records.payload, failure.payload);
        assert_eq!(failure.expect, Expect::Fail(Some("JSON".into())));
        let Expect::Emit(Some(wanted)) = &records.expect else { panic!("{records:?}") };
        assert_eq!(wanted[0].headers, [("h".to_owned(), "1".to_owned())]);
        assert_eq!(wanted[1].payload, Some(Payload::Tombstone));
    }

    #[test]
    fn all_problems_are_told_with_their_lines() {
        check_problems(
            "[[case]]\nname = \"a\"\ntopic = \"a/+\"\npayload = \"\"\npayload_base64 = \"!\"\nexpect = \"pas\"\n\
             [[case]]\nname = \"a\"\nexpect = \"pass\"\nexpect_json = '{}'\nwrong = 1\n\
             [[case]]\nname = \"b\"\nexpect = \"replace\"\nexpect_json = '{'\npayload_file = \"gone\"\n",
            &[
                (3, "bad-topic", "case[0].topic"),
                (5, "conflict", "case[0].payload_base64"),
                (6, "unknown-value", "case[0].expect"),
                (10, "conflict", "case[1].expect_json"),
                (11, "unknown-key", "case[1].wrong"),
                (15, "bad-json", "case[2].expect_json"),
                (16, "unreadable-file", "case[2].payload_file"),
            ],
        );
    }

    #[test]
    fn a_file_without_cases_is_a_problem() {
        check_problems("config = ''\n", &[(1, "no-cases", "case")]);
        check_problems("[[case]]\nname = \"a\"\n", &[(1, "missing-key", "case[0].expect")]);
        check_problems("[[case]\n", &[(1, "syntax", "case[0]")]);
    }

    #[test]
    fn the_example_of_the_guide_is_right() {
        let guide = include_str!("../../../docs/plugins.md");
        let example = guide.split("```").find(|block| block.starts_with("toml\nconfig = ")).unwrap();
        assert_eq!(loaded(example.trim_start_matches("toml")).unwrap().cases.len(), 3);
    }

    #[test]
    fn the_kind_may_follow_from_what_is_expected() {
        let cases = loaded("[[case]]\nname = \"a\"\nexpect_payload = \"x\"\n").unwrap();
        assert_eq!(cases.cases[0].expect, Expect::Replace(Some(Payload::Exact("x".into()))));
    }
}
