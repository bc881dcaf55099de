//! The stand-in for Tidegate in native tests: properties as the test set them, log lines kept for the test to read.

use std::cell::RefCell;

use crate::log::Level;
use crate::testing::Properties;

thread_local! {
    static BATCH: RefCell<Vec<Properties>> = const { RefCell::new(Vec::new()) };
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// The properties of the batch in hand.
pub(crate) fn set_batch(batch: Vec<Properties>) {
    BATCH.set(batch);
}

/// The lines since the last call.
pub(crate) fn take_lines() -> Vec<(Level, String)> {
    LINES.take()
}

fn of<T: Default>(index: u32, get: impl Fn(&Properties) -> T) -> T {
    BATCH.with_borrow(|batch| batch.get(index as usize).map(get).unwrap_or_default())
}

pub(crate) fn log(level: Level, message: &str) {
    LINES.with_borrow_mut(|lines| lines.push((level, message.into())));
}

pub(crate) fn content_type(index: u32) -> Option<String> {
    of(index, |properties| properties.content_type.clone())
}

pub(crate) fn response_topic(index: u32) -> Option<String> {
    of(index, |properties| properties.response_topic.clone())
}

pub(crate) fn correlation_data(index: u32) -> Option<Vec<u8>> {
    of(index, |properties| properties.correlation_data.clone())
}

pub(crate) fn user_properties(index: u32) -> Vec<(String, String)> {
    of(index, |properties| properties.user.clone())
}

pub(crate) fn message_expiry(index: u32) -> Option<u32> {
    of(index, |properties| properties.message_expiry_s)
}
