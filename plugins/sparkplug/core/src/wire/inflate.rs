//! The compression that every Sparkplug client shares, though the specification does not name it: `uuid` says so, `body`
//! holds the compressed payload, the metric `algorithm` names the method.

use std::fmt;
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Value of `uuid` in a compressed payload.
pub const COMPRESSED_UUID: &[u8] = b"SPBV1.0_COMPRESSED";

/// How `body` is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    /// With the zlib header (RFC 1950), as Java and JavaScript clients write it; without one it is read as well.
    Deflate,
}

/// Why a body cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// Larger than allowed.
    TooLarge { bytes_max: usize },
    /// Broken or cut off.
    Corrupt,
    /// The metric `algorithm` names another method.
    UnknownAlgorithm,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes_max } => write!(f, "the compressed body inflates to more than {bytes_max} bytes"),
            Self::Corrupt => f.write_str("the compressed body is broken"),
            Self::UnknownAlgorithm => f.write_str("the compression algorithm is unknown"),
        }
    }
}

impl std::error::Error for InflateError {}

impl Compression {
    /// By the name in the metric `algorithm`, in any case.
    ///
    /// # Errors
    /// Another name.
    pub fn parse(name: &[u8]) -> Result<Self, InflateError> {
        if name.eq_ignore_ascii_case(b"GZIP") {
            Ok(Self::Gzip)
        } else if name.eq_ignore_ascii_case(b"DEFLATE") {
            Ok(Self::Deflate)
        } else {
            Err(InflateError::UnknownAlgorithm)
        }
    }

    /// # Errors
    /// Broken, or more than `bytes_max` bytes: inflating stops there.
    pub fn inflate(self, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
        match self {
            Self::Gzip => read(MultiGzDecoder::new(body), bytes_max),
            Self::Deflate if is_zlib(body) => read(ZlibDecoder::new(body), bytes_max),
            Self::Deflate => read(DeflateDecoder::new(body), bytes_max),
        }
    }
}

/// RFC 1950: method 8 and a header that is a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..]
        if method & 0x0F == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

fn read(decoder: impl Read, bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflated = Vec::new();
    let one_more = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(one_more).read_to_end(&mut inflated).map_err(|_| InflateError::Corrupt)?;
    if inflated.len() > bytes_max { Err(InflateError::TooLarge { bytes_max }) } else { Ok(inflated) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn all(content: &[u8]) -> [(Compression, Vec<u8>); 3] {
        let level = flate2::Compression::best();
        let mut gzip = GzEncoder::new(Vec::new(), level);
        let mut zlib = ZlibEncoder::new(Vec::new(), level);
        let mut bare = DeflateEncoder::new(Vec::new(), level);
        gzip.write_all(content).unwrap();
        zlib.write_all(content).unwrap();
        bare.write_all(content).unwrap();
        [
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Deflate, zlib.finish().unwrap()),
            (Compression::Deflate, bare.finish().unwrap()),
        ]
    }

    #[test]
    fn all_three_forms_are_inflated() {
        for (compression, body) in all(b"tide and gate, tide and gate") {
            assert_eq!(compression.inflate(&body, 100).unwrap(), b"tide and gate, tide and gate");
        }
    }

    #[test]
    fn a_cut_body_is_an_error_and_not_a_loop() {
        for (compression, body) in all(&[7; 5000]) {
            let outcome = compression.inflate(&body[..body.len() / 2], 10_000);
            assert_eq!(outcome, Err(InflateError::Corrupt), "{compression:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        for (compression, body) in all(&vec![0; 1 << 22]) {
            assert_eq!(compression.inflate(&body, 1 << 16), Err(InflateError::TooLarge { bytes_max: 1 << 16 }));
        }
    }

    #[test]
    fn the_algorithm_is_named_in_any_case() {
        assert_eq!(Compression::parse(b"gzip"), Ok(Compression::Gzip));
        assert_eq!(Compression::parse(b"Deflate"), Ok(Compression::Deflate));
        assert_eq!(Compression::parse(b"zstd"), Err(InflateError::UnknownAlgorithm));
    }
}
