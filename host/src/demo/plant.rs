//! The simulated plant: machines, their readings, and what is to become of each. Pure: a reading and its fate follow
//! from the machine and the sequence number, so that what Kafka holds can be checked record by record.

use std::fmt;

/// Parts of the plant; each has a Kafka topic `plant.<area>`.
pub const AREAS: [&str; 3] = ["press", "paint", "assembly"];
const MACHINES_PER_AREA: usize = 8;
/// Machines in all.
pub const MACHINES: usize = AREAS.len() * MACHINES_PER_AREA;

/// The length of a whole reading, which `plugins/plant/README.md` describes byte by byte.
pub const READING_BYTES: usize = 30;
/// A reading that is cut short still shows its sequence number.
const CUT_BYTES: usize = 17;

/// One machine of the plant: its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Machine(usize);

impl Machine {
    #[must_use]
    pub fn all() -> impl Iterator<Item = Self> {
        (0..MACHINES).map(Self)
    }

    #[must_use]
    pub fn place(self) -> usize {
        self.0
    }

    #[must_use]
    pub fn area(self) -> &'static str {
        AREAS[self.0 / MACHINES_PER_AREA]
    }

    /// The MQTT topic of its readings.
    #[must_use]
    pub fn topic(self) -> String {
        format!("plant/{}/{self}/reading", self.area())
    }

    /// The machine of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (area, number) = name.rsplit_once('-')?;
        let area = AREAS.iter().position(|known| *known == area)?;
        let number: usize = number.parse().ok().filter(|number| (1..=MACHINES_PER_AREA).contains(number))?;
        Some(Self(area * MACHINES_PER_AREA + number - 1)).filter(|machine| machine.to_string() == name)
    }

    /// The machine whose readings come on this MQTT topic.
    #[must_use]
    pub fn of_topic(topic: &str) -> Option<Self> {
        let name = topic.strip_suffix("/reading")?.rsplit('/').next()?;
        Self::named(name).filter(|machine| machine.topic() == topic)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.area(), self.0 % MACHINES_PER_AREA + 1)
    }
}

/// What is to become of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Decoded into a record.
    Decoded,
    /// The machine stands idle: filtered out.
    Filtered,
    /// Damaged on purpose: into the dead letters.
    DeadLettered,
}

/// Of a hundred readings 80 are decoded, 16 filtered out, 4 damaged.
#[must_use]
pub fn fate(machine: Machine, sequence: u32) -> Fate {
    match dice(machine, sequence) % 100 {
        0..4 => Fate::DeadLettered,
        4..20 => Fate::Filtered,
        _ => Fate::Decoded,
    }
}

/// The reading as it goes over MQTT.
#[must_use]
pub fn payload(machine: Machine, sequence: u32, measured_ms: u64) -> Vec<u8> {
    let mut reading = whole(machine, sequence, measured_ms);
    if fate(machine, sequence) == Fate::DeadLettered {
        damage(&mut reading, dice(machine, sequence) / 100);
    }
    reading
}

/// The sequence number, which even a damaged reading shows.
#[must_use]
pub fn sequence_of(payload: &[u8]) -> Option<u32> {
    let bytes = payload.get(4..8)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn whole(machine: Machine, sequence: u32, measured_ms: u64) -> Vec<u8> {
    let state = match (fate(machine, sequence), dice(machine, sequence) / 100 % 50) {
        (Fate::Filtered, _) => 0,
        (Fate::Decoded | Fate::DeadLettered, 0) => 2,
        (Fate::Decoded | Fate::DeadLettered, _) => 1,
    };
    let swing = (f64::from(sequence) / 50.0 + machine.0 as f64).sin();
    let mut reading = Vec::with_capacity(READING_BYTES);
    reading.extend_from_slice(&[0x54, 0x47, 1, state]);
    reading.extend_from_slice(&sequence.to_le_bytes());
    reading.extend_from_slice(&measured_ms.to_le_bytes());
    reading.extend_from_slice(&((6_500.0 + 1_500.0 * swing) as i16).to_le_bytes());
    reading.extend_from_slice(&((4_000.0 + 600.0 * swing) as u16).to_le_bytes());
    reading.extend_from_slice(&((14_000.0 + 900.0 * swing) as u32).to_le_bytes());
    reading.extend_from_slice(&sequence.wrapping_mul(3).to_le_bytes());
    reading.extend_from_slice(&crc_16(&reading).to_le_bytes());
    reading
}

fn damage(reading: &mut Vec<u8>, kind: u64) {
    match kind % 3 {
        0 => reading.truncate(CUT_BYTES),
        1 => reading[20] ^= 0x10, // the checksum no longer fits
        _ => reading[2] = 9,      // a version that nobody knows
    }
}

/// CRC-16 with polynomial 0x1021 and start 0xFFFF, not reflected.
fn crc_16(bytes: &[u8]) -> u16 {
    let shift = |crc: u16| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    bytes.iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| shift(crc)))
}

/// A number that looks random and is always the same for one reading (the finalizer of `SplitMix64`).
fn dice(machine: Machine, sequence: u32) -> u64 {
    let mut mixed = ((machine.0 as u64) << 32 | u64::from(sequence)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_found_by_name_and_by_topic() {
        for machine in Machine::all() {
            assert_eq!(Machine::named(&machine.to_string()), Some(machine));
            assert_eq!(Machine::of_topic(&machine.topic()), Some(machine));
        }
        for stranger in ["press-0", "press-9", "press-01", "press", "kiln-1", ""] {
            assert_eq!(Machine::named(stranger), None, "{stranger}");
        }
        assert_eq!(Machine::of_topic("plant/paint/press-1/reading"), None);
    }

    #[test]
    fn the_checksum_is_the_one_described() {
        assert_eq!(crc_16(b"123456789"), 0x29B1);
    }

    #[test]
    fn whole_readings_are_whole_and_damaged_ones_show_their_number() {
        for sequence in 0..2_000 {
            let payload = payload(Machine(3), sequence, 1_700_000_000_000);
            assert_eq!(sequence_of(&payload), Some(sequence));
            let (body, crc) = payload.split_at(payload.len() - 2);
            let is_whole = payload.len() == READING_BYTES && payload[2] == 1 && crc_16(body).to_le_bytes() == crc;
            assert_eq!(is_whole, fate(Machine(3), sequence) != Fate::DeadLettered, "{sequence}");
        }
    }

    #[test]
    fn idle_machines_say_so() {
        let idle = (0..).find(|sequence| fate(Machine(0), *sequence) == Fate::Filtered).unwrap();
        assert_eq!(payload(Machine(0), idle, 0)[3], 0);
        let running = (0..).find(|sequence| fate(Machine(0), *sequence) == Fate::Decoded).unwrap();
        assert_ne!(payload(Machine(0), running, 0)[3], 0);
    }

    #[test]
    fn about_the_promised_share_of_each_fate_occurs() {
        let share = |wanted: Fate| {
            Machine::all().flat_map(|m| (0..1_000).map(move |s| fate(m, s))).filter(|fate| *fate == wanted).count()
                / MACHINES
        };
        assert!((780..820).contains(&share(Fate::Decoded)));
        assert!((140..180).contains(&share(Fate::Filtered)));
        assert!((30..50).contains(&share(Fate::DeadLettered)));
    }
}
