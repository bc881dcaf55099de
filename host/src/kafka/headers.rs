//! A record's headers in librdkafka's own form.

#![expect(unsafe_code, reason = "docs/decisions/0004: librdkafka by FFI, in kafka/ only")]

use std::ffi::c_char;
use std::ptr;

use rdkafka::bindings as sys;

/// Headers that most records have room for without growing the list.
const HEADERS_EXPECTED: usize = 4;

/// A header list that is about to go to librdkafka with a record.
pub(super) struct HeaderList(*mut sys::rd_kafka_headers_t);

impl HeaderList {
    pub(super) fn new() -> Self {
        // SAFETY: no precondition; librdkafka aborts the process where there is no memory.
        Self(unsafe { sys::rd_kafka_headers_new(HEADERS_EXPECTED) })
    }

    /// `value` `None` is a header without value, which Kafka tells from an empty one.
    pub(super) fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        let (bytes, len) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
        // SAFETY: the list is live; name and value are copied with the lengths given. A `Bytes` or slice is never
        // longer than `isize::MAX`.
        unsafe {
            let name_bytes = name.as_ptr().cast::<c_char>();
            sys::rd_kafka_header_add(self.0, name_bytes, name.len().cast_signed(), bytes.cast(), len.cast_signed());
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_headers_t {
        self.0
    }

    /// The list belongs to librdkafka now.
    pub(super) fn given_away(self) {
        std::mem::forget(self);
    }
}

impl Drop for HeaderList {
    fn drop(&mut self) {
        // SAFETY: the list is ours until `given_away`.
        unsafe { sys::rd_kafka_headers_destroy(self.0) };
    }
}
