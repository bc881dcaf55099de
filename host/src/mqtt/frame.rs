//! Where packets end: the fixed header of MQTT (MQTT 5, section 2.1), the same for both versions.
//!
//! Invariant: a frame is handed on only when all its bytes are here, and nothing is reserved for bytes that are only
//! claimed.

use bytes::{Bytes, BytesMut};

use super::reason::Violation;

/// Largest packet that MQTT can express: 5 bytes of header and 268,435,455 behind it.
pub const PROTOCOL_BYTES_MAX: usize = 268_435_455 + 5;
/// How much a read may bring at most.
const READ_BYTES: usize = 64 * 1024;
/// Below this much room a new read buffer is taken, so that a trickle of small packets shares one.
const ROOM_BYTES_MIN: usize = 8 * 1024;

/// A fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Packet type and flags.
    pub first: u8,
    /// Length of this header: 2 to 5.
    pub header_bytes: usize,
    /// Bytes behind it.
    pub remaining: usize,
}

impl Header {
    /// Packet type, 0 to 15.
    #[inline]
    #[must_use]
    pub fn kind(self) -> u8 {
        self.first >> 4
    }

    #[inline]
    #[must_use]
    pub fn flags(self) -> u8 {
        self.first & 0x0F
    }

    #[inline]
    #[must_use]
    pub fn frame_bytes(self) -> usize {
        self.header_bytes + self.remaining
    }

    /// `None`: more bytes are needed to tell.
    #[inline]
    fn read(bytes: &[u8], packet_bytes_max: usize) -> Result<Option<Self>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let Some((remaining, length_bytes)) = variable_integer(rest)? else { return Ok(None) };
        let header = Self { first, header_bytes: 1 + length_bytes, remaining };
        match header.frame_bytes() <= packet_bytes_max {
            true => Ok(Some(header)),
            false => Err(Violation::too_large()),
        }
    }
}

/// A variable byte integer and how many bytes it took (MQTT 5, section 1.5.5). `None`: it is cut off.
#[inline]
pub fn variable_integer(bytes: &[u8]) -> Result<Option<(usize, usize)>, Violation> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((value, place + 1)));
        }
    }
    match bytes.len() {
        0..4 => Ok(None),
        _ => Err(Violation::malformed("a length of more than four bytes")),
    }
}

/// One whole packet: its header and all its bytes, header included.
#[derive(Clone, Debug)]
pub struct Frame {
    pub header: Header,
    pub bytes: Bytes,
}

/// Cuts what the socket gave into frames. All frames of one read are slices of one buffer.
pub struct Frames {
    packet_bytes_max: usize,
    /// Read and not cut yet: at most one unfinished frame between two reads.
    unread: BytesMut,
    /// Whole frames.
    whole: Bytes,
}

impl Frames {
    #[must_use]
    pub fn new(packet_bytes_max: usize) -> Self {
        Self { packet_bytes_max, unread: BytesMut::new(), whole: Bytes::new() }
    }

    /// Where to append what the socket gives. Grows with what came, not with what a header claims.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.unread.capacity() - self.unread.len() < ROOM_BYTES_MIN {
            self.unread.reserve(READ_BYTES);
        }
        &mut self.unread
    }

    /// Bytes that wait for the rest of their frame.
    #[must_use]
    pub fn unfinished_bytes(&self) -> usize {
        self.unread.len()
    }

    /// The next whole frame; `None` until more bytes are here.
    ///
    /// # Errors
    /// A length that MQTT forbids or that is above the limit. There is no way to go on after it.
    #[inline]
    pub fn take_next(&mut self) -> Result<Option<Frame>, Violation> {
        if self.whole.is_empty() && !self.gather()? {
            return Ok(None);
        }
        let Some(header) = Header::read(&self.whole, self.packet_bytes_max)? else { return Ok(None) };
        Ok(Some(Frame { header, bytes: self.whole.split_to(header.frame_bytes()) }))
    }

    /// Moves the whole frames out of `unread`. A violation is told only when all before it are taken.
    fn gather(&mut self) -> Result<bool, Violation> {
        let mut whole = 0;
        loop {
            match Header::read(&self.unread[whole..], self.packet_bytes_max) {
                Ok(Some(header)) if self.unread.len() - whole >= header.frame_bytes() => whole += header.frame_bytes(),
                Ok(_) => break,
                Err(_) if whole > 0 => break,
                Err(violation) => return Err(violation),
            }
        }
        self.whole = self.unread.split_to(whole).freeze();
        Ok(whole > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::reason::ReasonCode;

    fn frames(bytes: &[u8], packet_bytes_max: usize) -> Frames {
        let mut frames = Frames::new(packet_bytes_max);
        frames.room().extend_from_slice(bytes);
        frames
    }

    fn check(bytes: &[u8], expected: &[&[u8]], left: usize) {
        let mut frames = frames(bytes, 1000);
        for frame in expected {
            assert_eq!(frames.take_next().unwrap().unwrap().bytes, frame);
        }
        assert!(frames.take_next().unwrap().is_none());
        assert_eq!(frames.unfinished_bytes(), left);
    }

    #[test]
    fn whole_frames_come_one_by_one_and_the_rest_waits() {
        check(&[0xD0, 0, 0x40, 2, 0, 1, 0x40, 2, 0], &[&[0xD0, 0], &[0x40, 2, 0, 1]], 3);
        check(&[0x30], &[], 1);
        check(&[0x30, 0x80], &[], 2);
        check(&[], &[], 0);
    }

    #[test]
    fn a_frame_above_the_limit_is_told_after_those_before_it() {
        let mut frames = frames(&[0xD0, 0, 0x30, 0xFF, 0xFF, 0x7F], 1000);
        assert!(frames.take_next().unwrap().is_some());
        assert_eq!(frames.take_next().unwrap_err().code, ReasonCode::PACKET_TOO_LARGE);
    }

    #[test]
    fn a_length_of_five_bytes_is_malformed() {
        let mut frames = frames(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], PROTOCOL_BYTES_MAX);
        assert_eq!(frames.take_next().unwrap_err().code, ReasonCode::MALFORMED_PACKET);
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        let mut frames = frames(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], PROTOCOL_BYTES_MAX);
        assert!(frames.take_next().unwrap().is_none());
        assert!(frames.room().capacity() <= 2 * READ_BYTES);
    }

    #[test]
    fn a_trickle_shares_one_buffer() {
        let mut frames = Frames::new(1000);
        let start = frames.room().as_ptr() as usize;
        let mut kept = Vec::new();
        for _ in 0..100 {
            frames.room().extend_from_slice(&[0xD0, 0]);
            kept.push(frames.take_next().unwrap().unwrap().bytes);
        }
        assert!(kept.iter().all(|frame| (frame.as_ptr() as usize).wrapping_sub(start) < READ_BYTES));
    }
}
