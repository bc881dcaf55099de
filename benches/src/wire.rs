//! As much of MQTT 5 and 3.1.1 as the ends of a bench speak, written for speed on the sending side.
//!
//! This is no general codec: it believes its peer, which is a bridge or a broker under test, and answers nonsense by
//! ending the connection.

use std::io;

/// Packet types (MQTT 5, table 2-1), as they stand in the upper half of the first byte.
pub mod kind {
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
}

/// Which of the two versions a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

/// One packet, still in the buffer it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// See [`kind`].
    pub kind: u8,
    /// Lower half of the first byte.
    pub flags: u8,
    /// Everything behind the fixed header.
    pub body: &'a [u8],
}

/// The first packet of `bytes` and how many bytes it takes; none while it is incomplete.
///
/// # Errors
/// When the length field is longer than four bytes (MQTT 5, 1.5.5).
pub fn first_frame(bytes: &[u8]) -> io::Result<Option<(Frame<'_>, usize)>> {
    let Some((&head, rest)) = bytes.split_first() else { return Ok(None) };
    let Some((length, width)) = variable_length(rest)? else { return Ok(None) };
    let body = rest.get(width..width + length);
    Ok(body.map(|body| (Frame { kind: head >> 4, flags: head & 0x0f, body }, 1 + width + length)))
}

/// A variable byte integer and its width; none while it is incomplete.
fn variable_length(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut value = 0;
    for at in 0..4 {
        let Some(&byte) = bytes.get(at) else { return Ok(None) };
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    Err(malformed("a length of more than four bytes"))
}

/// Appends a variable byte integer.
pub fn put_length(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0x7f);
        value >>= 7;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return;
        }
    }
}

/// Appends a string or binary field with its length of two bytes; what is longer is cut.
pub fn put_field(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&bytes[..usize::from(length)]);
}

/// Appends a whole packet.
pub fn put_packet(out: &mut Vec<u8>, first_byte: u8, body: &[u8]) {
    out.push(first_byte);
    put_length(out, body.len());
    out.extend_from_slice(body);
}

/// Appends PUBACK, PUBREC, PUBREL or PUBCOMP in the short form that both versions share.
pub fn put_ack(out: &mut Vec<u8>, kind: u8, id: u16) {
    let flags = if kind == kind::PUBREL { 2 } else { 0 };
    let [high, low] = id.to_be_bytes();
    out.extend_from_slice(&[kind << 4 | flags, 2, high, low]);
}

/// Reads the fields of a body one after the other.
#[derive(Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `count` bytes.
    ///
    /// # Errors
    /// When the body ends before.
    pub fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| malformed("a packet that ends too soon"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// When the body ends before.
    pub fn byte(&mut self) -> io::Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// Two bytes, most significant first.
    ///
    /// # Errors
    /// When the body ends before.
    pub fn short(&mut self) -> io::Result<u16> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A string or binary field.
    ///
    /// # Errors
    /// When the body ends before.
    pub fn field(&mut self) -> io::Result<&'a [u8]> {
        let length = self.short()?;
        self.bytes(usize::from(length))
    }

    /// A variable byte integer.
    ///
    /// # Errors
    /// When the body ends before or the integer is too long.
    pub fn length(&mut self) -> io::Result<usize> {
        let (value, width) = variable_length(self.0)?.ok_or_else(|| malformed("a packet that ends too soon"))?;
        self.bytes(width)?;
        Ok(value)
    }

    /// The properties of an MQTT 5 packet, as fields of their own.
    ///
    /// # Errors
    /// When the body ends before.
    pub fn properties(&mut self) -> io::Result<Fields<'a>> {
        let length = self.length()?;
        Ok(Fields(self.bytes(length)?))
    }

    /// The numeric property with the identifier given (MQTT 5, table 2-4); none when it is not there.
    ///
    /// # Errors
    /// When a property is unknown or ends too soon.
    pub fn find_number(mut self, wanted: u8) -> io::Result<Option<usize>> {
        while !self.0.is_empty() {
            let identifier = self.byte()?;
            let number = self.property_value(identifier)?;
            if identifier == wanted {
                return Ok(number);
            }
        }
        Ok(None)
    }

    /// Steps over one property; its value when that is a number.
    fn property_value(&mut self, identifier: u8) -> io::Result<Option<usize>> {
        match identifier {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => Ok(Some(usize::from(self.byte()?))),
            0x13 | 0x21..=0x23 => Ok(Some(usize::from(self.short()?))),
            0x02 | 0x11 | 0x18 | 0x27 => Ok(Some(self.bytes(4)?.iter().fold(0, |sum, &b| sum << 8 | usize::from(b)))),
            0x0b => Ok(Some(self.length()?)),
            0x26 => {
                self.field()?;
                self.field().map(|_| None)
            }
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => self.field().map(|_| None),
            unknown => Err(malformed(&format!("the unknown property {unknown:#04x}"))),
        }
    }
}

/// A PUBLISH made once and sent many times; only the packet id changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The whole packet.
    pub bytes: Vec<u8>,
    /// Where the packet id stands; none at QoS 0.
    pub id_at: Option<usize>,
    /// Where the payload starts.
    pub payload_at: usize,
}

impl Template {
    /// Encodes a PUBLISH with packet id 0. The subscription identifiers are left out for MQTT 3.1.1.
    #[must_use]
    pub fn new(protocol: Protocol, topic: &str, qos: u8, subscriptions: &[usize], payload: &[u8]) -> Self {
        let mut body = Vec::new();
        put_field(&mut body, topic.as_bytes());
        let id_at = (qos > 0).then_some(body.len());
        body.extend_from_slice(&[0, 0][..if qos > 0 { 2 } else { 0 }]);
        if protocol == Protocol::V5 {
            put_subscription_identifiers(&mut body, subscriptions);
        }
        let payload_at = body.len();
        body.extend_from_slice(payload);
        let mut bytes = Vec::new();
        put_packet(&mut bytes, kind::PUBLISH << 4 | qos << 1, &body);
        let head = bytes.len() - body.len();
        Template { bytes, id_at: id_at.map(|at| at + head), payload_at: payload_at + head }
    }

    /// Appends the packet under the packet id given.
    pub fn put(&self, out: &mut Vec<u8>, id: u16) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(at) = self.id_at {
            out[start + at..start + at + 2].copy_from_slice(&id.to_be_bytes());
        }
    }
}

fn put_subscription_identifiers(body: &mut Vec<u8>, subscriptions: &[usize]) {
    let mut properties = Vec::new();
    for &subscription in subscriptions {
        properties.push(0x0b);
        put_length(&mut properties, subscription);
    }
    put_length(body, properties.len());
    body.extend_from_slice(&properties);
}

/// The error for a peer that does not speak MQTT as we do.
#[must_use]
pub fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the peer sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_length(value: usize, bytes: &[u8]) {
        let mut out = Vec::new();
        put_length(&mut out, value);
        assert_eq!(out, bytes);
        assert_eq!(variable_length(bytes).unwrap(), Some((value, bytes.len())));
    }

    #[test]
    fn lengths_are_as_in_the_specification() {
        check_length(0, &[0]);
        check_length(127, &[0x7f]);
        check_length(128, &[0x80, 0x01]);
        check_length(2_097_151, &[0xff, 0xff, 0x7f]);
    }

    #[test]
    fn a_frame_waits_for_its_last_byte() {
        let whole = [0x40, 2, 0, 7, 0xc0];
        assert_eq!(first_frame(&whole[..3]).unwrap(), None);
        let (frame, taken) = first_frame(&whole).unwrap().unwrap();
        assert_eq!((frame.kind, frame.body, taken), (kind::PUBACK, &[0, 7][..], 4));
        assert!(first_frame(&[0x40, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
    }

    #[test]
    fn a_template_carries_id_and_subscription() {
        let template = Template::new(Protocol::V5, "a/b", 1, &[9], b"hi");
        let mut out = Vec::new();
        template.put(&mut out, 0x1234);
        assert_eq!(out, [0x32, 12, 0, 3, b'a', b'/', b'b', 0x12, 0x34, 2, 0x0b, 9, b'h', b'i']);
        assert_eq!(&out[template.payload_at..], b"hi");
    }

    #[test]
    fn version_3_has_no_properties_and_qos_0_no_id() {
        let template = Template::new(Protocol::V311, "a", 0, &[9], b"x");
        assert_eq!((template.bytes, template.id_at), (vec![0x30, 4, 0, 1, b'a', b'x'], None));
    }

    #[test]
    fn a_property_is_found_behind_others() {
        let properties = [0x11, 0, 0, 0, 9, 0x26, 0, 1, b'k', 0, 1, b'v', 0x21, 4, 0];
        assert_eq!(Fields(&properties).find_number(0x21).unwrap(), Some(1024));
        assert_eq!(Fields(&properties).find_number(0x0b).unwrap(), None);
    }
}
