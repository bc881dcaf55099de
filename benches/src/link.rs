//! One MQTT connection of a bench: a socket that never blocks, with a buffer on either side.

use crate::sys::{self, Ready};
use crate::wire::{self, Frame};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Read buffer; large enough that one read takes all acknowledgements of a full window.
const READ_BYTES: usize = 512 * 1024;

/// A connection. Its two buffers are public so that a packet can be answered while it still lies in the incoming one.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    /// What has arrived.
    pub inbox: Inbox,
    /// What waits to be sent.
    pub outbox: Outbox,
}

/// Bytes that have arrived, read in place.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// First byte that was not handed out yet.
    from: usize,
    /// End of what was read.
    until: usize,
}

/// Bytes to be sent, collected so that they leave in as few writes as possible.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Append here.
    pub bytes: Vec<u8>,
    /// How much of `bytes` has left already.
    sent: usize,
}

impl Link {
    /// Takes over a connected socket.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let inbox = Inbox { bytes: vec![0; READ_BYTES], from: 0, until: 0 };
        Ok(Link { socket, inbox, outbox: Outbox::default() })
    }

    /// Sends what the socket takes now.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        self.outbox.flush(&mut self.socket)
    }

    /// Waits until there is something to do, at most for `patience`.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn wait(&self, patience: Duration) -> io::Result<Ready> {
        sys::wait_for(&self.socket, self.outbox.backlog() > 0, patience)
    }

    /// Reads once what is there.
    ///
    /// # Errors
    /// When the connection is closed or broken.
    pub fn fill(&mut self) -> io::Result<()> {
        self.inbox.fill(&mut self.socket)
    }

    /// Flushes, waits, and reads if there is anything to read.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn turn(&mut self, patience: Duration) -> io::Result<()> {
        self.flush()?;
        if self.wait(patience)?.read { self.fill() } else { Ok(()) }
    }
}

impl Inbox {
    /// The next packet that is complete.
    ///
    /// # Errors
    /// When the bytes are no MQTT.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame<'_>>> {
        let Some((frame, taken)) = wire::first_frame(&self.bytes[self.from..self.until])? else { return Ok(None) };
        self.from += taken;
        Ok(Some(frame))
    }

    fn fill(&mut self, socket: &mut impl Read) -> io::Result<()> {
        self.make_room();
        match socket.read(&mut self.bytes[self.until..]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.until += count;
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Moves an incomplete packet to the front, and grows for one that is larger than the buffer.
    fn make_room(&mut self) {
        self.bytes.copy_within(self.from..self.until, 0);
        self.until -= self.from;
        self.from = 0;
        if self.until == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }
}

impl Outbox {
    /// Bytes that wait to be sent.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.backlog() > 0 {
            match socket.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.drain(..self.sent);
        self.sent = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn packets_cross_and_an_incomplete_one_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = Link::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        near.outbox.bytes.extend_from_slice(&[0xc0, 0]);
        near.flush().unwrap();
        let mut ping = [0; 2];
        far.read_exact(&mut ping).unwrap();
        assert_eq!((ping, near.outbox.backlog()), ([0xc0, 0], 0));
        far.write_all(&[0x40, 2, 0, 7, 0x40, 2]).unwrap();
        near.turn(Duration::from_secs(5)).unwrap();
        assert_eq!(near.inbox.next_frame().unwrap().map(|frame| frame.body.to_vec()), Some(vec![0, 7]));
        assert_eq!(near.inbox.next_frame().unwrap(), None);
        far.write_all(&[0, 8]).unwrap();
        near.turn(Duration::from_secs(5)).unwrap();
        assert_eq!(near.inbox.next_frame().unwrap().map(|frame| frame.body.to_vec()), Some(vec![0, 8]));
        drop(far);
        assert_eq!(near.turn(Duration::from_secs(5)).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
