//! Numbered payloads: JSON whose every byte follows from publisher and sequence, so that a reader can make each one
//! anew and compare.

use std::fmt::Write;

/// Which message of which publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    pub publisher: u32,
    pub sequence: u32,
}

impl MessageId {
    /// The payload of this message, `size` bytes long or as short as its fields allow.
    ///
    /// # Panics
    /// Never: a `String` takes what is written to it.
    #[must_use]
    pub fn payload(self, size: usize) -> Vec<u8> {
        let mut text = String::with_capacity(size.max(64));
        let mut random = Random::new(u64::from(self.publisher) << 32 | u64::from(self.sequence));
        let value = random.below(10_000);
        write!(text, "{{\"id\":\"{self}\",\"value\":{value},\"filler\":\"").expect("a String takes it");
        while text.len() + 2 < size {
            text.push(char::from(b'a' + u8::try_from(random.below(26)).expect("below 26")));
        }
        text.push_str("\"}");
        text.into_bytes()
    }

    /// The payload behind a word and a blank: a command for a plugin.
    #[must_use]
    pub fn commanded(self, word: &str, size: usize) -> Vec<u8> {
        let mut bytes = format!("{word} ").into_bytes();
        bytes.extend(self.payload(size));
        bytes
    }

    /// Finds the number in a payload, also in one that a plugin has changed elsewhere.
    #[must_use]
    pub fn find(payload: &[u8]) -> Option<Self> {
        let mark = b"\"id\":\"";
        let at = payload.windows(mark.len()).position(|window| window == mark)? + mark.len();
        Self::parse(std::str::from_utf8(payload.get(at..at + 13)?).ok()?)
    }

    /// The number that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (publisher, sequence) = text.split_once('-')?;
        Some(Self { publisher: publisher.parse().ok()?, sequence: sequence.parse().ok()? })
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:08}", self.publisher, self.sequence)
    }
}

/// A small generator (splitmix64): equal seeds, equal runs.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}

/// The seed of this run: `TIDEGATE_SEED` or the clock; printed, so that a failure can be repeated.
///
/// # Panics
/// Where `TIDEGATE_SEED` is no number.
#[must_use]
pub fn seed() -> u64 {
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let seed = match std::env::var("TIDEGATE_SEED") {
        Ok(text) => text.parse().expect("TIDEGATE_SEED is a number"),
        Err(_) => clock(),
    };
    println!("TIDEGATE_SEED={seed}");
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_carries_its_number_and_size() {
        let id = MessageId { publisher: 99, sequence: 12_345_678 };
        let payload = id.payload(200);
        assert_eq!(payload.len(), 200);
        assert_eq!(MessageId::find(&payload), Some(id));
        assert!(serde_json::from_slice::<serde_json::Value>(&payload).is_ok());
    }

    #[test]
    fn payloads_differ_by_sequence() {
        let of = |sequence| MessageId { publisher: 1, sequence }.payload(100);
        assert_ne!(of(1)[30..], of(2)[30..]);
        assert_eq!(of(1), of(1));
    }

    #[test]
    fn a_foreign_payload_has_no_number() {
        assert_eq!(MessageId::find(b"{\"id\":\"x\"}"), None);
        assert_eq!(MessageId::find(b""), None);
    }
}
