//! An MQTT 3.1.1 client for real brokers: publishes by the clock, or takes stamped messages and says how long they took.

use crate::failure::{Context, Failure, Tried};
use crate::link::Link;
use crate::traffic;
use crate::wire::{self, Fields, Protocol, Template, kind};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// Longest wait for an answer of the broker.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a broker on loopback, logged in with a clean session.
#[derive(Debug)]
pub struct Client {
    link: Link,
    next_id: u16,
}

/// How publishing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Messages that the broker has acknowledged.
    pub acknowledged: u64,
    /// Worst delay of a message behind its time, as far as the publisher caused it.
    pub late_max: Duration,
}

impl Client {
    /// Connects and waits until the broker has agreed.
    ///
    /// # Errors
    /// When the broker does not answer or refuses.
    pub fn connect(port: u16, client_id: &str) -> Tried<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connect to the MQTT broker")?;
        let mut client = Client { link: Link::new(socket)?, next_id: 0 };
        let mut body = b"\0\x04MQTT\x04\x02\0\0".to_vec();
        wire::put_field(&mut body, client_id.as_bytes());
        wire::put_packet(&mut client.link.outbox.bytes, kind::CONNECT << 4, &body);
        client.await_answer(kind::CONNACK)?;
        Ok(client)
    }

    /// Subscribes at level 1 and waits until the broker has agreed.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn subscribe(&mut self, filter: &str) -> Tried<()> {
        let mut body = self.take_id().to_be_bytes().to_vec();
        wire::put_field(&mut body, filter.as_bytes());
        body.push(1);
        wire::put_packet(&mut self.link.outbox.bytes, kind::SUBSCRIBE << 4 | 2, &body);
        self.await_answer(kind::SUBACK)
    }

    /// Publishes at level 1, `rate` messages a second by the clock, whatever the broker does (open loop), and waits for
    /// the acknowledgements. Each payload starts with the time at which its message was due, in nanoseconds after
    /// `epoch`: a message that is sent late has been waiting since it was due.
    ///
    /// # Errors
    /// When the broker closes the connection.
    pub fn publish(&mut self, templates: &[Template], messages: u64, rate: f64, epoch: Instant) -> Tried<Published> {
        let begun = Instant::now();
        let offset = begun.duration_since(epoch);
        let (mut sent, mut acknowledged, mut late_max) = (0_u64, 0_u64, Duration::ZERO);
        let mut quiet_since = Instant::now();
        while acknowledged < messages && quiet_since.elapsed() < PATIENCE {
            let due = due_at(sent, rate);
            let late = begun.elapsed().saturating_sub(due);
            if sent < messages && begun.elapsed() >= due {
                late_max = late_max.max(late);
                self.put(&templates[sent as usize % templates.len()], offset + due);
                sent += 1;
                continue;
            }
            let patience = if sent < messages { due.saturating_sub(begun.elapsed()) } else { PATIENCE };
            self.link.turn(patience.min(PATIENCE)).context("publish")?;
            let before = acknowledged;
            acknowledged += self.count(kind::PUBACK)?;
            if acknowledged > before || sent < messages {
                quiet_since = Instant::now();
            }
        }
        Ok(Published { acknowledged, late_max })
    }

    /// Takes messages and acknowledges them; nanoseconds under way of each, until `expected` are there or none came for
    /// a while.
    ///
    /// # Errors
    /// When the broker closes the connection or sends what was not asked for.
    pub fn read_stamps(&mut self, expected: usize, epoch: Instant) -> Tried<Vec<u64>> {
        let mut delays = Vec::with_capacity(expected);
        let mut quiet_since = Instant::now();
        while delays.len() < expected && quiet_since.elapsed() < PATIENCE {
            self.link.turn(PATIENCE).context("read from the MQTT broker")?;
            let now = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
            while let Some(frame) = self.link.inbox.next_frame()? {
                if frame.kind != kind::PUBLISH {
                    continue;
                }
                let mut fields = Fields(frame.body);
                fields.field()?;
                if frame.flags & 0b110 != 0 {
                    wire::put_ack(&mut self.link.outbox.bytes, kind::PUBACK, fields.short()?);
                }
                delays.extend(traffic::stamped(fields.0).map(|sent| now.saturating_sub(sent)));
                quiet_since = Instant::now();
            }
        }
        self.link.flush()?;
        Ok(delays)
    }

    fn put(&mut self, template: &Template, due: Duration) {
        let id = self.take_id();
        let out = &mut self.link.outbox.bytes;
        let start = out.len();
        template.put(out, id);
        traffic::stamp(&mut out[start + template.payload_at..], u64::try_from(due.as_nanos()).unwrap_or(u64::MAX));
    }

    fn take_id(&mut self) -> u16 {
        self.next_id = self.next_id % u16::MAX + 1;
        self.next_id
    }

    fn await_answer(&mut self, wanted: u8) -> Tried<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.link.turn(PATIENCE)?;
            if self.count(wanted)? > 0 {
                return Ok(());
            }
        }
        Err(Failure::new(format!("the MQTT broker did not answer within {PATIENCE:?}")))
    }

    /// Packets of one kind among those that have arrived; the others are of no interest.
    fn count(&mut self, wanted: u8) -> io::Result<u64> {
        let mut count = 0;
        while let Some(frame) = self.link.inbox.next_frame()? {
            count += u64::from(frame.kind == wanted);
        }
        Ok(count)
    }
}

/// PUBLISH packets at level 1 on these topics.
#[must_use]
pub fn templates(topics: &[String], payload_bytes: usize) -> Vec<Template> {
    let payload = traffic::payload(payload_bytes);
    topics.iter().map(|topic| Template::new(Protocol::V311, topic, 1, &[], &payload)).collect()
}

/// When the message after the first `sent` is due.
#[must_use]
pub fn due_at(sent: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(sent as f64 / rate)
}
