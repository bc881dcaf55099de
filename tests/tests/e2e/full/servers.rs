//! The harness on real servers, without the bridge: what it starts comes back after every kind of end, what it publishes
//! arrives, what it reads is what was written.

use std::net::TcpStream;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tidegate_tests::client::KafkaAccess;
use tidegate_tests::kafka::{Access, Kafka};
use tidegate_tests::mosquitto::{Mosquitto, PASSWORD, Settings, USER};
use tidegate_tests::net::loopback;
use tidegate_tests::partition::java_partition;
use tidegate_tests::payload::MessageId;
use tidegate_tests::publish::Load;
use tidegate_tests::read::Reader;
use tidegate_tests::wire::{Connect, Packet, PacketStream, Subscribe, Version};

use super::PATIENCE;

/// Writes `count` keyed records and waits until Kafka has them.
fn produce(access: &KafkaAccess, topic: &str, count: u32) {
    let mut config = access.config();
    config.set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.create().expect("a producer");
    for number in 0..count {
        let (key, payload) = (format!("k{number}"), number.to_string());
        producer.send(BaseRecord::to(topic).key(&key).payload(&payload)).map_err(|(error, _)| error).expect("queued");
    }
    producer.flush(PATIENCE).expect("Kafka takes them");
}

fn assert_records(access: &KafkaAccess, topic: &str, count: usize) {
    let mut reader = Reader::open(access, &[topic]);
    let partitions = reader.partitions()[topic];
    let records = reader.all();
    assert_eq!(records.len(), count);
    for record in records {
        let key = record.key.expect("every record has a key");
        assert_eq!(java_partition(&key, partitions), record.partition);
    }
}

#[test]
#[ignore = "needs real servers"]
fn kafka_keeps_its_records_over_every_kind_of_end() {
    let mut kafka = Kafka::start();
    kafka.client().create_topics(&[("t", 6)]);
    produce(&kafka.client(), "t", 1_000);
    kafka.stop();
    kafka.start_again();
    assert_records(&kafka.client(), "t", 1_000);
    kafka.kill();
    kafka.start_again();
    produce(&kafka.client(), "t", 500);
    kafka.freeze();
    kafka.thaw();
    assert_records(&kafka.client(), "t", 1_500);
}

#[test]
#[ignore = "needs real servers"]
fn kafka_with_scram_lets_in_who_knows_the_password() {
    let kafka = Kafka::start_with(Access::Scram);
    kafka.client().create_topics(&[("t", 3)]);
    produce(&kafka.client(), "t", 100);
    assert_records(&kafka.client(), "t", 100);
    let stranger = kafka.client().with(&[("sasl.password", "wrong"), ("message.timeout.ms", "2000")]);
    let producer: BaseProducer = stranger.config().create().expect("a producer");
    producer.send(BaseRecord::to("t").key("k").payload("x")).map_err(|(error, _)| error).expect("queued");
    // Ends when the message has timed out.
    let _flushed = producer.flush(Duration::from_secs(10));
    assert_records(&kafka.client(), "t", 100);
}

/// A subscriber with a session that is kept; a `clean` one begins without what was kept before
/// (and Mosquitto 2.0.11 does not save it).
fn subscriber(broker: &Mosquitto, clean: bool) -> PacketStream {
    let socket = TcpStream::connect(loopback(broker.port)).expect("Mosquitto listens");
    let mut stream = PacketStream::new(socket, Version::V5);
    let login = broker.settings.password.then_some((USER, PASSWORD));
    let connect = Connect {
        client_id: "subscriber".into(),
        clean,
        username: login.map(|login| login.0.into()),
        password: login.map(|login| login.1.into()),
        session_expiry_s: Some(3_600),
        receive_maximum: Some(1_000),
        ..Connect::default()
    };
    stream.send(&Packet::Connect(Version::V5, connect)).expect("sent");
    let connack = stream.receive(PATIENCE).expect("an answer");
    assert!(matches!(connack, Some(Packet::Connack(ref connack)) if connack.code == 0), "{connack:?}");
    stream
}

fn subscribe(stream: &mut PacketStream) {
    let filters = vec![("t/#".to_owned(), 2)];
    stream.send(&Packet::Subscribe(Subscribe { packet_id: 1, filters, subscription_id: None })).expect("sent");
    let suback = stream.receive(PATIENCE).expect("an answer");
    assert_eq!(suback, Some(Packet::Suback { packet_id: 1, codes: vec![2] }));
}

/// Takes messages until `count` different ones came.
fn receive(stream: &mut PacketStream, count: usize) {
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < count {
        match stream.receive(PATIENCE).expect("the connection holds").expect("a packet in time") {
            Packet::Publish(publish) => {
                let id = MessageId::find(&publish.payload).expect("a numbered message");
                assert_eq!(publish.payload, id.payload(200));
                seen.insert(id);
                let packet_id = publish.packet_id;
                let answer = if publish.qos == 2 {
                    Packet::Pubrec { packet_id, code: 0 }
                } else {
                    Packet::Puback { packet_id, code: 0 }
                };
                stream.send(&answer).expect("sent");
            }
            Packet::Pubrel { packet_id, .. } => stream.send(&Packet::Pubcomp { packet_id, code: 0 }).expect("sent"),
            other => panic!("not for a subscriber: {other:?}"),
        }
    }
}

fn load(broker: &Mosquitto, messages: u32) -> Load {
    Load::new(broker.port, messages / 100, |id| format!("t/{}", id.publisher))
}

#[test]
#[ignore = "needs real servers"]
fn publishers_deliver_every_message_by_every_way() {
    let broker = Mosquitto::start(Settings { password: true, ..Settings::default() });
    for (version, qos) in [(Version::V5, 1), (Version::V5, 2), (Version::V311, 1), (Version::V311, 2)] {
        let mut stream = subscriber(&broker, true);
        subscribe(&mut stream);
        let load = Load { version, qos, login: Some((USER, PASSWORD)), ..load(&broker, 20_000) };
        let publishing = load.start();
        receive(&mut stream, 20_000);
        let published = publishing.finish();
        println!("{version:?} QoS {qos}: 20,000 in {:?}", published.took);
        assert_eq!((published.sent(), published.resent, published.unmatched), (20_000, 0, 0));
        assert!(published.acked.iter().flatten().all(|acked| *acked));
    }
}

#[test]
#[ignore = "needs real servers"]
fn a_session_outlives_a_restart_and_a_kill_after_a_save() {
    let mut broker = Mosquitto::start(Settings::default());
    let mut stream = subscriber(&broker, false);
    subscribe(&mut stream);
    drop(stream);
    let publishing = Load { rate: Some(10_000), ..load(&broker, 30_000) }.start();
    publishing.wait_acked(5_000, PATIENCE);
    broker.stop();
    broker.start_again();
    publishing.wait_acked(15_000, PATIENCE);
    publishing.pause();
    std::thread::sleep(Duration::from_millis(2_500));
    broker.kill();
    broker.start_again();
    publishing.resume();
    let published = publishing.finish();
    println!("{} sent, {} resent, {} unmatched", published.sent(), published.resent, published.unmatched);
    assert_eq!(published.unmatched, 0, "the session was forgotten");
    receive(&mut subscriber(&broker, false), 30_000);
}
