//! `state`: values by key of one plugin in one rule, shared by its instances in all lanes.
//!
//! A `Call` is a transaction: it sees its own changes at once, the others' when they are committed. The first change of a
//! key claims it for the call; whoever else wants to change it waits for the call's end. So two lanes that change one key
//! with `compare-and-set` never lose an update, and keys that belong to one lane cost no waiting.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::config::StateLimits;

/// Most keys that one listing gives.
pub(super) const LISTED_MAX: usize = 1_000;

/// Why a change was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BadKey,
    ValueTooLong,
    Full,
    /// Another call holds the key and did not end in time.
    HeldTooLong,
}

/// The values of one plugin in one rule.
pub(super) struct Space {
    inner: Mutex<Inner>,
    ended: Condvar,
}

struct Inner {
    limits: StateLimits,
    values: BTreeMap<Arc<str>, Held>,
    /// Of all keys and values.
    bytes: u64,
    /// What calls under way will add at most.
    promised: Size,
    claims: HashMap<Arc<str>, u64>,
    calls: u64,
}

struct Held {
    value: Bytes,
    /// Whose last change it was.
    lane: usize,
}

/// Keys and bytes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    keys: u64,
    bytes: u64,
}

/// A committed change, for whoever makes it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: Arc<str>,
    /// `None`: deleted.
    pub(super) value: Option<Bytes>,
}

impl Space {
    pub(super) fn new(limits: StateLimits) -> Arc<Self> {
        let inner = Inner {
            limits,
            values: BTreeMap::new(),
            bytes: 0,
            promised: Size::default(),
            claims: HashMap::new(),
            calls: 0,
        };
        Arc::new(Self { inner: Mutex::new(inner), ended: Condvar::new() })
    }

    /// From now on these limits hold; what exceeds them stays until it is deleted.
    pub(super) fn limit(&self, limits: StateLimits) {
        self.lock().limits = limits;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one call of a guest has changed so far. Dropping it undoes that.
pub(super) struct Call {
    space: Arc<Space>,
    lane: usize,
    no: u64,
    changes: BTreeMap<Arc<str>, Option<Bytes>>,
    promised: Size,
    has_waited: bool,
}

/// Which keys a listing gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    /// Those whose last change came from this lane.
    OwnLane,
}

impl Call {
    /// A call in `lane`; it holds nothing until it changes something.
    pub(super) fn new(space: Arc<Space>, lane: usize) -> Self {
        let no = {
            let mut inner = space.lock();
            inner.calls += 1;
            inner.calls
        };
        Self { space, lane, no, changes: BTreeMap::new(), promised: Size::default(), has_waited: false }
    }

    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        match self.changes.get(key) {
            Some(own) => own.clone(),
            None => self.space.lock().values.get(key).map(|held| held.value.clone()),
        }
    }

    /// Sets or deletes; waits up to `patience` for another call that has changed the key.
    pub(super) fn put(&mut self, key: &str, value: Option<Bytes>, patience: Duration) -> Result<(), Refusal> {
        self.check(key, value.as_ref())?;
        let key = self.claim(key, patience)?;
        self.change(key, value)
    }

    /// As `put` where the value is `expected`; whether it was.
    pub(super) fn compare_and_put(
        &mut self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<Bytes>,
        patience: Duration,
    ) -> Result<bool, Refusal> {
        self.check(key, value.as_ref())?;
        let key = self.claim(key, patience)?;
        let is_as_expected = self.get(&key).as_deref() == expected;
        if is_as_expected {
            self.change(key, value)?;
        } else if !self.changes.contains_key(&key) {
            self.space.lock().claims.remove(&key);
            self.space.ended.notify_all();
        }
        Ok(is_as_expected)
    }

    /// Keys in byte order, at most `limit`.
    pub(super) fn keys(&self, prefix: &str, after: Option<&str>, limit: usize, scope: Scope) -> Vec<String> {
        let limit = limit.min(LISTED_MAX);
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        let inner = self.space.lock();
        let is_in_scope = |held: &Held| scope == Scope::All || held.lane == self.lane;
        let mut committed = inner.values.range::<str, _>((start, Bound::Unbounded));
        let committed =
            std::iter::from_fn(|| committed.find(|(key, held)| !key.starts_with(prefix) || is_in_scope(held)))
                .map(|(key, _)| key)
                .take_while(|key| key.starts_with(prefix));
        let own = self.changes.range::<str, _>((start, Bound::Unbounded));
        let own = own.take_while(|(key, _)| key.starts_with(prefix));
        merged(committed, own, limit)
    }

    /// Whether there is anything to commit.
    pub(super) fn is_clean(&self) -> bool {
        self.changes.is_empty()
    }

    /// Makes the changes everybody's and begins anew.
    pub(super) fn commit(&mut self) -> Vec<Change> {
        if self.is_clean() {
            return Vec::new();
        }
        let changes = std::mem::take(&mut self.changes);
        let mut inner = self.space.lock();
        for (key, value) in &changes {
            inner.apply(key, value.clone(), self.lane);
        }
        inner.release(changes.keys(), &mut self.promised);
        drop(inner);
        self.space.ended.notify_all();
        changes.into_iter().map(|(key, value)| Change { key, value }).collect()
    }

    /// Forgets the changes and begins anew.
    pub(super) fn roll_back(&mut self) {
        if self.is_clean() {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        self.space.lock().release(changes.keys(), &mut self.promised);
        self.space.ended.notify_all();
    }

    /// Whether a change has waited for another call since this was asked last.
    pub(super) fn has_waited(&mut self) -> bool {
        std::mem::take(&mut self.has_waited)
    }

    fn check(&self, key: &str, value: Option<&Bytes>) -> Result<(), Refusal> {
        let limits = self.space.lock().limits;
        if key.is_empty() || key.len() as u64 > limits.key_bytes_max {
            return Err(Refusal::BadKey);
        }
        match value {
            Some(value) if value.len() as u64 > limits.value_bytes_max => Err(Refusal::ValueTooLong),
            Some(_) | None => Ok(()),
        }
    }

    fn claim(&mut self, key: &str, patience: Duration) -> Result<Arc<str>, Refusal> {
        if let Some((known, _)) = self.changes.get_key_value(key) {
            return Ok(known.clone());
        }
        let mut inner = self.space.lock();
        let deadline = Instant::now() + patience;
        while inner.claims.get(key).is_some_and(|holder| *holder != self.no) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refusal::HeldTooLong);
            }
            self.has_waited = true;
            inner = self.space.ended.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let key: Arc<str> = match inner.values.get_key_value(key) {
            Some((known, _)) => known.clone(),
            None => key.into(),
        };
        inner.claims.insert(key.clone(), self.no);
        Ok(key)
    }

    /// Changes a key that is claimed, if there is room for it.
    fn change(&mut self, key: Arc<str>, value: Option<Bytes>) -> Result<(), Refusal> {
        let mut inner = self.space.lock();
        let limits = inner.limits;
        let before = inner.growth(&key, self.changes.get(&key).unwrap_or(&None).as_ref());
        let after = inner.growth(&key, value.as_ref());
        let keys = inner.values.len() as u64 + inner.promised.keys - before.keys + after.keys;
        let bytes = inner.bytes + inner.promised.bytes - before.bytes + after.bytes;
        let grows = after.keys > before.keys || after.bytes > before.bytes;
        if grows && (keys > limits.keys_max || bytes > limits.bytes_max) {
            if !self.changes.contains_key(&key) {
                inner.claims.remove(&key);
            }
            return Err(Refusal::Full);
        }
        for promised in [&mut inner.promised, &mut self.promised] {
            promised.keys = promised.keys - before.keys + after.keys;
            promised.bytes = promised.bytes - before.bytes + after.bytes;
        }
        drop(inner);
        self.changes.insert(key, value);
        Ok(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.roll_back();
    }
}

impl Inner {
    /// What a key adds to the committed size if it becomes `value`; nothing where it shrinks.
    fn growth(&self, key: &str, value: Option<&Bytes>) -> Size {
        let Some(value) = value else { return Size::default() };
        let size = (key.len() + value.len()) as u64;
        match self.values.get(key) {
            Some(held) => Size { keys: 0, bytes: size.saturating_sub((key.len() + held.value.len()) as u64) },
            None => Size { keys: 1, bytes: size },
        }
    }

    fn apply(&mut self, key: &Arc<str>, value: Option<Bytes>, lane: usize) {
        let before = match value {
            Some(value) => {
                self.bytes += (key.len() + value.len()) as u64;
                self.values.insert(key.clone(), Held { value, lane })
            }
            None => self.values.remove(key),
        };
        self.bytes -= before.map_or(0, |held| (key.len() + held.value.len()) as u64);
    }

    fn release<'k>(&mut self, keys: impl Iterator<Item = &'k Arc<str>>, promised: &mut Size) {
        for key in keys {
            self.claims.remove(key);
        }
        self.promised.keys -= promised.keys;
        self.promised.bytes -= promised.bytes;
        *promised = Size::default();
    }
}

/// Both in order: what is committed, and what the call has changed, which wins.
fn merged<'k>(
    committed: impl Iterator<Item = &'k Arc<str>>,
    own: impl Iterator<Item = (&'k Arc<str>, &'k Option<Bytes>)>,
    limit: usize,
) -> Vec<String> {
    let (mut committed, mut own) = (committed.peekable(), own.peekable());
    let mut keys = Vec::new();
    while keys.len() < limit {
        let next = match (committed.peek(), own.peek()) {
            (None, None) => break,
            (Some(held), Some((changed, _))) if held < changed => committed.next().map(|key| (key, true)),
            (Some(_), None) => committed.next().map(|key| (key, true)),
            (held, Some((changed, _))) => {
                let is_same = held == Some(changed);
                if is_same {
                    committed.next();
                }
                own.next().map(|(key, value)| (key, value.is_some()))
            }
        };
        keys.extend(next.filter(|(_, is_there)| *is_there).map(|(key, _)| key.to_string()));
    }
    keys
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: StateLimits = StateLimits { keys_max: 4, key_bytes_max: 3, value_bytes_max: 4, bytes_max: 12 };
    const NOW: Duration = Duration::ZERO;

    fn bytes(text: &str) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn set(call: &mut Call, key: &str, value: &str) -> Result<(), Refusal> {
        call.put(key, bytes(value), NOW)
    }

    #[test]
    fn changes_are_the_calls_own_until_committed() {
        let space = Space::new(LIMITS);
        let (mut one, other) = (Call::new(space.clone(), 0), Call::new(space, 1));
        set(&mut one, "a", "1").unwrap();
        assert_eq!((one.get("a"), other.get("a")), (bytes("1"), None));
        assert_eq!(one.commit(), [Change { key: "a".into(), value: bytes("1") }]);
        assert_eq!(other.get("a"), bytes("1"));
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let space = Space::new(LIMITS);
        let mut gone = Call::new(space.clone(), 0);
        set(&mut gone, "a", "1").unwrap();
        drop(gone);
        let mut next = Call::new(space.clone(), 0);
        assert_eq!(next.get("a"), None);
        set(&mut next, "a", "2").unwrap();
        assert_eq!(space.lock().promised, Size { keys: 1, bytes: 2 });
    }

    #[test]
    fn a_changed_key_waits_for_its_call() {
        let space = Space::new(LIMITS);
        let (mut one, mut other) = (Call::new(space.clone(), 0), Call::new(space, 1));
        set(&mut one, "a", "1").unwrap();
        assert_eq!(set(&mut other, "a", "2"), Err(Refusal::HeldTooLong));
        assert_eq!(other.compare_and_put("a", None, bytes("2"), NOW), Err(Refusal::HeldTooLong));
        one.commit();
        assert_eq!(other.compare_and_put("a", None, bytes("2"), NOW), Ok(false));
        assert_eq!(set(&mut one, "a", "3"), Ok(()), "a comparison that failed holds nothing");
        one.roll_back();
        assert_eq!(other.compare_and_put("a", Some(b"1"), bytes("2"), NOW), Ok(true));
    }

    #[test]
    fn limits_hold() {
        let space = Space::new(LIMITS);
        let mut call = Call::new(space.clone(), 0);
        assert_eq!(set(&mut call, "", "1"), Err(Refusal::BadKey));
        assert_eq!(set(&mut call, "abcd", "1"), Err(Refusal::BadKey));
        assert_eq!(set(&mut call, "a", "12345"), Err(Refusal::ValueTooLong));
        set(&mut call, "a", "1234").unwrap();
        set(&mut call, "b", "1234").unwrap();
        assert_eq!(set(&mut call, "c", "12"), Err(Refusal::Full));
        set(&mut call, "c", "1").unwrap();
        assert_eq!(set(&mut Call::new(space, 1), "d", ""), Err(Refusal::Full));
        call.put("a", None, NOW).unwrap();
        for key in ["d", "e"] {
            set(&mut call, key, "").unwrap();
        }
        assert_eq!(set(&mut call, "f", ""), Err(Refusal::Full));
    }

    #[test]
    fn a_lane_lists_what_it_changed_last() {
        let space = Space::new(LIMITS);
        let (mut one, mut other) = (Call::new(space.clone(), 0), Call::new(space, 1));
        set(&mut one, "a", "1").unwrap();
        set(&mut one, "b", "1").unwrap();
        one.commit();
        set(&mut other, "b", "2").unwrap();
        other.commit();
        assert_eq!(one.keys("", None, 9, Scope::OwnLane), ["a"]);
        assert_eq!(other.keys("", None, 9, Scope::OwnLane), ["b"]);
        assert_eq!(one.keys("", None, 9, Scope::All), ["a", "b"]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(String, Option<String>),
        Keys(String, Option<String>, usize),
        Commit,
        RollBack,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || "[ab]{1,2}";
        prop_oneof![
            4 => (key(), proptest::option::of("[xy]{0,3}")).prop_map(|(key, value)| Step::Put(key, value)),
            2 => ("[ab]{0,1}", proptest::option::of(key()), 0_usize..4).prop_map(|(p, a, l)| Step::Keys(p, a, l)),
            1 => Just(Step::Commit),
            1 => Just(Step::RollBack),
        ]
    }

    proptest! {
        /// Against a plain map: what a call sees, what stays, and that the books of keys and bytes are right.
        #[test]
        fn a_space_is_a_map_with_transactions(steps in proptest::collection::vec(step(), 0..60)) {
            let space = Space::new(StateLimits { keys_max: 5, bytes_max: 14, ..LIMITS });
            let mut call = Call::new(space.clone(), 0);
            let mut committed = BTreeMap::<String, String>::new();
            let mut seen = committed.clone();
            for step in steps {
                match step {
                    Step::Put(key, value) => {
                        if call.put(&key, value.as_deref().and_then(bytes), NOW).is_ok() {
                            match value {
                                Some(value) => drop(seen.insert(key, value)),
                                None => drop(seen.remove(&key)),
                            }
                        }
                    }
                    Step::Keys(prefix, after, limit) => {
                        let is_listed = |key: &&String| {
                            key.starts_with(&prefix) && after.as_ref().is_none_or(|after| **key > *after)
                        };
                        let expected: Vec<_> = seen.keys().filter(is_listed).take(limit).cloned().collect();
                        prop_assert_eq!(call.keys(&prefix, after.as_deref(), limit, Scope::All), expected);
                    }
                    Step::Commit => {
                        call.commit();
                        committed.clone_from(&seen);
                    }
                    Step::RollBack => {
                        call.roll_back();
                        seen.clone_from(&committed);
                    }
                }
                for (key, value) in &seen {
                    prop_assert_eq!(call.get(key), bytes(value));
                }
            }
            call.roll_back();
            let inner = space.lock();
            let size: usize = committed.iter().map(|(key, value)| key.len() + value.len()).sum();
            prop_assert_eq!(inner.bytes, size as u64);
            prop_assert_eq!(inner.promised, Size::default());
            prop_assert!(inner.claims.is_empty() && inner.values.len() <= 5 && inner.bytes <= 14);
        }
    }
}
