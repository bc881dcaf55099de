//! Packets over a blocking socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Packet, Version};

/// Largest frame that the harness takes; a longer one is a mistake of the other end.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// One end of an MQTT connection.
pub struct PacketStream {
    socket: TcpStream,
    pub version: Version,
    buffer: Vec<u8>,
    /// What of `buffer` was read already.
    used: usize,
}

impl PacketStream {
    /// Wraps a connected socket.
    #[must_use]
    pub fn new(socket: TcpStream, version: Version) -> Self {
        Self { socket, version, buffer: Vec::new(), used: 0 }
    }

    /// Writes a packet, or several that were encoded before.
    ///
    /// # Errors
    /// As the socket says.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Writes one packet.
    ///
    /// # Errors
    /// As the socket says.
    pub fn send(&mut self, packet: &Packet) -> io::Result<()> {
        self.write(&packet.encode(self.version))
    }

    /// The next packet; `None` where none came within `patience`.
    ///
    /// # Errors
    /// The connection ended (`UnexpectedEof`), broke, or carried no MQTT (`InvalidData`).
    pub fn receive(&mut self, patience: Duration) -> io::Result<Option<Packet>> {
        loop {
            if let Some(packet) = self.buffered()? {
                return Ok(Some(packet));
            }
            self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
            match self.fill() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next packet that was already read from the socket.
    ///
    /// # Errors
    /// The bytes are no MQTT.
    pub fn buffered(&mut self) -> io::Result<Option<Packet>> {
        let Some((first, body, used)) = split(&self.buffer[self.used..]).map_err(invalid)? else {
            return Ok(None);
        };
        let packet = Packet::decode(self.version, first, body).map_err(invalid)?;
        self.used += used;
        if let Packet::Connect(version, _) = packet {
            self.version = version;
        }
        Ok(Some(packet))
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let mut chunk = [0; 65_536];
        let count = self.socket.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// First byte, body and whole length of a frame.
pub(super) type Frame<'a> = (u8, &'a [u8], usize);

/// The frame at the front of `bytes`; `None` where it is not complete.
pub(super) fn split(bytes: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let mut length = 0;
    for at in 1..=4 {
        let Some(byte) = bytes.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let end = at + 1 + length;
            if length > FRAME_BYTES_MAX {
                return Err(format!("a frame of {length} bytes"));
            }
            return Ok(bytes.get(at + 1..end).map(|body| (bytes[0], body, end)));
        }
    }
    Err("a remaining length has more than four bytes".into())
}
