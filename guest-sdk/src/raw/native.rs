//! The stand-in for Tidegate in native tests: properties, time and tables as the test set them; log lines, state, figures
//! and what was published kept for the test to read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::log::Level;
use crate::lookup::NoSuchTable;
use crate::publish::{self, Qos};
use crate::state;
use crate::testing::{Properties, Published};

/// A table: rows by key, each by column.
pub type Table = BTreeMap<String, BTreeMap<String, String>>;

/// All that one test thread's Tidegate holds.
#[derive(Default)]
pub struct World {
    pub batch: Vec<Properties>,
    pub lines: Vec<(Level, String)>,
    pub state: BTreeMap<String, Vec<u8>>,
    pub published: Vec<Published>,
    /// `None`: every topic may be published to.
    pub publishable: Option<Vec<String>>,
    pub tables: BTreeMap<String, Table>,
    pub counters: BTreeMap<String, u64>,
    pub gauges: BTreeMap<String, f64>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
}

/// Reads or sets what this thread's Tidegate holds.
pub fn with<T>(use_it: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(use_it)
}

pub fn set_now_ms(now_ms: u64) {
    NOW_MS.set(now_ms);
}

fn of<T: Default>(index: u32, get: impl Fn(&Properties) -> T) -> T {
    with(|world| world.batch.get(index as usize).map(get).unwrap_or_default())
}

pub fn log(level: Level, message: &str) {
    with(|world| world.lines.push((level, message.into())));
}

pub fn content_type(index: u32) -> Option<String> {
    of(index, |properties| properties.content_type.clone())
}

pub fn response_topic(index: u32) -> Option<String> {
    of(index, |properties| properties.response_topic.clone())
}

pub fn correlation_data(index: u32) -> Option<Vec<u8>> {
    of(index, |properties| properties.correlation_data.clone())
}

pub fn user_properties(index: u32) -> Vec<(String, String)> {
    of(index, |properties| properties.user.clone())
}

pub fn message_expiry(index: u32) -> Option<u32> {
    of(index, |properties| properties.message_expiry_s)
}

pub fn state_get(key: &str) -> Option<Vec<u8>> {
    with(|world| world.state.get(key).cloned())
}

pub fn state_get_many(keys: &[&str]) -> Vec<Option<Vec<u8>>> {
    keys.iter().map(|key| state_get(key)).collect()
}

pub fn state_set(key: &str, value: &[u8]) -> Result<(), state::Refusal> {
    put(key, Some(value))
}

pub fn state_delete(key: &str) -> Result<(), state::Refusal> {
    put(key, None)
}

fn put(key: &str, value: Option<&[u8]>) -> Result<(), state::Refusal> {
    if key.is_empty() {
        return Err(state::Refusal::BadKey);
    }
    with(|world| match value {
        Some(value) => world.state.insert(key.into(), value.into()),
        None => world.state.remove(key),
    });
    Ok(())
}

pub fn state_compare_and_set(key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool, state::Refusal> {
    let is_as_expected = state_get(key).as_deref() == expected;
    if is_as_expected {
        put(key, value)?;
    }
    Ok(is_as_expected)
}

pub fn state_keys(prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let is_listed = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
    with(|world| world.state.keys().filter(is_listed).take(limit as usize).cloned().collect())
}

pub fn publish(topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), publish::Refusal> {
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        return Err(publish::Refusal::BadMessage);
    }
    with(|world| {
        if world.publishable.as_ref().is_some_and(|topics| topics.iter().all(|known| known != topic)) {
            return Err(publish::Refusal::NotGranted);
        }
        world.published.push(Published { topic: topic.into(), payload: payload.into(), qos, retain });
        Ok(())
    })
}

pub fn lookup_row(table: &str, key: &str) -> Result<Option<Vec<u8>>, NoSuchTable> {
    let text = |row: &BTreeMap<String, String>| {
        let members: Vec<String> =
            row.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    };
    with(|world| world.tables.get(table).ok_or(NoSuchTable).map(|rows| rows.get(key).map(text)))
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|letter| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        other => other.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

pub fn lookup_field(table: &str, key: &str, column: &str) -> Result<Option<String>, NoSuchTable> {
    with(|world| {
        let rows = world.tables.get(table).ok_or(NoSuchTable)?;
        Ok(rows.get(key).and_then(|row| row.get(column)).cloned())
    })
}

pub fn now_ms() -> u64 {
    NOW_MS.get()
}

pub fn monotonic_us() -> u64 {
    NOW_MS.get() * 1_000
}

pub fn count(name: &str, by: u64) {
    with(|world| *world.counters.entry(name.into()).or_default() += by);
}

pub fn gauge(name: &str, value: f64) {
    with(|world| world.gauges.insert(name.into(), value));
}
