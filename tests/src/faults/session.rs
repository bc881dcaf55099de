//! A scripted MQTT broker with one session full of numbered messages: it is broker and publishers in one, keeps what is not
//! acknowledged, sends it again after a break, and judges the order of acknowledgements as they come.

mod book;

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::payload::MessageId;
use crate::process::wait_until;
use crate::publish::{Published, TopicOf};
use crate::wire::{Connack, Packet, PacketStream, Publish, Version};
use book::{Book, Due};

/// How long a connection waits for a packet before it looks whether something is to be sent.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The payload of each message.
pub type PayloadOf = Arc<dyn Fn(MessageId) -> Vec<u8> + Send + Sync>;

/// What the session holds.
#[derive(Clone)]
pub struct Numbered {
    pub publishers: u32,
    /// Messages of each publisher.
    pub each: u32,
    /// Messages a second of all together; `None` is as fast as they are acknowledged.
    pub rate: Option<u32>,
    pub topic: TopicOf,
    pub payload: PayloadOf,
}

/// What happens to the session when the client comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// What is not acknowledged comes again, under the packet ids that it had.
    Keeps,
    /// The session is gone; the publishers send again what was not acknowledged, and packet ids begin at 1.
    Forgets,
}

/// A running broker with its session.
pub struct Session {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    book: Book,
    numbered: Numbered,
    memory: Memory,
    has_session: bool,
    /// Connections made; only the newest may go on.
    connections: u64,
    socket: Option<TcpStream>,
    /// Whether connections are taken.
    open: bool,
    /// A connection on which nothing is read and nothing written any more.
    silent: Option<u64>,
    started: Option<Instant>,
    stopped: bool,
}

impl Session {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// Where loopback has none.
    #[must_use]
    pub fn start(numbered: Numbered) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = State {
            book: Book::new(u64::from(numbered.publishers) * u64::from(numbered.each)),
            numbered,
            memory: Memory::Keeps,
            has_session: false,
            connections: 0,
            socket: None,
            open: true,
            silent: None,
            started: None,
            stopped: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let own = shared.clone();
        thread::spawn(move || accept(&listener, &own));
        Self { port, shared }
    }

    /// `[mqtt.NAME]` of the bridge's configuration; `more` is put beneath.
    #[must_use]
    pub fn table(&self, name: &str, more: &str) -> String {
        format!("[mqtt.{name}]\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"bridge-{name}\"\n{more}\n", self.port)
    }

    /// Messages that a publisher has handed over so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        let mut state = self.shared.lock();
        state.accept();
        state.book.accepted()
    }

    /// Messages that the bridge has acknowledged so far.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.shared.lock().book.acked
    }

    /// Acknowledgements out of receive order, or on a connection that did not deliver their message.
    #[must_use]
    pub fn ack_violations(&self) -> u64 {
        self.shared.lock().book.violations
    }

    /// Messages sent and not acknowledged on this connection.
    #[must_use]
    pub fn flying(&self) -> usize {
        self.shared.lock().book.flying()
    }

    /// Times that the bridge has connected.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    /// Puts one message behind all that wait; it has no number.
    pub fn probe(&self, text: &str) {
        let mut state = self.shared.lock();
        state.accept();
        state.book.probe(text);
    }

    /// What happens to the session at the next connection.
    pub fn set_memory(&self, memory: Memory) {
        self.shared.lock().memory = memory;
    }

    /// Cuts the connection.
    pub fn hang_up(&self) {
        self.shared.lock().cut();
    }

    /// The connection stays open, and nothing comes on it any more; the next one is as usual.
    pub fn fall_silent(&self) {
        let mut state = self.shared.lock();
        state.silent = Some(state.connections);
    }

    /// Cuts the connection and refuses new ones until `open`.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.open = false;
        state.cut();
    }

    /// Ends `close`.
    pub fn open(&self) {
        self.shared.lock().open = true;
    }

    /// Takes nothing new from the publishers.
    pub fn stop(&self) {
        let mut state = self.shared.lock();
        state.accept();
        state.book.stop();
    }

    /// Sends a packet of the broker's own.
    pub fn send(&self, packet: &Packet) {
        if let Some(mut socket) = self.shared.lock().socket.as_ref() {
            // A connection that is gone is noticed by its own thread.
            let _sent = io::Write::write_all(&mut socket, &packet.encode(Version::V5));
        }
    }

    /// Waits until nothing waits and nothing is in flight; says whether that came.
    #[must_use]
    pub fn wait_settled(&self, patience: Duration) -> bool {
        wait_until(patience, || {
            let mut state = self.shared.lock();
            state.accept();
            state.book.is_settled()
        })
    }

    /// Waits until `count` messages are acknowledged.
    ///
    /// # Panics
    /// Where they are not within `patience`.
    pub fn wait_acked(&self, count: u64, patience: Duration) {
        let reached = wait_until(patience, || self.acked() >= count);
        assert!(reached, "the bridge acknowledged {} of {count} messages in {patience:?}", self.acked());
    }

    /// All messages that were taken over; each is an obligation.
    #[must_use]
    pub fn published(&self) -> Published {
        let accepted = self.accepted();
        let publishers = u64::from(self.shared.lock().numbered.publishers);
        let of = |publisher: u64| accepted / publishers + u64::from(publisher < accepted % publishers);
        let acked = (0..publishers).map(|publisher| vec![true; usize::try_from(of(publisher)).expect("it fits")]);
        Published { acked: acked.collect(), resent: 0, unmatched: 0, took: Duration::ZERO }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.cut();
        drop(state);
        // Wakes the listener, which then sees that it is over.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the broker panics with the lock held")
    }
}

impl State {
    /// Takes over what the publishers have sent by now.
    fn accept(&mut self) {
        let due = match (self.numbered.rate, self.started) {
            (_, None) => Due::UpTo(0),
            (None, Some(_)) => Due::All,
            (Some(rate), Some(started)) => Due::UpTo((started.elapsed().as_secs_f64() * f64::from(rate)) as u64),
        };
        self.book.accept(due);
    }

    fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            // It may be closed already.
            let _closed = socket.shutdown(Shutdown::Both);
        }
    }

    /// The bytes of everything that may be sent now.
    fn fresh(&mut self) -> Vec<u8> {
        self.accept();
        let mut bytes = Vec::new();
        while let Some(sending) = self.book.next_to_send() {
            let (topic, payload) = match sending.probe {
                Some(text) => ("plant/probe".to_owned(), text.into_bytes()),
                None => self.message(sending.index),
            };
            let publish = Publish {
                topic,
                payload,
                qos: 1,
                dup: sending.dup,
                packet_id: sending.packet_id,
                ..Publish::default()
            };
            bytes.extend(Packet::Publish(publish).encode(Version::V5));
        }
        bytes
    }

    fn message(&self, index: u64) -> (String, Vec<u8>) {
        let publishers = u64::from(self.numbered.publishers);
        let part = |number: u64| u32::try_from(number).expect("few messages");
        let id = MessageId { publisher: part(index % publishers), sequence: part(index / publishers) };
        ((self.numbered.topic)(id), (self.numbered.payload)(id))
    }

    /// The answer to `packet`, where it has one.
    fn answer(&mut self, packet: Packet) -> Option<Packet> {
        match packet {
            Packet::Connect(_, connect) => {
                let session_present = self.has_session && self.memory == Memory::Keeps;
                self.book.connected(connect.receive_maximum.unwrap_or(u16::MAX), session_present);
                self.has_session = true;
                Some(Packet::Connack(Connack { session_present, ..Connack::default() }))
            }
            Packet::Subscribe(subscribe) => {
                self.started.get_or_insert_with(Instant::now);
                self.book.subscribed();
                let codes = subscribe.filters.iter().map(|(_, qos)| *qos).collect();
                Some(Packet::Suback { packet_id: subscribe.packet_id, codes })
            }
            Packet::Unsubscribe { packet_id, filters } => {
                Some(Packet::Unsuback { packet_id, codes: vec![0; filters.len()] })
            }
            Packet::Puback { packet_id, .. } => {
                self.book.acknowledged(packet_id);
                None
            }
            Packet::Pingreq => Some(Packet::Pingresp),
            _ => None,
        }
    }
}

/// Takes connections until the broker is dropped.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming().flatten() {
        let mut state = shared.lock();
        if state.stopped {
            return;
        }
        if !state.open {
            continue;
        }
        let Ok(own) = socket.try_clone() else { continue };
        state.cut();
        state.connections += 1;
        state.book.disconnected();
        state.socket = Some(own);
        let number = state.connections;
        drop(state);
        let shared = shared.clone();
        // The end of a connection is no news: the book is told at the next one.
        thread::spawn(move || drop(serve(socket, number, &shared)));
    }
}

fn serve(socket: TcpStream, number: u64, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = PacketStream::new(socket, Version::V5);
    loop {
        let mut packet = stream.receive(LOOK_EVERY)?;
        let mut bytes = Vec::new();
        {
            let mut state = shared.lock();
            if state.connections != number {
                return Ok(());
            }
            if state.silent == Some(number) {
                drop(state);
                thread::sleep(LOOK_EVERY);
                continue;
            }
            while let Some(one) = packet {
                if matches!(one, Packet::Disconnect { .. }) {
                    state.cut();
                    return Ok(());
                }
                bytes.extend(state.answer(one).map(|answer| answer.encode(Version::V5)).unwrap_or_default());
                packet = stream.buffered()?;
            }
            bytes.extend(state.fresh());
        }
        stream.write(&bytes)?;
    }
}
