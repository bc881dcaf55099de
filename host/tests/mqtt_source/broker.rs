//! A broker that does exactly what the test says, byte by byte, on a loopback port.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use tidegate::config::{Protocol, SourceConfig};

use super::intake::{self, PATIENCE};

pub(crate) struct Broker {
    listener: TcpListener,
    protocol: Protocol,
}

impl Broker {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), protocol }
    }

    pub(crate) fn config(&self) -> SourceConfig {
        intake::config(self.listener.local_addr().unwrap().port(), self.protocol)
    }

    /// The next connection with its CONNECT, not answered yet.
    pub(crate) fn accept(&self) -> (Connection, Vec<u8>) {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Connection { stream, protocol: self.protocol };
        let connect = connection.next();
        assert_eq!(connect[0], 0x10, "CONNECT comes first");
        (connection, connect)
    }

    /// The next connection, accepted; subscriptions still unanswered.
    pub(crate) fn link(&self, session_present: bool) -> Connection {
        let (mut connection, _) = self.accept();
        connection.connack(session_present, 0);
        connection
    }

    /// The next connection, accepted, its `subscribes` SUBSCRIBE packets granted with QoS 2.
    pub(crate) fn link_and_grant(&self, session_present: bool, subscribes: usize) -> Connection {
        let mut connection = self.link(session_present);
        for _ in 0..subscribes {
            let subscribe = connection.next();
            connection.suback(&subscribe, &[2]);
        }
        connection
    }
}

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    protocol: Protocol,
}

impl Connection {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn connack(&mut self, session_present: bool, code: u8) {
        match self.protocol {
            Protocol::V311 => self.send(&[0x20, 2, session_present.into(), code]),
            Protocol::V5 => self.send(&[0x20, 3, session_present.into(), code, 0]),
        }
    }

    /// Answers `subscribe` with `codes`.
    pub(crate) fn suback(&mut self, subscribe: &[u8], codes: &[u8]) {
        assert_eq!(subscribe[0], 0x82, "SUBSCRIBE: {subscribe:02X?}");
        self.answer(0x90, subscribe, codes);
    }

    pub(crate) fn unsuback(&mut self, unsubscribe: &[u8]) {
        assert_eq!(unsubscribe[0], 0xA2, "UNSUBSCRIBE: {unsubscribe:02X?}");
        match self.protocol {
            Protocol::V311 => self.answer(0xB0, unsubscribe, &[]),
            Protocol::V5 => self.answer(0xB0, unsubscribe, &[0]),
        }
    }

    fn answer(&mut self, first: u8, request: &[u8], codes: &[u8]) {
        let properties: &[u8] = if self.protocol == Protocol::V5 { &[0] } else { &[] };
        let body = [&request[2..4], properties, codes].concat();
        self.send(&[&[first, u8::try_from(body.len()).unwrap()], &body[..]].concat());
    }

    /// Sends a PUBLISH on topic `t` with payload `p`.
    pub(crate) fn publish(&mut self, qos: u8, id: u16, dup: bool) {
        let bytes = self.publish_bytes(qos, id, dup);
        self.send(&bytes);
    }

    pub(crate) fn publish_bytes(&self, qos: u8, id: u16, dup: bool) -> Vec<u8> {
        let id: &[u8] = if qos > 0 { &id.to_be_bytes() } else { &[] };
        let properties: &[u8] = if self.protocol == Protocol::V5 { &[0] } else { &[] };
        let body = [&[0, 1, b't'], id, properties, b"p"].concat();
        [&[0x30 | u8::from(dup) << 3 | qos << 1, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    }

    /// The next packet.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        self.try_next().expect("the source closed the connection")
    }

    /// The next packet that is no PINGREQ; pings are answered.
    pub(crate) fn next_but_pings(&mut self) -> Vec<u8> {
        loop {
            let packet = self.next();
            match packet[0] {
                0xC0 => self.send(&[0xD0, 0]),
                _ => return packet,
            }
        }
    }

    /// The next packet; `None` where the source has closed.
    pub(crate) fn try_next(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![self.try_byte()?];
        let (mut remaining, mut shift) = (0, 0);
        loop {
            let byte = self.try_byte()?;
            packet.push(byte);
            remaining |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let start = packet.len();
        packet.resize(start + remaining, 0);
        self.stream.read_exact(&mut packet[start..]).ok()?;
        Some(packet)
    }

    /// Whether the source closes without another packet.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.try_next().is_none()
    }

    fn try_byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(1) => Some(byte[0]),
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    /// Reads `packets` of four bytes each: acknowledgements.
    pub(crate) fn acks(&mut self, packets: usize) -> Vec<(u8, u16)> {
        (0..packets)
            .map(|_| {
                let packet = self.next_but_pings();
                (packet[0], u16::from_be_bytes([packet[2], packet[3]]))
            })
            .collect()
    }
}
