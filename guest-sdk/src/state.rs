//! Values by key that Tidegate keeps for this plugin in this rule: shared by all lanes, surviving traps and reloads.
//! The rule must grant it: `grants = ["state"]`.
//!
//! The changes of one call take effect together with its answer; of a call that panics nothing remains. The call sees its
//! own changes at once.
//!
//! ```
//! use tidegate_guest_sdk::{Message, Outcome, Transform, state};
//!
//! /// Forwards a value only where it has changed.
//! struct OnChange;
//! impl Transform for OnChange {
//!     fn new(_config: &str) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!     fn process(&mut self, message: Message<'_>) -> Outcome {
//!         if state::get(message.topic()).as_deref() == Some(message.payload()) {
//!             return Outcome::Drop;
//!         }
//!         state::set(message.topic(), message.payload()).map(|()| Outcome::Pass).into()
//!     }
//! }
//! # use tidegate_guest_sdk::testing::{Harness, Input};
//! # let mut plugin = Harness::<OnChange>::new("").unwrap();
//! # let outcomes = ["1", "1", "2"].map(|payload| plugin.process(&Input::new("t", payload)));
//! # assert_eq!(outcomes, [Outcome::Pass, Outcome::Drop, Outcome::Pass]);
//! ```

use std::fmt;

use crate::raw::host;

/// Why a change was not taken. The limits are the plugin's `limits` in Tidegate's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key is empty or longer than `state_key`.
    BadKey,
    /// The value is longer than `state_value`.
    ValueTooLong,
    /// `state_keys` or `state` is reached.
    Full,
    /// The store cannot take changes now.
    Unavailable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadKey => "the key is empty or too long",
            Self::ValueTooLong => "the value is too long",
            Self::Full => "the plugin's state is full",
            Self::Unavailable => "the plugin's state cannot be changed now",
        })
    }
}

impl std::error::Error for Refusal {}

/// The value of `key`, if it is there.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::state_get(key)
}

/// One answer per key, in order; cheaper than as many calls of [`get`].
#[must_use]
pub fn get_many(keys: &[&str]) -> Vec<Option<Vec<u8>>> {
    host::state_get_many(keys)
}

/// # Errors
/// Why the change was not taken.
pub fn set(key: &str, value: &[u8]) -> Result<(), Refusal> {
    host::state_set(key, value)
}

/// Of a key that is not there: nothing.
///
/// # Errors
/// Why the change was not taken.
pub fn delete(key: &str) -> Result<(), Refusal> {
    host::state_delete(key)
}

/// If the value of `key` is `expected` (`None`: it is not there), makes it `value` (`None`: deletes it) and answers true.
/// For keys that messages of several order keys change: those may be in several lanes.
///
/// # Errors
/// Why the change was not taken.
pub fn compare_and_set(key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool, Refusal> {
    host::state_compare_and_set(key, expected, value)
}

/// All keys that begin with `prefix`, in byte order, fetched a thousand at a time. In `tick` and `changed`, which each
/// lane calls, only those whose last change came from this lane.
pub fn keys(prefix: &str) -> impl Iterator<Item = String> {
    let mut page: std::vec::IntoIter<String> = Vec::new().into_iter();
    let mut last: Option<String> = None;
    let mut is_over = false;
    std::iter::from_fn(move || {
        if page.len() == 0 && !is_over {
            page = host::state_keys(prefix, last.as_deref(), PAGE).into_iter();
            is_over = page.len() < PAGE as usize;
        }
        let next = page.next()?;
        if page.len() == 0 {
            last = Some(next.clone());
        }
        Some(next)
    })
}

/// Keys in one call of Tidegate.
const PAGE: u32 = 1_000;
