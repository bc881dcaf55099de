//! What a case expects.

use bytes::Bytes;

use super::settings::RECORD;
use super::{Expect, Payload, Record, base64, one_of, texts};
use crate::config::item::Item;
use crate::config::reader::Section;

/// The outcomes that a case may expect.
pub(super) const KINDS: [&str; 5] = ["pass", "drop", "replace", "emit", "fail"];
const PAYLOADS: [&str; 3] = ["expect_json", "expect_payload", "expect_payload_base64"];

/// `expect` and what goes with it; `None` where something is wrong, which has been told.
pub(super) fn expect(section: &Section<'_, '_>) -> Option<Expect> {
    let payload = one_of(section, &PAYLOADS);
    let error = section.item("expect_error");
    let records = section.item("records");
    let kind = match section.item("expect") {
        Some(item) => item.choice()?,
        None => implied(section, payload.is_some(), records.is_some(), error.is_some())?,
    };
    let belongs = |item: &Option<Item<'_, '_>>, to: &str| match item {
        Some(item) if kind != to => {
            let message = format!("`{}` goes with `expect = \"{to}\"`, not with `\"{kind}\"`", item.path);
            item.error("conflict", message, None);
            false
        }
        Some(_) | None => true,
    };
    if ![belongs(&payload, "replace"), belongs(&records, "emit"), belongs(&error, "fail")].iter().all(|fits| *fits) {
        return None;
    }
    match kind {
        "pass" => Some(Expect::Pass),
        "drop" => Some(Expect::Drop),
        "replace" => Some(Expect::Replace(payload.map(|item| compared(&item)).flatten_told()?)),
        "emit" => Some(Expect::Emit(records.map(|item| list(&item)).flatten_told()?)),
        _ => Some(Expect::Fail(error.and_then(|item| item.text()).map(str::to_owned))),
    }
}

/// `None` outside: wrong, and told. `None` inside: not there.
trait FlattenTold<T> {
    fn flatten_told(self) -> Option<Option<T>>;
}

impl<T> FlattenTold<T> for Option<Option<T>> {
    fn flatten_told(self) -> Option<Option<T>> {
        self.map_or(Some(None), |value| value.map(Some))
    }
}

/// The only outcome that goes with what is expected.
fn implied(section: &Section<'_, '_>, payload: bool, records: bool, error: bool) -> Option<&'static str> {
    match (payload, records, error) {
        (true, false, false) => Some("replace"),
        (false, true, false) => Some("emit"),
        (false, false, true) => Some("fail"),
        (_, _, _) if section.is_misspelt("expect") => None,
        (_, _, _) => {
            let message = format!("`expect` is missing in `{}`", section.at().key);
            let help = "pass, drop, replace, emit or fail".to_owned();
            section.review.error_with(&section.at_key("expect"), "missing-key", message, help);
            None
        }
    }
}

/// A payload to compare with, by the name of its key.
fn compared(item: &Item<'_, '_>) -> Option<Payload> {
    let text = item.text()?;
    let key = item.path.rsplit('.').next().unwrap_or_default();
    if key.ends_with("base64") {
        return base64(item, text).map(Payload::Exact);
    }
    if !key.ends_with("json") {
        return Some(Payload::Exact(Bytes::copy_from_slice(text.as_bytes())));
    }
    match serde_json::from_str(text) {
        Ok(json) => Some(Payload::Json(json)),
        Err(error) => {
            item.error("bad-json", format!("`{}` is no JSON: {error}", item.path), None);
            None
        }
    }
}

fn list(item: &Item<'_, '_>) -> Option<Vec<Record>> {
    item.list()?.iter().map(record).collect()
}

fn record(item: &Item<'_, '_>) -> Option<Record> {
    let section = Section::of(item.review, item.table()?, &RECORD, item.path.clone(), item.node.span);
    let text = |name| section.item(name).and_then(|item| item.text());
    let payload = one_of(&section, &["json", "payload", "payload_base64"]).map(|item| compared(&item));
    let tombstone = section.boolean("tombstone").then_some(Payload::Tombstone);
    if let (Some(_), Some(_)) = (&payload, &tombstone) {
        item.error("conflict", format!("`{}` is a tombstone and has a payload", item.path), None);
    }
    Some(Record {
        topic: text("topic").map(str::to_owned),
        key: text("key").map(|key| Bytes::copy_from_slice(key.as_bytes())),
        payload: payload.flatten_told()?.or(tombstone),
        headers: section.item("headers").map(|item| texts(&item)).unwrap_or_default(),
        timestamp_ms: section.item("timestamp_ms").and_then(|item| item.whole()).and_then(|ms| ms.try_into().ok()),
    })
}
