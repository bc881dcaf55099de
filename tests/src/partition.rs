//! The partition that Java's client chooses for a key: murmur2 with Kafka's seed, sign bit cleared, modulo partitions.
//! Written from the algorithm's published description, so that the bridge's choice can be compared with it.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// Kafka's murmur2 of `key`.
#[must_use]
pub fn murmur2(key: &[u8]) -> u32 {
    let length = u32::try_from(key.len()).expect("keys are short");
    let words = key.chunks_exact(4);
    let tail = words.remainder();
    let mut hash = words.fold(SEED ^ length, |hash, word| {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(MULTIPLIER);
        hash.wrapping_mul(MULTIPLIER) ^ (word ^ word >> 24).wrapping_mul(MULTIPLIER)
    });
    if !tail.is_empty() {
        let left = tail.iter().rev().fold(0, |left, byte| left << 8 | u32::from(*byte));
        hash = (hash ^ left).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}

/// The partition of `key` in a topic with `partitions` partitions.
///
/// # Panics
/// Where `partitions` is not positive.
#[must_use]
pub fn java_partition(key: &[u8], partitions: i32) -> i32 {
    let count = u32::try_from(partitions).expect("a topic has partitions");
    i32::try_from((murmur2(key) & 0x7fff_ffff) % count).expect("below the number of partitions")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Java's `Utils.murmur2`, as Kafka's own unit test has them.
    fn check(key: &str, java: i32) {
        assert_eq!(murmur2(key.as_bytes()), java.cast_unsigned(), "{key}");
    }

    #[test]
    fn hashes_are_those_of_java() {
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check("abc", 479_470_107);
    }

    #[test]
    fn the_sign_bit_does_not_count() {
        assert_eq!(java_partition(b"21", 10), (-973_932_308_i32 & 0x7fff_ffff) % 10);
    }
}
