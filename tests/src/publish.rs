//! Numbered publishers: each on a connection and a thread of its own, many messages in flight, everything sent again
//! after a break until the broker has acknowledged it.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::net::loopback;
use crate::payload::MessageId;
use crate::process::wait_until;
use crate::wire::{Connect, Packet, PacketStream, Publish, Version};

/// Code of an acknowledgement that says that nobody subscribed (MQTT 5, section 3.4.2.1).
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
/// How long a publisher waits for an answer before it takes the connection for dead.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
const RECONNECT_EVERY: Duration = Duration::from_millis(100);

/// The MQTT topic of each message.
pub type TopicOf = Arc<dyn Fn(MessageId) -> String + Send + Sync>;

/// What is to be published.
#[derive(Clone)]
pub struct Load {
    pub port: u16,
    pub version: Version,
    pub login: Option<(&'static str, &'static str)>,
    pub qos: u8,
    pub publishers: u32,
    /// Messages of each publisher.
    pub each: u32,
    /// Messages a second of all publishers together; `None` is as fast as the broker takes them.
    pub rate: Option<u32>,
    /// Most unacknowledged messages of one publisher.
    pub window: usize,
    pub payload_bytes: usize,
    pub topic: TopicOf,
}

impl Load {
    /// QoS 1 over MQTT 5, 100 publishers, 200 bytes, unlimited rate.
    pub fn new(port: u16, each: u32, topic: impl Fn(MessageId) -> String + Send + Sync + 'static) -> Self {
        Self {
            port,
            version: Version::V5,
            login: None,
            qos: 1,
            publishers: 100,
            each,
            rate: None,
            window: 20,
            payload_bytes: 200,
            topic: Arc::new(topic),
        }
    }

    /// Starts all publishers.
    #[must_use]
    pub fn start(self) -> Publishing {
        let control = Arc::new(Control::default());
        let work = (0..self.publishers).map(|number| {
            let (load, control) = (self.clone(), control.clone());
            thread::spawn(move || Publisher::new(load, control, number).run())
        });
        Publishing { threads: work.collect(), control, started: Instant::now() }
    }

    /// Time between two messages of one publisher.
    fn interval(&self) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(f64::from(self.publishers) / f64::from(rate)))
    }
}

#[derive(Default)]
struct Control {
    stop: AtomicBool,
    paused: AtomicBool,
    acked: AtomicU64,
    in_flight: AtomicU64,
    resent: AtomicU64,
    unmatched: AtomicU64,
}

/// Publishers at work.
pub struct Publishing {
    threads: Vec<JoinHandle<Vec<bool>>>,
    control: Arc<Control>,
    started: Instant,
}

impl Publishing {
    /// Messages that the broker has acknowledged.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.control.acked.load(Ordering::Relaxed)
    }

    /// Waits until the broker has acknowledged `count` messages.
    ///
    /// # Panics
    /// Where it has not within `patience`.
    pub fn wait_acked(&self, count: u64, patience: Duration) {
        let reached = wait_until(patience, || self.acked() >= count);
        assert!(reached, "the broker acknowledged {} of {count} messages in {patience:?}", self.acked());
    }

    /// Stops sending and waits until everything sent is acknowledged.
    ///
    /// # Panics
    /// Where the broker does not acknowledge.
    pub fn pause(&self) {
        self.control.paused.store(true, Ordering::SeqCst);
        // A publisher may have looked just before; what it sends then shows in `in_flight` after one look.
        thread::sleep(Duration::from_millis(50));
        let quiet = wait_until(ANSWER_PATIENCE, || self.control.in_flight.load(Ordering::SeqCst) == 0);
        assert!(quiet, "the broker does not acknowledge what was sent");
    }

    pub fn resume(&self) {
        self.control.paused.store(false, Ordering::SeqCst);
    }

    /// Waits until all messages are sent and acknowledged.
    ///
    /// # Panics
    /// Where a publisher failed.
    #[must_use]
    pub fn finish(self) -> Published {
        let acked = self.threads.into_iter().map(|thread| thread.join().expect("a publisher ends well")).collect();
        Published {
            acked,
            resent: self.control.resent.load(Ordering::Relaxed),
            unmatched: self.control.unmatched.load(Ordering::Relaxed),
            took: self.started.elapsed(),
        }
    }

    /// Sends nothing new, waits for what is in flight.
    ///
    /// # Panics
    /// As `finish`.
    #[must_use]
    pub fn stop(self) -> Published {
        self.control.stop.store(true, Ordering::SeqCst);
        self.finish()
    }
}

/// What was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// By publisher and sequence: whether the broker acknowledged it. As long as what was sent.
    pub acked: Vec<Vec<bool>>,
    /// Messages sent again after a break: the broker may hold each twice.
    pub resent: u64,
    /// Messages that the broker says nobody subscribed to.
    pub unmatched: u64,
    pub took: Duration,
}

impl Published {
    /// All messages that were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.acked.iter().map(|of| of.len() as u64).sum()
    }
}

struct Publisher {
    load: Load,
    control: Arc<Control>,
    number: u32,
    acked: Vec<bool>,
    /// Sequences sent and not acknowledged, in order.
    in_flight: VecDeque<u32>,
    started: Instant,
}

impl Publisher {
    fn new(load: Load, control: Arc<Control>, number: u32) -> Self {
        Self { load, control, number, acked: Vec::new(), in_flight: VecDeque::new(), started: Instant::now() }
    }

    fn run(mut self) -> Vec<bool> {
        while !self.is_done() {
            // Whatever breaks, the answer is a new connection; the test itself has the time limit.
            if self.connected().is_err() {
                thread::sleep(RECONNECT_EVERY);
            }
        }
        self.acked
    }

    fn is_done(&self) -> bool {
        self.in_flight.is_empty() && !self.has_more()
    }

    fn has_more(&self) -> bool {
        (self.acked.len() as u64) < u64::from(self.load.each) && !self.control.stop.load(Ordering::SeqCst)
    }

    /// One connection until it breaks or nothing is left to do.
    fn connected(&mut self) -> io::Result<()> {
        let mut stream = self.connect()?;
        let again: Vec<u8> = self.in_flight.iter().flat_map(|sequence| self.publish(*sequence, true)).collect();
        self.control.resent.fetch_add(self.in_flight.len() as u64, Ordering::Relaxed);
        stream.write(&again)?;
        while !self.is_done() {
            let fresh = self.fresh();
            stream.write(&fresh)?;
            self.take_answers(&mut stream)?;
        }
        stream.send(&Packet::Disconnect { code: 0 })
    }

    fn connect(&self) -> io::Result<PacketStream> {
        let socket = TcpStream::connect_timeout(&loopback(self.load.port), Duration::from_secs(2))?;
        socket.set_nodelay(true)?;
        let mut stream = PacketStream::new(socket, self.load.version);
        let connect = Connect {
            client_id: format!("publisher-{}", self.number),
            clean: true,
            username: self.load.login.map(|login| login.0.to_owned()),
            password: self.load.login.map(|login| login.1.as_bytes().to_vec()),
            ..Connect::default()
        };
        stream.send(&Packet::Connect(self.load.version, connect))?;
        match stream.receive(ANSWER_PATIENCE)? {
            Some(Packet::Connack(connack)) if connack.code == 0 => Ok(stream),
            other => Err(io::Error::other(format!("instead of CONNACK: {other:?}"))),
        }
    }

    /// The bytes of all messages that are due and fit into the window.
    fn fresh(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.in_flight.len() < self.load.window && self.has_more() && self.is_due() {
            let sequence = u32::try_from(self.acked.len()).expect("below `each`");
            bytes.extend(self.publish(sequence, false));
            self.acked.push(false);
            self.in_flight.push_back(sequence);
            self.control.in_flight.fetch_add(1, Ordering::SeqCst);
        }
        bytes
    }

    fn is_due(&self) -> bool {
        let due = self.load.interval() * u32::try_from(self.acked.len()).expect("below `each`");
        !self.control.paused.load(Ordering::SeqCst) && self.started.elapsed() >= due
    }

    fn publish(&self, sequence: u32, dup: bool) -> Vec<u8> {
        let id = MessageId { publisher: self.number, sequence };
        let publish = Publish {
            topic: (self.load.topic)(id),
            payload: id.payload(self.load.payload_bytes),
            qos: self.load.qos,
            dup,
            packet_id: packet_id(sequence),
            ..Publish::default()
        };
        Packet::Publish(publish).encode(self.load.version)
    }

    /// Waits for an answer where nothing can be sent, else takes what is there.
    fn take_answers(&mut self, stream: &mut PacketStream) -> io::Result<()> {
        let must_wait = self.in_flight.len() >= self.load.window || !self.has_more();
        let patience = if must_wait { ANSWER_PATIENCE } else { Duration::from_millis(2) };
        match stream.receive(patience)? {
            Some(packet) => self.take(stream, packet)?,
            None if must_wait && !self.in_flight.is_empty() => return Err(io::ErrorKind::TimedOut.into()),
            None => {}
        }
        while let Some(packet) = stream.buffered()? {
            self.take(stream, packet)?;
        }
        Ok(())
    }

    fn take(&mut self, stream: &mut PacketStream, packet: Packet) -> io::Result<()> {
        match packet {
            Packet::Puback { packet_id, code } | Packet::Pubcomp { packet_id, code } => self.settle(packet_id, code),
            Packet::Pubrec { packet_id, code } => {
                self.note(code)?;
                stream.send(&Packet::Pubrel { packet_id, code: 0 })
            }
            other => Err(io::Error::other(format!("not for a publisher: {other:?}"))),
        }
    }

    fn settle(&mut self, id: u16, code: u8) -> io::Result<()> {
        self.note(code)?;
        let Some(at) = self.in_flight.iter().position(|sequence| packet_id(*sequence) == id) else {
            return Err(io::Error::other(format!("an acknowledgement of packet {id}, which is not in flight")));
        };
        let sequence = self.in_flight.remove(at).expect("it was found there");
        self.acked[usize::try_from(sequence).expect("32 bits fit")] = true;
        self.control.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.control.acked.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn note(&self, code: u8) -> io::Result<()> {
        match code {
            NO_MATCHING_SUBSCRIBERS => self.control.unmatched.fetch_add(1, Ordering::Relaxed),
            0x80.. => return Err(io::Error::other(format!("the broker refuses a message with {code:#04x}"))),
            _ => 0,
        };
        Ok(())
    }
}

fn packet_id(sequence: u32) -> u16 {
    u16::try_from(sequence % 65_535 + 1).expect("at most 65,535")
}
