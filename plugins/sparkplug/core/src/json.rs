//! JSON straight into a buffer.

/// Whether a byte cannot stand in a JSON string as it is.
#[inline]
fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A string with its quotes.
#[inline]
pub fn text(buf: &mut Vec<u8>, content: &str) {
    buf.push(b'"');
    escaped(buf, content.as_bytes());
    buf.push(b'"');
}

/// A string from bytes that should be UTF-8; what is not becomes U+FFFD.
#[inline]
pub fn lenient(buf: &mut Vec<u8>, content: &[u8]) {
    match std::str::from_utf8(content) {
        Ok(valid) => text(buf, valid),
        Err(_) => text(buf, &String::from_utf8_lossy(content)),
    }
}

/// The inside of a string, without quotes.
#[inline]
pub fn escaped(buf: &mut Vec<u8>, content: &[u8]) {
    let mut rest = content;
    while let Some(at) = rest.iter().position(|byte| is_escaped(*byte)) {
        let (plain, tail) = rest.split_at(at);
        buf.extend_from_slice(plain);
        let Some((byte, after)) = tail.split_first() else { return };
        escape(buf, *byte);
        rest = after;
    }
    buf.extend_from_slice(rest);
}

#[cold]
fn escape(buf: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => buf.extend_from_slice(b"\\\""),
        b'\\' => buf.extend_from_slice(b"\\\\"),
        b'\n' => buf.extend_from_slice(b"\\n"),
        b'\r' => buf.extend_from_slice(b"\\r"),
        b'\t' => buf.extend_from_slice(b"\\t"),
        _ => {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            buf.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[inline]
pub fn raw(buf: &mut Vec<u8>, content: &str) {
    buf.extend_from_slice(content.as_bytes());
}

#[inline]
pub fn unsigned(buf: &mut Vec<u8>, number: u64) {
    buf.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
pub fn signed(buf: &mut Vec<u8>, number: i64) {
    buf.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The shortest decimal that reads back as this single-precision number; it must be finite.
#[inline]
pub fn float(buf: &mut Vec<u8>, number: f32) {
    buf.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
}

/// The shortest decimal that reads back as this number; it must be finite.
#[inline]
pub fn double(buf: &mut Vec<u8>, number: f64) {
    buf.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
}

#[inline]
pub fn boolean(buf: &mut Vec<u8>, flag: bool) {
    raw(buf, if flag { "true" } else { "false" });
}

#[inline]
pub fn optional(buf: &mut Vec<u8>, number: Option<u64>) {
    match number {
        Some(number) => unsigned(buf, number),
        None => raw(buf, "null"),
    }
}

pub fn optional_text(buf: &mut Vec<u8>, content: Option<&str>) {
    match content {
        Some(content) => text(buf, content),
        None => raw(buf, "null"),
    }
}

/// Bytes as a base64 string (RFC 4648, padded).
pub fn base64(buf: &mut Vec<u8>, content: &[u8]) {
    buf.push(b'"');
    for chunk in content.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let digit = |shift: u32| BASE64.get((bits >> shift & 63) as usize).copied().unwrap_or(b'=');
        buf.extend_from_slice(&[digit(18), digit(12)]);
        buf.push(if chunk.len() > 1 { digit(6) } else { b'=' });
        buf.push(if chunk.len() > 2 { digit(0) } else { b'=' });
    }
    buf.push(b'"');
}

/// RFC 3339 in UTC with milliseconds, quoted; outside of the years 0000 to 9999 the milliseconds as a number.
pub fn rfc3339(buf: &mut Vec<u8>, ms: i64) {
    const FIRST: i64 = -62_167_219_200_000;
    const END: i64 = 253_402_300_800_000;
    if !(FIRST..END).contains(&ms) {
        return signed(buf, ms);
    }
    let (year, month, day) = civil(ms.div_euclid(86_400_000));
    let of_day = ms.rem_euclid(86_400_000);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let milli = of_day % 1000;
    raw(buf, &format!("\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\""));
}

/// Days since 1970 to year, month, day; years count from March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl Fn(&mut Vec<u8>), expected: &str) {
        let mut buf = Vec::new();
        write(&mut buf);
        assert_eq!(String::from_utf8(buf).unwrap(), expected);
    }

    #[test]
    fn strings_are_escaped() {
        check(|buf| text(buf, "a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\u0001é""#);
        check(|buf| lenient(buf, b"\xFFok"), "\"\u{FFFD}ok\"");
    }

    #[test]
    fn floats_are_the_shortest_decimals() {
        check(|buf| float(buf, 12.1), "12.1");
        check(|buf| double(buf, 12.1_f32.into()), "12.100000381469727");
    }

    #[test]
    fn bytes_are_base64() {
        for (content, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            check(|buf| base64(buf, content.as_bytes()), &format!("\"{expected}\""));
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        check(|buf| rfc3339(buf, 0), r#""1970-01-01T00:00:00.000Z""#);
        check(|buf| rfc3339(buf, 951_782_400_123), r#""2000-02-29T00:00:00.123Z""#);
        check(|buf| rfc3339(buf, -1), r#""1969-12-31T23:59:59.999Z""#);
        check(|buf| rfc3339(buf, i64::MAX), "9223372036854775807");
    }
}
