//! What a rule may grant, called for real. A plugin imports of it what it uses.

use std::mem::MaybeUninit;

use super::layout::{Span, Tagged};
use crate::lookup::NoSuchTable;
use crate::publish::{self, Qos};
use crate::state;

/// `option<list<u8>>` and `option<string>` as parameters.
fn given(bytes: Option<&[u8]>) -> (u32, *const u8, usize) {
    match bytes {
        Some(bytes) => (1, bytes.as_ptr(), bytes.len()),
        None => (0, std::ptr::null(), 0),
    }
}

/// `result` of something that fits a byte, or an enum.
#[repr(C)]
#[derive(Clone, Copy)]
struct Done {
    tag: u8,
    value: u8,
}

/// `result<option<…>, enum>`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Looked {
    tag: u8,
    found: Tagged<'static>,
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
mod imported {
    use super::{Done, Looked, Span, Tagged};

    #[link(wasm_import_module = "tidegate:plugin/state@0.1.0")]
    unsafe extern "C" {
        pub(super) fn get(key: *const u8, key_len: usize, result: *mut Tagged<'_>);
        #[link_name = "get-many"]
        pub(super) fn get_many(keys: *const Span<'_>, len: usize, result: *mut Span<'_, Tagged<'_>>);
        pub(super) fn set(key: *const u8, key_len: usize, value: *const u8, len: usize, result: *mut Done);
        pub(super) fn delete(key: *const u8, key_len: usize, result: *mut Done);
        #[link_name = "compare-and-set"]
        pub(super) fn compare_and_set(
            key: *const u8,
            key_len: usize,
            has_expected: u32,
            expected: *const u8,
            expected_len: usize,
            has_value: u32,
            value: *const u8,
            len: usize,
            result: *mut Done,
        );
        pub(super) fn keys(
            prefix: *const u8,
            prefix_len: usize,
            has_after: u32,
            after: *const u8,
            after_len: usize,
            limit: u32,
            result: *mut Span<'_, Span<'_>>,
        );
    }

    #[link(wasm_import_module = "tidegate:plugin/publish@0.1.0")]
    unsafe extern "C" {
        pub(super) fn message(
            topic: *const u8,
            topic_len: usize,
            payload: *const u8,
            len: usize,
            qos: u32,
            retain: u32,
            result: *mut Done,
        );
    }

    #[link(wasm_import_module = "tidegate:plugin/lookup@0.1.0")]
    unsafe extern "C" {
        pub(super) fn row(table: *const u8, table_len: usize, key: *const u8, key_len: usize, result: *mut Looked);
        pub(super) fn field(
            table: *const u8,
            table_len: usize,
            key: *const u8,
            key_len: usize,
            column: *const u8,
            column_len: usize,
            result: *mut Looked,
        );
    }

    #[link(wasm_import_module = "tidegate:plugin/clock@0.1.0")]
    unsafe extern "C" {
        #[link_name = "now-ms"]
        pub(super) fn now_ms() -> u64;
        #[link_name = "monotonic-us"]
        pub(super) fn monotonic_us() -> u64;
    }

    #[link(wasm_import_module = "tidegate:plugin/metrics@0.1.0")]
    unsafe extern "C" {
        pub(super) fn count(name: *const u8, len: usize, by: u64);
        pub(super) fn gauge(name: *const u8, len: usize, value: f64);
    }
}

/// Calls an import that writes its result to where it is told.
#[expect(unsafe_code, reason = "imports are foreign functions")]
fn ask<T>(import: impl FnOnce(*mut T)) -> T {
    let mut result = MaybeUninit::zeroed();
    import(result.as_mut_ptr());
    // SAFETY: all results are of numbers and raw pointers, for which zero is a value; each import writes its own, of the
    // type that the contract gives it. What it reads lives in the caller during the call.
    unsafe { result.assume_init() }
}

fn refusal(value: u8) -> state::Refusal {
    match value {
        0 => state::Refusal::BadKey,
        1 => state::Refusal::ValueTooLong,
        2 => state::Refusal::Full,
        _ => state::Refusal::Unavailable,
    }
}

fn changed(done: Done) -> Result<bool, state::Refusal> {
    if done.tag == 0 { Ok(done.value == 1) } else { Err(refusal(done.value)) }
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn state_get(key: &str) -> Option<Vec<u8>> {
    // SAFETY: as `ask` says.
    let found = ask(|result| unsafe { imported::get(key.as_ptr(), key.len(), result) });
    found.get().map(|value| value.items().to_vec())
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn state_get_many(keys: &[&str]) -> Vec<Option<Vec<u8>>> {
    let keys: Vec<Span<'_>> = keys.iter().map(|key| Span::of(key.as_bytes())).collect();
    // SAFETY: as `ask` says.
    let found = ask(|result| unsafe { imported::get_many(keys.as_ptr(), keys.len(), result) });
    found.items().iter().map(|one| one.get().map(|value| value.items().to_vec())).collect()
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn state_set(key: &str, value: &[u8]) -> Result<(), state::Refusal> {
    // SAFETY: as `ask` says.
    let done = ask(|result| unsafe { imported::set(key.as_ptr(), key.len(), value.as_ptr(), value.len(), result) });
    changed(done).map(drop)
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn state_delete(key: &str) -> Result<(), state::Refusal> {
    // SAFETY: as `ask` says.
    changed(ask(|result| unsafe { imported::delete(key.as_ptr(), key.len(), result) })).map(drop)
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn state_compare_and_set(key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool, state::Refusal> {
    let ((has_expected, expected, expected_len), (has_value, value, len)) = (given(expected), given(value));
    let (key, key_len) = (key.as_ptr(), key.len());
    // SAFETY: as `ask` says.
    changed(ask(|result| unsafe {
        imported::compare_and_set(key, key_len, has_expected, expected, expected_len, has_value, value, len, result);
    }))
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn state_keys(prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let (has_after, after, after_len) = given(after.map(str::as_bytes));
    // SAFETY: as `ask` says.
    let keys = ask(|result| unsafe {
        imported::keys(prefix.as_ptr(), prefix.len(), has_after, after, after_len, limit, result);
    });
    keys.items().iter().map(|key| key.text().to_owned()).collect()
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn publish(topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), publish::Refusal> {
    let qos = match qos {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce => 1,
    };
    let (topic, topic_len) = (topic.as_ptr(), topic.len());
    // SAFETY: as `ask` says.
    let done = ask(|result| unsafe {
        imported::message(topic, topic_len, payload.as_ptr(), payload.len(), qos, retain.into(), result);
    });
    match (done.tag, done.value) {
        (0, _) => Ok(()),
        (_, 0) => Err(publish::Refusal::BadMessage),
        (_, 1) => Err(publish::Refusal::NotGranted),
        (_, 2) => Err(publish::Refusal::TooMany),
        (_, 3) => Err(publish::Refusal::TooLarge),
        (_, _) => Err(publish::Refusal::NotConnected),
    }
}

fn looked(looked: Looked) -> Result<Option<Span<'static>>, NoSuchTable> {
    if looked.tag == 0 { Ok(looked.found.get()) } else { Err(NoSuchTable) }
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn lookup_row(table: &str, key: &str) -> Result<Option<Vec<u8>>, NoSuchTable> {
    // SAFETY: as `ask` says.
    let found = ask(|result| unsafe { imported::row(table.as_ptr(), table.len(), key.as_ptr(), key.len(), result) });
    looked(found).map(|row| row.map(|row| row.items().to_vec()))
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn lookup_field(table: &str, key: &str, column: &str) -> Result<Option<String>, NoSuchTable> {
    let (table, table_len, key, key_len) = (table.as_ptr(), table.len(), key.as_ptr(), key.len());
    // SAFETY: as `ask` says.
    let found = ask(|result| unsafe {
        imported::field(table, table_len, key, key_len, column.as_ptr(), column.len(), result);
    });
    looked(found).map(|field| field.map(|field| field.text().to_owned()))
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn now_ms() -> u64 {
    // SAFETY: takes nothing, gives a number.
    unsafe { imported::now_ms() }
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn monotonic_us() -> u64 {
    // SAFETY: takes nothing, gives a number.
    unsafe { imported::monotonic_us() }
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn count(name: &str, by: u64) {
    // SAFETY: the host reads `name` during the call and keeps nothing.
    unsafe { imported::count(name.as_ptr(), name.len(), by) }
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn gauge(name: &str, value: f64) {
    // SAFETY: the host reads `name` during the call and keeps nothing.
    unsafe { imported::gauge(name.as_ptr(), name.len(), value) }
}
