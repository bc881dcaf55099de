//! What Tidegate lends a plugin, called for real.

use std::mem::MaybeUninit;

use super::layout::{Pair, Perhaps, Span, Tagged};
pub use super::services::{
    count, gauge, lookup_field, lookup_row, monotonic_us, now_ms, publish, state_compare_and_set, state_delete,
    state_get, state_get_many, state_keys, state_set,
};
use crate::log::Level;

#[expect(unsafe_code, reason = "imports are foreign functions")]
mod imported {
    use super::{Pair, Perhaps, Span, Tagged};

    #[link(wasm_import_module = "tidegate:plugin/log@0.1.0")]
    unsafe extern "C" {
        pub(super) fn write(level: u32, text: *const u8, len: usize);
    }

    #[link(wasm_import_module = "tidegate:plugin/properties@0.1.0")]
    unsafe extern "C" {
        #[link_name = "content-type"]
        pub(super) fn content_type(index: u32, result: *mut Tagged<'_>);
        #[link_name = "response-topic"]
        pub(super) fn response_topic(index: u32, result: *mut Tagged<'_>);
        #[link_name = "correlation-data"]
        pub(super) fn correlation_data(index: u32, result: *mut Tagged<'_>);
        #[link_name = "user-properties"]
        pub(super) fn user_properties(index: u32, result: *mut Span<'_, Pair<'_>>);
        #[link_name = "message-expiry"]
        pub(super) fn message_expiry(index: u32, result: *mut Perhaps<u32>);
    }
}

/// Calls an import that writes its result to where it is told.
#[expect(unsafe_code, reason = "imports are foreign functions")]
fn ask<T>(import: unsafe extern "C" fn(u32, *mut T), index: u32) -> T {
    let mut result = MaybeUninit::uninit();
    // SAFETY: each import above initialises its result, of the type that the contract gives it, and reads nothing.
    unsafe {
        import(index, result.as_mut_ptr());
        result.assume_init()
    }
}

#[expect(unsafe_code, reason = "imports are foreign functions")]
pub fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => 0,
        Level::Debug => 1,
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
    };
    // SAFETY: the host reads `message` during the call and keeps nothing.
    unsafe { imported::write(level, message.as_ptr(), message.len()) }
}

pub fn content_type(index: u32) -> Option<String> {
    ask(imported::content_type, index).get().map(|text| text.text().into())
}

pub fn response_topic(index: u32) -> Option<String> {
    ask(imported::response_topic, index).get().map(|text| text.text().into())
}

pub fn correlation_data(index: u32) -> Option<Vec<u8>> {
    ask(imported::correlation_data, index).get().map(|data| data.items().into())
}

pub fn user_properties(index: u32) -> Vec<(String, String)> {
    let pairs = ask(imported::user_properties, index);
    pairs.items().iter().map(|pair| (pair.name.text().into(), pair.value.text().into())).collect()
}

pub fn message_expiry(index: u32) -> Option<u32> {
    let perhaps = ask(imported::message_expiry, index);
    (perhaps.tag == 1).then_some(perhaps.value)
}
