//! Bridges that sin on purpose, so that the oracle is seen to find each sin. Written by hand, apart from the host: nothing
//! of it can come into the shipped program.
//!
//! A saboteur takes messages of one MQTT connection, waits a while as if it had work, hands each to Kafka, and acknowledges
//! in receive order when Kafka has it, except for its sin.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::net::loopback;
use crate::wire::{Connect, Packet, PacketStream, Publish, Subscribe, Version};

/// What a bridge must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sin {
    /// Does everything right.
    None,
    /// Acknowledges before Kafka has the message.
    AckOnReceipt,
    /// Acknowledges as Kafka answers, not in receive order.
    AckOutOfOrder,
    /// Forgets, and acknowledges, what does not fit into its queue.
    DropOnFull,
    /// Forgets, and acknowledges, what waits when it is told to reload.
    ForgetOnReload,
    /// Acknowledges on a new connection what came on the old one.
    StaleAck,
}

/// Messages that wait for their turn at most, where the queue is the sin.
const QUEUE_MAX: usize = 50;
/// How long a message waits as if it were worked on.
const WORK: Duration = Duration::from_millis(30);

/// A running saboteur.
pub struct Saboteur {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Saboteur {
    /// Bridges `plant/#` of the broker at `mqtt_port` to the topic `all`.
    #[must_use]
    pub fn start(sin: Sin, mqtt_port: u16, brokers: &str) -> Self {
        let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let control = (stop.clone(), reload.clone());
        let brokers = brokers.to_owned();
        let thread = thread::spawn(move || Work::new(sin, mqtt_port, &brokers, control).run());
        Self { stop, reload, thread: Some(thread) }
    }

    /// Tells it to reload.
    pub fn reload(&self) {
        self.reload.store(true, Ordering::SeqCst);
    }

    /// Ends it as kill -9 would: what it holds is gone.
    pub fn crash(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Where it failed, the oracle finds what is missing.
            let _ended = thread.join();
        }
    }
}

impl Drop for Saboteur {
    fn drop(&mut self) {
        self.end();
    }
}

/// One message in hand.
struct Held {
    number: u64,
    connection: u64,
    publish: Publish,
    due: Instant,
}

/// Tells which messages Kafka has.
struct Reports(Sender<u64>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        if result.is_ok() {
            // Where nobody listens any more, nothing is acknowledged.
            let _told = self.0.send(*number);
        }
    }
}

struct Work {
    sin: Sin,
    port: u16,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    producer: BaseProducer<Reports>,
    reports: Receiver<u64>,
    /// Not yet given to Kafka.
    waiting: VecDeque<Held>,
    /// In receive order: number, connection, packet id.
    unacknowledged: VecDeque<(u64, u64, u16)>,
    settled: BTreeSet<u64>,
    next: u64,
    connection: u64,
}

impl Work {
    fn new(sin: Sin, port: u16, brokers: &str, control: (Arc<AtomicBool>, Arc<AtomicBool>)) -> Self {
        let (sender, reports) = channel();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("linger.ms", "0");
        config.set("partitioner", "murmur2_random").set("message.timeout.ms", "0");
        let producer = config.create_with_context(Reports(sender)).expect("a producer");
        Self {
            sin,
            port,
            stop: control.0,
            reload: control.1,
            producer,
            reports,
            waiting: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            settled: BTreeSet::new(),
            next: 0,
            connection: 0,
        }
    }

    fn run(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            // Whatever breaks, the answer is a new connection.
            if self.connected().is_err() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
    }

    fn connected(&mut self) -> io::Result<()> {
        let mut stream = self.connect()?;
        while !self.stop.load(Ordering::SeqCst) {
            let mut packet = stream.receive(Duration::from_millis(1))?;
            while let Some(one) = packet {
                self.take(one, &mut stream)?;
                packet = stream.buffered()?;
            }
            self.produce(&mut stream)?;
            self.settle(&mut stream)?;
        }
        Ok(())
    }

    fn connect(&mut self) -> io::Result<PacketStream> {
        let socket = TcpStream::connect_timeout(&loopback(self.port), Duration::from_secs(2))?;
        let mut stream = PacketStream::new(socket, Version::V5);
        self.connection += 1;
        if self.sin != Sin::StaleAck {
            self.unacknowledged.clear();
            self.settled.clear();
        }
        let connect = Connect {
            client_id: "saboteur".into(),
            session_expiry_s: Some(3_600),
            receive_maximum: Some(200),
            ..Connect::default()
        };
        stream.send(&Packet::Connect(Version::V5, connect))?;
        let filters = vec![("plant/#".to_owned(), 1)];
        stream.send(&Packet::Subscribe(Subscribe { packet_id: 1, filters, subscription_id: None }))?;
        Ok(stream)
    }

    fn take(&mut self, packet: Packet, stream: &mut PacketStream) -> io::Result<()> {
        let Packet::Publish(publish) = packet else { return Ok(()) };
        let (number, packet_id) = (self.next, publish.packet_id);
        self.next += 1;
        let is_full = self.sin == Sin::DropOnFull && self.waiting.len() >= QUEUE_MAX;
        match self.sin {
            Sin::AckOnReceipt => stream.send(&Packet::Puback { packet_id, code: 0 })?,
            _ => self.unacknowledged.push_back((number, self.connection, packet_id)),
        }
        if is_full {
            self.settled.insert(number);
            return Ok(());
        }
        self.waiting.push_back(Held { number, connection: self.connection, publish, due: Instant::now() + WORK });
        Ok(())
    }

    fn produce(&mut self, stream: &mut PacketStream) -> io::Result<()> {
        if self.reload.swap(false, Ordering::SeqCst) && self.sin == Sin::ForgetOnReload {
            let forgotten: Vec<_> = self.waiting.drain(..).map(|held| held.number).collect();
            self.settled.extend(forgotten);
            return self.settle(stream);
        }
        while self.waiting.front().is_some_and(|held| held.due <= Instant::now()) {
            let Some(held) = self.waiting.pop_front() else { return Ok(()) };
            if held.connection == self.connection || self.sin == Sin::StaleAck {
                self.hand_over(&held);
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    fn hand_over(&self, held: &Held) {
        let topic = &held.publish.topic;
        let headers = OwnedHeaders::new().insert(Header { key: "mqtt.topic", value: Some(topic) });
        let record = BaseRecord::with_opaque_to("all", Box::new(held.number));
        let record = record.key(topic).payload(&held.publish.payload).headers(headers);
        // A full producer is a message that stays unacknowledged.
        let _handed_over = self.producer.send(record);
    }

    fn settle(&mut self, stream: &mut PacketStream) -> io::Result<()> {
        self.settled.extend(self.reports.try_iter());
        if self.sin == Sin::AckOutOfOrder {
            return self.settle_any(stream);
        }
        while let Some((number, _, packet_id)) = self.unacknowledged.front().copied() {
            if !self.settled.remove(&number) {
                return Ok(());
            }
            self.unacknowledged.pop_front();
            stream.send(&Packet::Puback { packet_id, code: 0 })?;
        }
        Ok(())
    }

    /// The newest first, as a bridge with many workers might.
    fn settle_any(&mut self, stream: &mut PacketStream) -> io::Result<()> {
        while let Some(number) = self.settled.pop_last() {
            let Some(at) = self.unacknowledged.iter().position(|one| one.0 == number) else { continue };
            let Some((_, _, packet_id)) = self.unacknowledged.remove(at) else { continue };
            stream.send(&Packet::Puback { packet_id, code: 0 })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::figures::{Figures, Invariant};
    use crate::faults::follow::Follower;
    use crate::faults::session::{Memory, Numbered, Session};
    use crate::mock::Mock;
    use crate::payload::MessageId;
    use crate::verdict::Expected;

    const SIZE: usize = 100;
    const PATIENCE: Duration = Duration::from_secs(20);

    fn topic(id: MessageId) -> String {
        format!("plant/m{}", id.publisher)
    }

    /// A load, and in the middle of it Kafka slow, a reload, a broken connection, a crash; then all is judged.
    fn suffer(sin: Sin) -> Figures {
        let session = Session::start(Numbered {
            publishers: 10,
            each: 300,
            rate: Some(1_500),
            topic: Arc::new(topic),
            payload: Arc::new(|id| id.payload(SIZE)),
        });
        let mock = Mock::start(&[("all", 3)]);
        let access = mock.client();
        let expect = Box::new(|_: MessageId, topic: &str| vec![Expected::plain("all", topic)]);
        let follower = Follower::start(&access, &["all"], Arc::new(topic), SIZE, expect);
        let saboteur = Saboteur::start(sin, session.port, &access.brokers);
        session.wait_acked(300, PATIENCE);
        saboteur.reload();
        mock.delay(Duration::from_millis(300));
        thread::sleep(Duration::from_millis(200));
        session.set_memory(Memory::Forgets);
        session.hang_up();
        thread::sleep(Duration::from_millis(600));
        session.set_memory(Memory::Keeps);
        saboteur.crash();
        mock.delay(Duration::ZERO);
        let _second = Saboteur::start(sin, session.port, &access.brokers);
        let settled = session.wait_settled(PATIENCE);
        let published = session.published();
        let violations = session.ack_violations();
        let verdict = follower.finish(&published).0;
        let mut figures = Figures { ack_violations: Some(violations), ..Figures::default() };
        (figures.sent, figures.duplicates_max, figures.verdict) = (published.sent(), 2 * 200, verdict);
        figures.healed = (!settled).then_some(Err(PATIENCE));
        figures
    }

    fn check(sin: Sin, caught_by: Option<Invariant>) {
        let figures = suffer(sin);
        let broken = figures.broken();
        match caught_by {
            None => assert!(broken.is_empty(), "{sin:?}: {broken:?}, {}", figures.verdict),
            Some(invariant) => {
                assert!(
                    broken.iter().any(|(found, _)| *found == invariant),
                    "{sin:?}: {broken:?}, {}",
                    figures.verdict
                );
            }
        }
    }

    #[test]
    fn an_honest_bridge_is_found_honest() {
        check(Sin::None, None);
    }

    #[test]
    fn an_acknowledgement_on_receipt_is_a_loss() {
        check(Sin::AckOnReceipt, Some(Invariant::Conservation));
    }

    #[test]
    fn an_acknowledgement_out_of_order_is_seen() {
        check(Sin::AckOutOfOrder, Some(Invariant::AckOrder));
    }

    #[test]
    fn a_drop_on_a_full_queue_is_a_loss() {
        check(Sin::DropOnFull, Some(Invariant::Conservation));
    }

    #[test]
    fn a_reload_that_forgets_is_a_loss() {
        check(Sin::ForgetOnReload, Some(Invariant::Conservation));
    }

    #[test]
    fn an_acknowledgement_on_the_wrong_connection_is_seen() {
        check(Sin::StaleAck, Some(Invariant::AckOrder));
    }
}
