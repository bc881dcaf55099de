//! Broken bytes by the million: the decoder refuses or reads them, and never panics, hangs or grows.

use tidegate::config::Protocol;
use tidegate::mqtt::convert::Decoder;

const MUTATIONS: u64 = 10_000_000;
const PACKET_BYTES_MAX: usize = 4_096;

/// A small generator with the same run every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let publish = |first: u8, body: &[u8]| [&[first, body.len() as u8], body].concat();
    let properties = b"\x01\x01\x02\0\0\0\x09\x03\0\x01c\x08\0\x01r\x09\0\x02dd\x0B\x07\x23\0\x01\x26\0\x01k\0\x01v";
    let rich = [&[0, 3, b'a', b'/', b'b', 0, 1, properties.len() as u8][..], properties, b"payload"].concat();
    vec![
        publish(0x30, b"\0\x03a/b\0payload"),
        publish(0x32, b"\0\x03a/b\0\x01\0payload"),
        publish(0x3D, &rich),
        vec![0x20, 3, 1, 0, 0],
        vec![0x20, 20, 0, 0, 17, 17, 0, 0, 0, 60, 33, 0, 20, 36, 1, 31, 0, 1, b'x', 19, 0, 9],
        vec![0x62, 2, 0, 9],
        vec![0x62, 4, 0, 9, 0x92, 0],
        vec![0x90, 4, 0, 1, 0, 1],
        vec![0x90, 8, 0, 1, 4, 31, 0, 1, b'x', 0x87],
        vec![0xB0, 4, 0, 1, 0, 0],
        vec![0xB0, 2, 0, 1],
        vec![0xD0, 0],
        vec![0xE0, 0],
        vec![0xE0, 9, 0x8E, 7, 31, 0, 1, b'x', 28, 0, 0],
    ]
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len().max(1));
        match dice.roll(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), dice.roll(256) as u8),
            2 if !bytes.is_empty() => bytes[at] ^= 1 << dice.roll(8),
            3 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][dice.roll(5)],
            _ => bytes.extend(std::iter::repeat_n(dice.roll(256) as u8, dice.roll(40))),
        }
    }
}

#[test]
fn mutated_packets_are_read_or_refused() {
    let (seeds, mut dice) = (seeds(), Dice(0x9E37_79B9_7F4A_7C15));
    let (mut taken, mut refused) = (0u64, 0u64);
    for round in 0..MUTATIONS {
        let protocol = if round % 2 == 0 { Protocol::V5 } else { Protocol::V311 };
        let mut decoder = Decoder::new(protocol, PACKET_BYTES_MAX);
        for _ in 0..=dice.roll(2) {
            let mut bytes = seeds[dice.roll(seeds.len())].clone();
            mutate(&mut bytes, &mut dice);
            decoder.room().extend_from_slice(&bytes);
        }
        loop {
            match decoder.take_next() {
                Ok(Some(_)) => taken += 1,
                Ok(None) => break,
                Err(_) => {
                    refused += 1;
                    break;
                }
            }
        }
    }
    assert!(taken > MUTATIONS / 20 && refused > MUTATIONS / 20, "{taken} taken, {refused} refused");
}
