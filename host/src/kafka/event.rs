//! What librdkafka tells: delivery reports in batches, errors, log lines.

#![expect(unsafe_code, reason = "docs/decisions/0004: librdkafka by FFI, in kafka/ only")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use rdkafka::bindings as sys;

/// Reports that are looked at under one lock.
const REPORTS_AT_ONCE: usize = 256;

/// One event of a producer.
pub(super) enum Event {
    Reports(Reports),
    Error {
        code: i32,
        text: String,
    },
    Log {
        /// As syslog counts: 0 is the most urgent, 7 is for debugging.
        level: i32,
        text: String,
    },
    Other,
}

impl Event {
    /// # Safety
    /// `event` must be null or an event that the caller owns and gives away.
    pub(super) unsafe fn take(event: *mut sys::rd_kafka_event_t) -> Option<Self> {
        let owned = Owned(NonNull::new(event)?);
        // SAFETY: `owned` is live; strings of an event live as long as the event and are copied here.
        Some(unsafe {
            match sys::rd_kafka_event_type(event) {
                sys::RD_KAFKA_EVENT_DR => Self::Reports(Reports(owned)),
                sys::RD_KAFKA_EVENT_ERROR => Self::Error {
                    code: sys::rd_kafka_event_error(event) as i32,
                    text: text(sys::rd_kafka_event_error_string(event)),
                },
                sys::RD_KAFKA_EVENT_LOG => Self::log(event),
                _ => Self::Other,
            }
        })
    }

    /// # Safety
    /// `event` must be a live log event.
    unsafe fn log(event: *mut sys::rd_kafka_event_t) -> Self {
        let (mut facility, mut line): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
        let mut level: c_int = 0;
        // SAFETY: promised by the caller; the three are written on success (0) and copied while the event lives.
        unsafe {
            match sys::rd_kafka_event_log(event, &raw mut facility, &raw mut line, &raw mut level) {
                0 => Self::Log { level, text: text(line) },
                _ => Self::Other,
            }
        }
    }
}

/// # Safety
/// `from` must be null or a NUL-terminated string that is live for the call.
unsafe fn text(from: *const c_char) -> String {
    match from.is_null() {
        true => String::new(),
        // SAFETY: promised by the caller.
        false => unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned(),
    }
}

struct Owned(NonNull<sys::rd_kafka_event_t>);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the event is ours.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// The delivery reports of one request: all of one topic.
pub(super) struct Reports(Owned);

impl Reports {
    /// Calls `take` with a few hundred reports at a time, in order.
    pub(super) fn each_batch(self, mut take: impl FnMut(&[Report<'_>])) {
        let mut messages = [ptr::null::<sys::rd_kafka_message_t>(); REPORTS_AT_ONCE];
        loop {
            // SAFETY: the event is live, the array has room for the count given; the call goes on where it stopped.
            let count =
                unsafe { sys::rd_kafka_event_message_array(self.0.0.as_ptr(), messages.as_mut_ptr(), REPORTS_AT_ONCE) };
            if count == 0 {
                return;
            }
            // SAFETY: `Report` is a transparent wrapper of the pointer; the first `count` are valid while the event
            // lives, which is longer than this borrow.
            take(unsafe { slice::from_raw_parts(messages.as_ptr().cast(), count) });
        }
    }
}

/// The delivery report of one record, with the record.
#[repr(transparent)]
pub(super) struct Report<'a>(*const sys::rd_kafka_message_t, PhantomData<&'a Reports>);

impl Report<'_> {
    /// The number that `produce` was given.
    pub(super) fn ticket(&self) -> usize {
        // SAFETY: the message is valid while the event lives (`'a`).
        unsafe { (*self.0)._private.addr() }
    }

    /// 0 where Kafka has taken the record. Read as a number, since a broker may send codes that the bindings lack.
    pub(super) fn code(&self) -> i32 {
        // SAFETY: as above; the field is a C `int`.
        unsafe { (&raw const (*self.0).err).cast::<i32>().read() }
    }

    /// The id that the topic's handle was made with.
    pub(super) fn topic_id(&self) -> u32 {
        // SAFETY: as above; a message holds its topic.
        let id = unsafe { sys::rd_kafka_topic_opaque((*self.0).rkt) };
        u32::try_from(id.addr()).expect("handles are made with an u32")
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        // SAFETY: as above; `key` is null or valid for `key_len` bytes.
        unsafe { bytes((*self.0).key, (*self.0).key_len) }
    }

    pub(super) fn payload(&self) -> Option<&[u8]> {
        // SAFETY: as above; `payload` is null or valid for `len` bytes.
        unsafe { bytes((*self.0).payload, (*self.0).len) }
    }

    /// Calls `take` for each header, in order.
    pub(super) fn each_header(&self, mut take: impl FnMut(&[u8], Option<&[u8]>)) {
        let mut headers = ptr::null_mut();
        // SAFETY: as above; the list belongs to the message.
        let code = unsafe { sys::rd_kafka_message_headers(self.0, &raw mut headers) };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for at in 0.. {
            let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the list is valid; past its end the call fails.
            let code =
                unsafe { sys::rd_kafka_header_get_all(headers, at, &raw mut name, &raw mut value, &raw mut len) };
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: on success `name` is NUL-terminated and `value` null or valid for `len` bytes.
            unsafe { take(CStr::from_ptr(name).to_bytes(), bytes(value, len)) };
        }
    }
}

/// # Safety
/// `start` must be null or valid for `len` bytes for the lifetime that the caller gives the result.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: promised by the caller.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), len) })
}
