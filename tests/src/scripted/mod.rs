//! A scripted MQTT broker in the test's own process: it chooses packet ids, forgets sessions, refuses, delays, cuts
//! connections, repeats itself and speaks nonsense on command, and writes down everything that it is told.

mod link;
mod script;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use link::{Event, Seen};
pub use script::{Script, SessionAnswer};

use crate::wire::{Packet, Publish, Subscribe};
use link::Shared;

/// A running scripted broker.
pub struct ScriptedBroker {
    pub port: u16,
    shared: Arc<Shared>,
}

impl ScriptedBroker {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// Where loopback has none.
    #[must_use]
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared::new(script));
        let own = shared.clone();
        thread::spawn(move || link::accept(&listener, &own));
        Self { port, shared }
    }

    /// The `[mqtt.plant]` table of the bridge's configuration; `more` is put beneath.
    #[must_use]
    pub fn table(&self, more: &str) -> String {
        format!("[mqtt.plant]\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"bridge\"\n{more}\n", self.port)
    }

    /// Changes how it behaves from now on.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        self.shared.change(change);
    }

    /// Answers subscriptions to `filter` with `code` from now on.
    pub fn refuse(&self, filter: &str, code: u8) {
        self.change(|script| script.suback.extend([(filter.to_owned(), code)]));
    }

    /// Everything that happened so far.
    #[must_use]
    pub fn log(&self) -> Vec<Seen> {
        self.shared.log()
    }

    /// Waits until the log satisfies `condition`.
    ///
    /// # Panics
    /// Where it does not within `patience`; the text has the end of the log.
    pub fn wait(&self, what: &str, patience: Duration, condition: impl Fn(&[Seen]) -> bool) {
        if !self.shared.wait(patience, &condition) {
            let log = self.log();
            let tail: Vec<_> = log.iter().rev().take(15).rev().map(|seen| format!("  {seen:?}")).collect();
            panic!("the scripted broker waited {patience:?} for {what}; it saw last:\n{}", tail.join("\n"));
        }
    }

    /// Waits until the newest connection has subscribed to `filter`.
    ///
    /// # Panics
    /// Where it does not.
    pub fn wait_subscribed(&self, filter: &str, patience: Duration) {
        self.wait(&format!("a subscription to {filter}"), patience, |log| {
            let newest = log.iter().map(|seen| seen.connection).max();
            log.iter().any(|seen| Some(seen.connection) == newest && subscribes(seen, filter))
        });
    }

    /// Sends one packet on the newest connection; does nothing where there is none.
    pub fn send(&self, packet: &Packet) {
        self.shared.send(|version| packet.encode(version));
    }

    /// Sends a message on the newest connection.
    pub fn publish(&self, topic: &str, payload: &[u8], qos: u8, packet_id: u16) {
        let publish = Publish { topic: topic.into(), payload: payload.to_vec(), qos, packet_id, ..Publish::default() };
        self.send(&Packet::Publish(publish));
    }

    /// Sends bytes as they are.
    pub fn raw(&self, bytes: &[u8]) {
        self.shared.send(|_| bytes.to_vec());
    }

    /// Cuts the newest connection without a word.
    pub fn hang_up(&self) {
        self.shared.hang_up();
    }

    /// Number of the newest connection, from 1; 0 before the first.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// All PUBACK, PUBREC and PUBCOMP so far: connection and packet, in the order they came.
    #[must_use]
    pub fn acks(&self) -> Vec<(usize, Packet)> {
        acks(&self.log())
    }

    /// Packet ids of all PUBACK of one connection, in the order they came.
    #[must_use]
    pub fn pubacks(&self, connection: usize) -> Vec<u16> {
        pubacks(&self.log(), connection)
    }

    /// All SUBSCRIBE so far.
    #[must_use]
    pub fn subscribes(&self) -> Vec<(usize, Subscribe)> {
        let of = |seen: Seen| match seen.event {
            Event::Packet(Packet::Subscribe(subscribe)) => Some((seen.connection, subscribe)),
            Event::Packet(_) | Event::Opened | Event::Closed(_) => None,
        };
        self.log().into_iter().filter_map(of).collect()
    }

    /// How many PINGREQ came on `connection`.
    #[must_use]
    pub fn pings(&self, connection: usize) -> usize {
        let is_ping = |seen: &&Seen| seen.connection == connection && seen.event == Event::Packet(Packet::Pingreq);
        self.log().iter().filter(is_ping).count()
    }
}

impl Drop for ScriptedBroker {
    fn drop(&mut self) {
        self.shared.stop();
        // Wakes the listener, which then sees that it is over.
        let _woken = std::net::TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The acknowledgements in a log.
#[must_use]
pub fn acks(log: &[Seen]) -> Vec<(usize, Packet)> {
    let of = |seen: &Seen| match &seen.event {
        Event::Packet(packet @ (Packet::Puback { .. } | Packet::Pubrec { .. } | Packet::Pubcomp { .. })) => {
            Some((seen.connection, packet.clone()))
        }
        Event::Packet(_) | Event::Opened | Event::Closed(_) => None,
    };
    log.iter().filter_map(of).collect()
}

/// The packet ids of the PUBACKs of one connection in a log.
#[must_use]
pub fn pubacks(log: &[Seen], connection: usize) -> Vec<u16> {
    let of = |(on, packet): (usize, Packet)| match packet {
        Packet::Puback { packet_id, .. } if on == connection => Some(packet_id),
        _ => None,
    };
    acks(log).into_iter().filter_map(of).collect()
}

fn subscribes(seen: &Seen, filter: &str) -> bool {
    match &seen.event {
        Event::Packet(Packet::Subscribe(subscribe)) => subscribe.filters.iter().any(|(own, _)| own == filter),
        Event::Packet(_) | Event::Opened | Event::Closed(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::net::loopback;
    use crate::wire::{Connack, Connect, PacketStream, Version};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn connect(broker: &ScriptedBroker, clean: bool) -> (PacketStream, Connack) {
        let socket = TcpStream::connect(loopback(broker.port)).expect("the broker listens");
        let mut stream = PacketStream::new(socket, Version::V5);
        let connect = Connect { client_id: "c".into(), clean, ..Connect::default() };
        stream.send(&Packet::Connect(Version::V5, connect)).expect("it is sent");
        match stream.receive(PATIENCE).expect("an answer").expect("an answer in time") {
            Packet::Connack(connack) => (stream, connack),
            other => panic!("instead of CONNACK: {other:?}"),
        }
    }

    fn subscribe(stream: &mut PacketStream, filter: &str) -> Packet {
        let filters = vec![(filter.to_owned(), 1)];
        stream.send(&Packet::Subscribe(Subscribe { packet_id: 1, filters, subscription_id: None })).expect("sent");
        stream.receive(PATIENCE).expect("an answer").expect("an answer in time")
    }

    #[test]
    fn the_session_is_remembered_until_the_script_forgets_it() {
        let broker = ScriptedBroker::start(Script::default());
        assert!(!connect(&broker, false).1.session_present);
        assert!(connect(&broker, false).1.session_present);
        broker.change(|script| script.session = SessionAnswer::Always(false));
        assert!(!connect(&broker, false).1.session_present);
        assert_eq!(broker.connections(), 3);
    }

    #[test]
    fn subscriptions_are_granted_or_refused_by_filter() {
        let broker = ScriptedBroker::start(Script::default());
        broker.refuse("b", 0x87);
        let (mut stream, _) = connect(&broker, true);
        assert_eq!(subscribe(&mut stream, "a"), Packet::Suback { packet_id: 1, codes: vec![1] });
        assert_eq!(subscribe(&mut stream, "b"), Packet::Suback { packet_id: 1, codes: vec![0x87] });
        broker.wait_subscribed("b", PATIENCE);
    }

    #[test]
    fn messages_go_out_and_acknowledgements_are_written_down_in_order() {
        let broker = ScriptedBroker::start(Script::default());
        let (mut stream, _) = connect(&broker, true);
        broker.publish("t", b"x", 1, 9);
        broker.publish("t", b"y", 1, 4);
        for _ in 0..2 {
            let Some(Packet::Publish(publish)) = stream.receive(PATIENCE).expect("a message") else { panic!() };
            stream.send(&Packet::Puback { packet_id: publish.packet_id, code: 0 }).expect("sent");
        }
        broker.wait("two acknowledgements", PATIENCE, |log| acks(log).len() == 2);
        assert_eq!(broker.pubacks(1), [9, 4]);
    }

    #[test]
    fn qos_2_is_released_unless_the_script_says_not() {
        let broker = ScriptedBroker::start(Script::default());
        let (mut stream, _) = connect(&broker, true);
        stream.send(&Packet::Pubrec { packet_id: 5, code: 0 }).expect("sent");
        let released = stream.receive(PATIENCE).expect("an answer");
        assert_eq!(released, Some(Packet::Pubrel { packet_id: 5, code: 0 }));
    }

    #[test]
    fn a_cut_connection_is_seen_at_both_ends() {
        let broker = ScriptedBroker::start(Script::default());
        let (mut stream, _) = connect(&broker, true);
        broker.hang_up();
        assert!(stream.receive(PATIENCE).is_err());
        broker.wait("the end", PATIENCE, |log| log.iter().any(|seen| matches!(seen.event, Event::Closed(_))));
    }

    #[test]
    fn silence_on_pings_can_be_had() {
        let broker = ScriptedBroker::start(Script { answers_pings: false, ..Script::default() });
        let (mut stream, _) = connect(&broker, true);
        stream.send(&Packet::Pingreq).expect("sent");
        broker.wait("the ping", PATIENCE, |log| log.iter().any(|seen| seen.event == Event::Packet(Packet::Pingreq)));
        broker.raw(&[0xd0, 0]);
        assert_eq!(stream.receive(PATIENCE).expect("an answer"), Some(Packet::Pingresp));
        assert_eq!(broker.pings(1), 1);
    }
}
