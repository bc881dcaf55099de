//! Protobuf fields, one after another.

use std::fmt;

/// Why bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// A length or a number goes past the end.
    Truncated,
    /// A number of more than ten bytes, or a tag of more than 32 bits.
    Varint,
    /// A wire type that does not exist, field number 0, or a group that is not closed.
    Tag,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the protobuf message is cut off",
            Self::Varint => "a protobuf number is too long",
            Self::Tag => "a protobuf tag is invalid",
        })
    }
}

impl std::error::Error for WireError {}

/// One field's content, by wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    /// A group (wire type 3): skipped, its content is of no use here.
    Group,
}

impl<'a> Field<'a> {
    #[must_use]
    pub fn varint(self) -> Option<u64> {
        if let Self::Varint(number) = self { Some(number) } else { None }
    }

    /// The low 32 bits, as protobuf reads a `uint32`.
    #[must_use]
    pub fn uint32(self) -> Option<u32> {
        self.varint().map(|number| (number & 0xFFFF_FFFF) as u32)
    }

    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        self.varint().map(|number| number != 0)
    }

    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    #[must_use]
    pub fn float(self) -> Option<f32> {
        if let Self::Fixed32(bits) = self { Some(f32::from_bits(bits)) } else { None }
    }

    #[must_use]
    pub fn double(self) -> Option<f64> {
        if let Self::Fixed64(bits) = self { Some(f64::from_bits(bits)) } else { None }
    }
}

/// Groups within groups: more is no payload of ours.
const GROUPS_MAX: u32 = 16;

/// Reads fields from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field with its number; `None` at the end.
    ///
    /// # Errors
    /// The bytes are no protobuf message.
    #[inline]
    pub fn read(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire) = self.tag()?;
        let field = match wire {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Field::Bytes(self.delimited()?),
            3 => {
                self.skip_group(number)?;
                Field::Group
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(WireError::Tag),
        };
        Ok(Some((number, field)))
    }

    /// The next field of a message whose shape has been checked; `None` at the end and where it is broken.
    #[inline]
    pub fn checked(&mut self) -> Option<(u32, Field<'a>)> {
        self.read().ok().flatten()
    }

    /// One bare number, as in packed lists.
    ///
    /// # Errors
    /// Cut off or too long.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_varint(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for (at, byte) in self.rest.iter().take(10).enumerate() {
            if at == 9 && *byte > 1 {
                return Err(WireError::Varint);
            }
            number |= u64::from(byte & 0x7F) << (7 * at);
            if *byte < 0x80 {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::Varint })
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = u32::try_from(self.varint()?).map_err(|_| WireError::Varint)?;
        let number = tag >> 3;
        if number == 0 { Err(WireError::Tag) } else { Ok((number, (tag & 7) as u8)) }
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn skip_group(&mut self, opened: u32) -> Result<(), WireError> {
        let mut open = vec![opened];
        while let Some(innermost) = open.last().copied() {
            let (number, wire) = self.tag()?;
            match wire {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.delimited()?),
                3 if open.len() < GROUPS_MAX as usize => open.push(number),
                4 if number == innermost => drop(open.pop()),
                5 => drop(self.array::<4>()?),
                _ => return Err(WireError::Tag),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "so that a case is one line")]
    fn check(bytes: &[u8], expected: Result<Vec<(u32, Field<'_>)>, WireError>) {
        let mut reader = Reader::new(bytes);
        let mut fields = Vec::new();
        let outcome = loop {
            match reader.read() {
                Ok(Some(field)) => fields.push(field),
                Ok(None) => break Ok(fields),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(outcome, expected, "{bytes:02x?}");
    }

    #[test]
    fn every_wire_type_is_read() {
        check(&[8, 0x96, 1], Ok(vec![(1, Field::Varint(150))]));
        check(&[0x12, 2, 7, 8], Ok(vec![(2, Field::Bytes(&[7, 8]))]));
        check(&[0x0D, 1, 0, 0, 0], Ok(vec![(1, Field::Fixed32(1))]));
        check(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0], Ok(vec![(1, Field::Fixed64(1))]));
        check(&[0x0B, 8, 1, 0x13, 0x14, 0x0C, 16, 5], Ok(vec![(1, Field::Group), (2, Field::Varint(5))]));
    }

    #[test]
    fn the_largest_number_is_read_and_no_larger_one() {
        let mut bytes = vec![8];
        bytes.extend([0xFF; 9]);
        bytes.push(1);
        check(&bytes, Ok(vec![(1, Field::Varint(u64::MAX))]));
        *bytes.last_mut().unwrap() = 2;
        check(&bytes, Err(WireError::Varint));
    }

    #[test]
    fn what_is_cut_off_or_invalid_is_refused() {
        check(&[8], Err(WireError::Truncated));
        check(&[0x12, 3, 1], Err(WireError::Truncated));
        check(&[0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], Err(WireError::Truncated));
        check(&[0], Err(WireError::Tag));
        check(&[0x0F], Err(WireError::Tag));
        check(&[0x0C], Err(WireError::Tag));
        check(&[0x0B], Err(WireError::Truncated));
        check(&[0x0B; 40], Err(WireError::Tag));
    }
}
