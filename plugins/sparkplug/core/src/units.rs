//! Durations and sizes as users write them: `5s`, `16MiB`.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A duration in milliseconds, written with `ms`, `s`, `m`, `h` or `d`; a bare 0 needs no unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// A size in bytes, written with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

const DURATIONS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

struct Units {
    units: &'static [(&'static str, u64)],
    wanted: &'static str,
}

impl Units {
    fn parse(&self, text: &str) -> Option<u64> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        if number == 0 && unit.is_empty() {
            return Some(0);
        }
        let (_, factor) = self.units.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*factor)
    }
}

impl Visitor<'_> for Units {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        self.parse(text).ok_or_else(|| E::custom(format!("`{text}` is not {}", self.wanted)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if number == 0 { Ok(0) } else { Err(E::custom(format!("`{number}` has no unit: {} is wanted", self.wanted))) }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        self.visit_u64(number.unsigned_abs())
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let units = Units { units: DURATIONS, wanted: "a duration such as \"500ms\" or \"5s\"" };
        deserializer.deserialize_any(units).map(Self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes::deserialize(deserializer).map(Self)
    }
}

/// For fields that are a plain `usize` inside.
pub mod bytes {
    use serde::Deserializer;
    use serde::de::Error;

    use super::{SIZES, Units};

    /// # Errors
    /// Not a size.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        let units = Units { units: SIZES, wanted: "a size such as \"64KiB\" or \"16MiB\"" };
        let size = deserializer.deserialize_any(units)?;
        usize::try_from(size).map_err(|_| D::Error::custom("the size is too large"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Emit, KeyBy, Options, Role};

    fn options(json: &str) -> Result<Options, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn units_are_needed_except_for_zero() {
        assert_eq!(options(r#"{"reorder_timeout":"5s"}"#).unwrap().reorder_timeout, Millis(5000));
        assert_eq!(options(r#"{"reorder_timeout":0}"#).unwrap().reorder_timeout, Millis(0));
        assert!(options(r#"{"reorder_timeout":5}"#).unwrap_err().contains("no unit"));
        assert_eq!(options(r#"{"limits":{"payload_bytes":"2MiB"}}"#).unwrap().limits.payload_bytes, 2 << 20);
        assert!(options(r#"{"limits":{"payload_bytes":"2 apples"}}"#).is_err());
    }

    #[test]
    fn empty_options_are_the_defaults() {
        assert_eq!(options("{}").unwrap(), Options::default());
        assert_eq!(Options::default().check(), Ok(()));
    }

    #[test]
    fn emit_is_a_name_or_a_table() {
        let read = options(r#"{"emit":["metric",{"envelope":"lifecycle","topic":"t","key":"{group}"}]}"#).unwrap();
        let entry = read.emit[1].entry();
        assert_eq!((entry.topic.as_deref(), entry.key), (Some("t"), KeyBy::Template("{group}".into())));
        assert!(matches!(read.emit[0], Emit::Plain(_)));
    }

    #[test]
    fn contradictions_are_told_together() {
        let wrong = Options { role: Role::Primary, emit: Vec::new(), ..Options::default() };
        assert_eq!(wrong.check().unwrap_err().len(), 2);
        assert!(options(r#"{"rol":"active"}"#).unwrap_err().contains("rol"));
    }
}
