//! What the broker knows of its subscriber, and its answer to everything the subscriber sends.

use super::Options;
use super::flight::Flight;
use super::subscriptions::Subscriptions;
use crate::link::{Link, Outbox};
use crate::wire::{self, Fields, Frame, Protocol, kind};
use std::io;
use std::net::TcpStream;
use std::time::Duration;

/// One subscriber, from CONNECT until it leaves.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) options: Options,
    pub(super) link: Link,
    pub(super) state: State,
}

/// All but the socket.
#[derive(Debug)]
pub(super) struct State {
    pub(super) protocol: Protocol,
    /// Most messages in flight, agreed by both.
    pub(super) window: u16,
    pub(super) subscriptions: Subscriptions,
    pub(super) flight: Flight,
    news: bool,
}

/// The subscriber has asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct News {
    /// How many filters it has asked for in all.
    pub(super) filters: usize,
    /// Most messages in flight.
    pub(super) window: u16,
}

impl Session {
    /// Starts with nothing known.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub(super) fn new(socket: TcpStream, options: Options) -> io::Result<Self> {
        let window = options.in_flight_max;
        let state = State {
            protocol: Protocol::V311,
            window,
            subscriptions: Subscriptions::default(),
            flight: Flight::new(window),
            news: false,
        };
        Ok(Session { options, link: Link::new(socket)?, state })
    }

    /// Sends and reads what is there, and answers it.
    ///
    /// # Errors
    /// When the subscriber is gone or talks nonsense.
    pub(super) fn turn(&mut self, patience: Duration) -> io::Result<()> {
        self.link.turn(patience)?;
        while let Some(frame) = self.link.inbox.next_frame()? {
            self.state.answer(frame, &mut self.link.outbox)?;
        }
        Ok(())
    }

    /// Whether something was subscribed since this was asked last.
    pub(super) fn take_news(&mut self) -> Option<News> {
        let filters = self.state.subscriptions.len();
        std::mem::take(&mut self.state.news).then_some(News { filters, window: self.state.window })
    }
}

impl State {
    /// The broker's side of the protocol.
    fn answer(&mut self, frame: Frame<'_>, out: &mut Outbox) -> io::Result<()> {
        let mut fields = Fields(frame.body);
        match frame.kind {
            kind::PUBACK | kind::PUBCOMP => self.flight.finish(fields.short()?),
            kind::PUBREC => {
                let id = fields.short()?;
                self.flight.receive(id);
                wire::put_ack(&mut out.bytes, kind::PUBREL, id);
            }
            kind::PINGREQ => wire::put_packet(&mut out.bytes, kind::PINGRESP << 4, &[]),
            kind::CONNECT => self.connect(fields, out)?,
            kind::SUBSCRIBE => self.subscribe(fields, out)?,
            kind::UNSUBSCRIBE => self.unsubscribe(fields, out)?,
            kind::DISCONNECT => return Err(io::ErrorKind::ConnectionAborted.into()),
            other => return Err(wire::malformed(&format!("a packet of type {other}"))),
        }
        Ok(())
    }

    fn connect(&mut self, mut fields: Fields<'_>, out: &mut Outbox) -> io::Result<()> {
        fields.field()?;
        self.protocol = if fields.byte()? == 5 { Protocol::V5 } else { Protocol::V311 };
        fields.byte()?;
        fields.short()?;
        if self.protocol == Protocol::V5 {
            let asked = fields.properties()?.find_number(0x21)?.and_then(|number| u16::try_from(number).ok());
            self.window = self.window.min(asked.unwrap_or(u16::MAX)).max(1);
        }
        let answer: &[u8] = match self.protocol {
            Protocol::V5 => &[0, 0, 0],
            Protocol::V311 => &[0, 0],
        };
        wire::put_packet(&mut out.bytes, kind::CONNACK << 4, answer);
        Ok(())
    }

    /// Grants every filter at the level that was asked for.
    fn subscribe(&mut self, mut fields: Fields<'_>, out: &mut Outbox) -> io::Result<()> {
        let mut answer = fields.short()?.to_be_bytes().to_vec();
        let mut identifier = None;
        if self.protocol == Protocol::V5 {
            identifier = fields.properties()?.find_number(0x0b)?;
            answer.push(0);
        }
        while !fields.0.is_empty() {
            self.subscriptions.add(&text(fields.field()?)?, identifier);
            answer.push(fields.byte()? & 3);
        }
        wire::put_packet(&mut out.bytes, kind::SUBACK << 4, &answer);
        self.news = true;
        Ok(())
    }

    fn unsubscribe(&mut self, mut fields: Fields<'_>, out: &mut Outbox) -> io::Result<()> {
        let mut answer = fields.short()?.to_be_bytes().to_vec();
        if self.protocol == Protocol::V5 {
            fields.properties()?;
            answer.push(0);
        }
        while !fields.0.is_empty() {
            self.subscriptions.remove(&text(fields.field()?)?);
            if self.protocol == Protocol::V5 {
                answer.push(0);
            }
        }
        wire::put_packet(&mut out.bytes, kind::UNSUBACK << 4, &answer);
        Ok(())
    }
}

fn text(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| wire::malformed("a filter that is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(protocol: Protocol) -> State {
        let flight = Flight::new(10);
        State { protocol, window: 65_535, subscriptions: Subscriptions::default(), flight, news: false }
    }

    /// Gives one packet to the broker and compares what it answers.
    fn check(state: &mut State, packet: &[u8], answer: &[u8]) {
        let (frame, _) = wire::first_frame(packet).unwrap().unwrap();
        let mut out = Outbox::default();
        state.answer(frame, &mut out).unwrap();
        assert_eq!(out.bytes, answer);
    }

    #[test]
    fn receive_maximum_becomes_the_window() {
        let mut state = state(Protocol::V311);
        let connect = [0x10, 17, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 3, 0x21, 4, 0, 0, 1, b'x'];
        check(&mut state, &connect, &[0x20, 3, 0, 0, 0]);
        assert_eq!((state.protocol, state.window), (Protocol::V5, 1024));
    }

    #[test]
    fn a_client_of_version_3_gets_the_window_of_the_broker() {
        let mut state = state(Protocol::V5);
        let connect = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'x'];
        check(&mut state, &connect, &[0x20, 2, 0, 0]);
        assert_eq!((state.protocol, state.window), (Protocol::V311, 65_535));
    }

    #[test]
    fn every_filter_is_granted_and_its_identifier_kept() {
        let mut state = state(Protocol::V5);
        let subscribe = [0x82, 13, 0, 9, 2, 0x0b, 5, 0, 1, b'a', 1, 0, 1, b'+', 2];
        check(&mut state, &subscribe, &[0x90, 5, 0, 9, 0, 1, 2]);
        assert_eq!(state.subscriptions.matching("a").identifiers, [5]);
        assert_eq!(state.subscriptions.matching("a").count, 2);
    }

    #[test]
    fn pubrec_is_released_and_ping_answered() {
        let mut state = state(Protocol::V5);
        check(&mut state, &[0x50, 2, 0, 1], &[0x62, 2, 0, 1]);
        check(&mut state, &[0xc0, 0], &[0xd0, 0]);
    }
}
