//! Memory as bytes and back.

/// Writes numbers and texts one after another.
#[derive(Debug, Default)]
pub struct Pack {
    bytes: Vec<u8>,
}

impl Pack {
    pub fn number(&mut self, number: u64) {
        let mut rest = number;
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    pub fn optional(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        if let Some(number) = number {
            self.number(number);
        }
    }

    pub fn bytes(&mut self, content: &[u8]) {
        self.number(content.len() as u64);
        self.bytes.extend_from_slice(content);
    }

    pub fn text(&mut self, content: &str) {
        self.bytes(content.as_bytes());
    }

    pub fn optional_text(&mut self, content: Option<&str>) {
        self.number(u64::from(content.is_some()));
        if let Some(content) = content {
            self.text(content);
        }
    }

    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what [`Pack`] wrote; `None` where it is cut off or broken.
#[derive(Clone, Copy, Debug)]
pub struct Unpack<'a> {
    rest: &'a [u8],
}

impl<'a> Unpack<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub fn optional(&mut self) -> Option<Option<u64>> {
        if self.number()? == 0 { Some(None) } else { self.number().map(Some) }
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub fn optional_text(&mut self) -> Option<Option<&'a str>> {
        if self.number()? == 0 { Some(None) } else { self.text().map(Some) }
    }

    /// A number of things of at least `bytes_min` bytes each, which must still be there.
    pub fn count(&mut self, bytes_min: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        if count.saturating_mul(bytes_min) <= self.rest.len() { Some(count) } else { None }
    }
}
