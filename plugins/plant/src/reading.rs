//! The 30 bytes of a reading, and its JSON.

use std::fmt;

const LENGTH: usize = 30;
const START: [u8; 2] = *b"TG";
const VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Idle,
    Running,
    Fault,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    pub state: State,
    pub sequence: u32,
    pub measured_ms: u64,
    /// Hundredths of a degree Celsius.
    pub temperature: i16,
    pub pressure_mbar: u16,
    /// Tenths of a revolution per minute.
    pub speed: u32,
    pub energy_wh: u32,
}

impl Reading {
    /// # Errors
    /// What is wrong with the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, String> {
        let Ok(bytes) = <&[u8; LENGTH]>::try_from(payload) else {
            return Err(format!("the payload has {} bytes, a reading has {LENGTH}", payload.len()));
        };
        if field(bytes, 0) != START {
            return Err("the payload does not start with \"TG\"".into());
        }
        if bytes[2] != VERSION {
            return Err(format!("unknown version {} of the format", bytes[2]));
        }
        if crc(&bytes[..LENGTH - 2]) != u16::from_le_bytes(field(bytes, 28)) {
            return Err("checksum mismatch".into());
        }
        Self::from_sound(bytes)
    }

    fn from_sound(bytes: &[u8; LENGTH]) -> Result<Self, String> {
        let state = match bytes[3] {
            0 => State::Idle,
            1 => State::Running,
            2 => State::Fault,
            other => return Err(format!("unknown state {other}")),
        };
        Ok(Self {
            state,
            sequence: u32::from_le_bytes(field(bytes, 4)),
            measured_ms: u64::from_le_bytes(field(bytes, 8)),
            temperature: i16::from_le_bytes(field(bytes, 16)),
            pressure_mbar: u16::from_le_bytes(field(bytes, 18)),
            speed: u32::from_le_bytes(field(bytes, 20)),
            energy_wh: u32::from_le_bytes(field(bytes, 24)),
        })
    }

    pub fn to_json(&self, machine: &str) -> String {
        let state = match self.state {
            State::Idle => "idle",
            State::Running => "running",
            State::Fault => "fault",
        };
        format!(
            "{{\"machine\":{},\"state\":\"{state}\",\"sequence\":{},\"measured_ms\":{},\"temperature_c\":{},\
             \"pressure_bar\":{},\"speed_rpm\":{},\"energy_wh\":{}}}",
            Quoted(machine),
            self.sequence,
            self.measured_ms,
            Decimal { value: i64::from(self.temperature), places: 2 },
            Decimal { value: i64::from(self.pressure_mbar), places: 3 },
            Decimal { value: i64::from(self.speed), places: 1 },
            self.energy_wh,
        )
    }
}

fn field<const N: usize>(bytes: &[u8; LENGTH], at: usize) -> [u8; N] {
    std::array::from_fn(|offset| bytes[at + offset])
}

/// CRC-16 with polynomial 0x1021 and start 0xFFFF.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

/// `value` divided by ten to the power of `places`, exactly.
struct Decimal {
    value: i64,
    places: u32,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, size) = (10_u64.pow(self.places), self.value.unsigned_abs());
        let sign = if self.value < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:0width$}", size / one, size % one, width = self.places as usize)
    }
}

/// A JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A sound reading with this state byte.
#[cfg(test)]
pub fn sample(state: u8) -> Vec<u8> {
    let mut payload = vec![b'T', b'G', VERSION, state];
    payload.extend(41_u32.to_le_bytes());
    payload.extend(1_700_000_000_000_u64.to_le_bytes());
    payload.extend(7125_i16.to_le_bytes());
    payload.extend(4103_u16.to_le_bytes());
    payload.extend(14_505_u32.to_le_bytes());
    payload.extend(90_211_u32.to_le_bytes());
    payload.extend(crc(&payload).to_le_bytes());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_has_its_published_check_value() {
        assert_eq!(crc(b"123456789"), 0x29B1);
    }

    fn check_decimal(value: i64, places: u32, expected: &str) {
        assert_eq!(Decimal { value, places }.to_string(), expected);
    }

    #[test]
    fn decimals_are_exact() {
        check_decimal(7125, 2, "71.25");
        check_decimal(-5, 2, "-0.05");
        check_decimal(0, 3, "0.000");
        check_decimal(i64::from(i16::MIN), 2, "-327.68");
    }

    #[test]
    fn a_machine_name_is_quoted() {
        assert_eq!(Quoted("a\"b\\c\u{1}é").to_string(), r#""a\"b\\c\u0001é""#);
    }
}
