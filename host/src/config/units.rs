//! Durations and sizes as text: a whole number and its unit.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Why a text is no duration or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("it has no unit")]
    NoUnit,
    #[error("it does not begin with a whole number")]
    NoNumber,
    #[error("its unit is not known")]
    UnknownUnit,
    #[error("it is too large")]
    TooLarge,
}

/// `30s`, `7d`: a whole number with `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    parse(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// `64MiB`, `10kB`: a whole number of bytes with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`.
pub(super) fn parse_size(text: &str) -> Result<u64, UnitError> {
    parse(text, &SIZE_UNITS)
}

/// A duration as `parse_duration` reads it, in the largest unit that is exact.
pub(super) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

/// A size as `parse_size` reads it.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::NoNumber);
    }
    if unit.is_empty() {
        return Err(UnitError::NoUnit);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(UnitError::UnknownUnit)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(UnitError::TooLarge)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value != 0 && value.is_multiple_of(*factor);
    let (unit, factor) = units.iter().filter(fits).max_by_key(|(_, factor)| *factor).unwrap_or(&units[0]);
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let check = |text, millis| assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        check("0s", 0);
        check("5ms", 5);
        check("30s", 30_000);
        check("2m", 120_000);
        check("1h", 3_600_000);
        check("7d", 604_800_000);
    }

    #[test]
    fn sizes_have_a_unit() {
        let check = |text, bytes| assert_eq!(parse_size(text), Ok(bytes), "{text}");
        check("12B", 12);
        check("3kB", 3_000);
        check("3KiB", 3_072);
        check("64MiB", 64 << 20);
        check("1GB", 1_000_000_000);
        check("2GiB", 2 << 30);
    }

    #[test]
    fn broken_ones_say_why() {
        let check = |text, why| assert_eq!(parse_duration(text), Err(why), "{text}");
        check("30", UnitError::NoUnit);
        check("", UnitError::NoNumber);
        check("-5s", UnitError::NoNumber);
        check("s", UnitError::NoNumber);
        check("30 s", UnitError::UnknownUnit);
        check("1.5s", UnitError::UnknownUnit);
        check("30sec", UnitError::UnknownUnit);
        check("99999999999999999999s", UnitError::TooLarge);
        check("99999999999999999d", UnitError::TooLarge);
        assert_eq!(parse_size("5KB"), Err(UnitError::UnknownUnit));
    }

    #[test]
    fn shown_values_are_read_back() {
        for text in ["0ms", "5ms", "30s", "90s", "2m", "36h", "7d"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["0B", "1B", "64MiB", "1kB", "3GB", "256MiB"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }
}
