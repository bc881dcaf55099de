//! The threads behind the scripted broker: one listens; each connection has one that reads and one that writes, so that
//! a client that does not read never blocks the test.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::Script;
use crate::wire::{Packet, PacketStream, Version};

/// Something that happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Opened,
    Packet(Packet),
    /// With what the socket said.
    Closed(String),
}

/// An event with its place and time.
#[derive(Clone, Debug)]
pub struct Seen {
    /// From 1.
    pub connection: usize,
    pub at: Instant,
    pub event: Event,
}

/// What all threads share.
pub(super) struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

struct State {
    script: Script,
    log: Vec<Seen>,
    newest: Option<Link>,
    connections: usize,
    stopped: bool,
}

/// The newest connection.
struct Link {
    socket: TcpStream,
    version: Version,
    out: Sender<Vec<u8>>,
}

impl Shared {
    pub(super) fn new(script: Script) -> Self {
        let state = State { script, log: Vec::new(), newest: None, connections: 0, stopped: false };
        Self { state: Mutex::new(state), news: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the broker panics with the lock held")
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.lock().script);
    }

    pub(super) fn log(&self) -> Vec<Seen> {
        self.lock().log.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.lock().connections
    }

    pub(super) fn wait(&self, patience: Duration, condition: &impl Fn(&[Seen]) -> bool) -> bool {
        let unmet = |state: &mut State| !condition(&state.log);
        let (state, _) = self.news.wait_timeout_while(self.lock(), patience, unmet).expect("no thread panics");
        condition(&state.log)
    }

    pub(super) fn send(&self, encode: impl FnOnce(Version) -> Vec<u8>) {
        if let Some(link) = &self.lock().newest {
            // Where the writer is gone the connection is too, and the log says so.
            let _sent = link.out.send(encode(link.version));
        }
    }

    pub(super) fn hang_up(&self) {
        if let Some(link) = self.lock().newest.take() {
            // It may be closed already.
            let _closed = link.socket.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.hang_up();
    }

    fn note(&self, connection: usize, event: Event) {
        self.lock().log.push(Seen { connection, at: Instant::now(), event });
        self.news.notify_all();
    }

    /// Writes the packet down and queues the answers, in one step, so that answers leave in order.
    fn take(&self, connection: usize, packet: Packet, version: Version, out: &Sender<Vec<u8>>) {
        let mut state = self.lock();
        if let (Packet::Connect(version, _), Some(link)) = (&packet, &mut state.newest) {
            link.version = *version;
        }
        for answer in state.script.answer(&packet) {
            // Where the writer is gone the reader ends next.
            let _sent = out.send(answer.encode(version));
        }
        state.log.push(Seen { connection, at: Instant::now(), event: Event::Packet(packet) });
        drop(state);
        self.news.notify_all();
    }
}

/// Takes connections until the broker is dropped.
pub(super) fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming().flatten() {
        if shared.lock().stopped {
            return;
        }
        open(socket, shared);
    }
}

fn open(socket: TcpStream, shared: &Arc<Shared>) {
    let (Ok(own), Ok(writer)) = (socket.try_clone(), socket.try_clone()) else { return };
    let (out, lines) = channel();
    let connection = {
        let mut state = shared.lock();
        state.connections += 1;
        state.newest = Some(Link { socket: own, version: Version::V5, out: out.clone() });
        state.connections
    };
    shared.note(connection, Event::Opened);
    thread::spawn(move || write(writer, &lines));
    let shared = shared.clone();
    thread::spawn(move || read(connection, socket, &shared, &out));
}

fn write(mut socket: TcpStream, lines: &Receiver<Vec<u8>>) {
    use std::io::Write;
    while let Ok(bytes) = lines.recv() {
        if socket.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn read(connection: usize, socket: TcpStream, shared: &Shared, out: &Sender<Vec<u8>>) {
    let mut stream = PacketStream::new(socket, Version::V5);
    loop {
        match stream.receive(Duration::from_secs(1)) {
            Ok(Some(packet)) => shared.take(connection, packet, stream.version, out),
            Ok(None) if shared.lock().stopped => return,
            Ok(None) => {}
            Err(error) => return shared.note(connection, Event::Closed(error.to_string())),
        }
    }
}
