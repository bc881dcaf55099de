//! Messages in, acknowledgements out.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate::config::Protocol::{self, V5, V311};
use tidegate::message::Qos;
use tidegate::mqtt::{Drained, Standing};

use super::broker::Broker;
use super::intake::Running;

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;

fn linked(protocol: Protocol) -> (Broker, Running, super::broker::Connection) {
    let broker = Broker::new(protocol);
    let source = Running::start(broker.config(), &[("t", 1, 1)]);
    let connection = broker.link_and_grant(false, 1);
    (broker, source, connection)
}

#[test]
fn acknowledgements_leave_in_receive_order_whatever_settles_first() {
    for protocol in [V5, V311] {
        let (_broker, source, mut connection) = linked(protocol);
        for id in [7, 3, 9, 4] {
            connection.publish(1, id, false);
        }
        let slots: Vec<_> = source.arrived(4).iter().map(|(slot, _)| *slot).collect();
        source.pay(&slots[2..]);
        source.pay(&slots[..2]);
        assert_eq!(connection.acks(4), [(PUBACK, 7), (PUBACK, 3), (PUBACK, 9), (PUBACK, 4)]);
        source.end();
    }
}

#[test]
fn no_acknowledgement_crosses_a_connection() {
    let (broker, source, mut connection) = linked(V5);
    connection.publish(1, 1, false);
    connection.publish(1, 2, false);
    let old: Vec<_> = source.arrived(2).iter().map(|(slot, _)| *slot).collect();
    drop(connection);
    let mut connection = broker.link_and_grant(false, 1);
    connection.publish(1, 2, false);
    connection.publish(1, 1, false);
    let new: Vec<_> = source.arrived(4)[2..].iter().map(|(slot, _)| *slot).collect();
    source.pay(&old);
    source.pay(&new[..1]);
    assert_eq!(connection.acks(1), [(PUBACK, 2)]);
    source.pay(&new[1..]);
    assert_eq!(connection.acks(1), [(PUBACK, 1)]);
    assert_eq!(source.meters.sessions_lost.get(), 1);
    source.end();
}

#[test]
fn a_qos_2_handshake_is_resumed_after_a_break() {
    let (broker, source, mut connection) = linked(V5);
    connection.publish(2, 9, false);
    source.pay(&[source.arrived(1)[0].0]);
    assert_eq!(connection.acks(1), [(PUBREC, 9)]);
    drop(connection);
    let mut connection = broker.link_and_grant(true, 1);
    connection.publish(2, 9, true);
    assert_eq!(connection.next(), [PUBREC, 2, 0, 9]);
    connection.send(&[0x62, 2, 0, 9, 0x62, 2, 0, 77]);
    assert_eq!(connection.next(), [0x70, 2, 0, 9]);
    assert_eq!(connection.next(), [0x70, 3, 0, 77, 0x92]);
    assert_eq!(source.arrived_now(), 1);
    assert_eq!(*source.desk.links.lock().unwrap(), [false, true]);
    source.end();
}

#[test]
fn a_resend_on_the_same_connection_is_not_delivered_twice() {
    let (_broker, source, mut connection) = linked(V311);
    connection.publish(1, 5, false);
    connection.publish(1, 5, true);
    connection.publish(1, 6, false);
    let slots: Vec<_> = source.arrived(2).iter().map(|(slot, _)| *slot).collect();
    source.pay(&slots);
    assert_eq!(connection.acks(2), [(PUBACK, 5), (PUBACK, 6)]);
    source.end();
}

#[test]
fn without_room_nothing_is_read_but_pings_go_on() {
    let broker = Broker::new(V5);
    let mut config = broker.config();
    config.keep_alive = Duration::from_secs(1);
    let source = Running::start(config, &[("t", 1, 1)]);
    let mut connection = broker.link_and_grant(false, 1);
    source.until("ready", Standing::is_ready);
    source.set_room(false);
    // The first ping after this one was decided without room.
    assert_eq!(connection.next(), [0xC0, 0]);
    assert_eq!(connection.next(), [0xC0, 0]);
    connection.publish(1, 1, false);
    for _ in 0..4 {
        assert_eq!(connection.next(), [0xC0, 0], "pings are never answered, and that is no fault while not reading");
    }
    assert_eq!(source.arrived_now(), 0);
    source.set_room(true);
    source.pay(&[source.arrived(1)[0].0]);
    connection.send(&[0xD0, 0]);
    assert_eq!(connection.acks(1), [(PUBACK, 1)]);
    assert_eq!(source.meters.connects.get(), 1);
    source.end();
}

#[test]
fn a_flood_does_not_hold_pings_or_a_stop_back() {
    let broker = Broker::new(V5);
    let mut config = broker.config();
    config.keep_alive = Duration::from_secs(1);
    let source = Running::start(config, &[("t", 0, 1)]);
    source.desk.at_once.store(true, Ordering::SeqCst);
    let mut connection = broker.link_and_grant(false, 1);
    let flood = connection.publish_bytes(0, 0, false).repeat(10_000);
    let mut writer = connection.stream.try_clone().unwrap();
    let flooding = std::thread::spawn(move || while writer.write_all(&flood).is_ok() {});
    assert_eq!(connection.next(), [0xC0, 0]);
    assert_eq!(connection.next(), [0xC0, 0]);
    source.end();
    drop(connection);
    flooding.join().unwrap();
}

#[test]
fn a_topic_alias_stands_for_its_topic_on_its_connection_only() {
    let (broker, source, mut connection) = linked(V5);
    connection.send(&[0x30, 8, 0, 1, b'x', 3, 35, 0, 2, b'1']);
    connection.send(&[0x30, 7, 0, 0, 3, 35, 0, 2, b'2']);
    let arrived = source.arrived(2);
    let told: Vec<_> = arrived.iter().map(|(_, one)| (one.topic.as_str(), &one.payload[..])).collect();
    assert_eq!(told, [("x", &b"1"[..]), ("x", &b"2"[..])]);
    drop(connection);
    let mut connection = broker.link_and_grant(true, 1);
    connection.send(&[0x30, 7, 0, 0, 3, 35, 0, 2, b'3']);
    assert_eq!(connection.next(), [0xE0, 1, 0x94]);
    source.end();
}

#[test]
fn a_message_keeps_what_its_packet_said() {
    let (_broker, source, mut connection) = linked(V5);
    let properties = [&[11, 7, 1, 1, 3, 0, 1, b'c', 38, 0, 1, b'k', 0, 1, b'v'][..]].concat();
    let body = [&[0, 1, b't', 0, 5, properties.len() as u8][..], &properties, b"payload"].concat();
    connection.send(&[&[0x35, body.len() as u8][..], &body].concat());
    let (_, message) = &source.arrived(1)[0];
    assert_eq!((message.qos, message.retain, &message.payload[..]), (Qos::ExactlyOnce, true, &b"payload"[..]));
    assert_eq!(message.subscriptions.as_slice().iter().map(|id| id.0).collect::<Vec<_>>(), [7]);
    let properties = message.properties.as_ref().unwrap();
    assert_eq!(properties.content_type.as_deref(), Some("c"));
    assert_eq!(properties.user, [("k".to_owned(), "v".to_owned())]);
    assert!(properties.payload_is_utf8);
    source.end();
}

#[test]
fn a_large_message_in_small_pieces_arrives_whole() {
    let (_broker, source, mut connection) = linked(V5);
    let payload: Vec<u8> = (0..3_000_000u32).map(|at| at as u8).collect();
    let remaining = payload.len() + 4;
    let mut packet = vec![0x30];
    packet.extend([remaining as u8 | 0x80, (remaining >> 7) as u8 | 0x80, (remaining >> 14) as u8 | 0x80]);
    packet.push((remaining >> 21) as u8);
    packet.extend([0, 1, b't', 0]);
    packet.extend(&payload);
    for piece in packet.chunks(10_007) {
        connection.send(piece);
    }
    assert!(source.arrived(1)[0].1.payload == payload);
    source.end();
}

#[test]
fn a_drain_lets_acknowledgements_leave_and_parts_in_peace() {
    for protocol in [V5, V311] {
        let (_broker, source, mut connection) = linked(protocol);
        connection.publish(1, 1, false);
        connection.publish(2, 2, false);
        let slots: Vec<_> = source.arrived(2).iter().map(|(slot, _)| *slot).collect();
        source.drain_within(Duration::from_secs(30));
        connection.publish(1, 3, false);
        source.pay(&slots);
        assert_eq!(connection.acks(2), [(PUBACK, 1), (PUBREC, 2)]);
        assert_eq!(connection.next(), [0xE0, 0]);
        assert!(connection.is_closed());
        drop(connection);
        assert_eq!(source.end(), Drained { left: 0 });
    }
}

#[test]
fn a_drain_ends_at_its_limit_and_says_what_is_left() {
    let (_broker, source, mut connection) = linked(V5);
    connection.publish(1, 1, false);
    connection.publish(1, 2, false);
    source.pay(&[source.arrived(2)[0].0]);
    source.drain_within(Duration::from_millis(300));
    assert_eq!(connection.acks(1), [(PUBACK, 1)]);
    assert_eq!(connection.next(), [0xE0, 0]);
    drop(connection);
    assert_eq!(source.end(), Drained { left: 1 });
}

#[test]
fn a_forgotten_message_leads_to_a_peaceful_reconnect() {
    let (broker, source, mut connection) = linked(V5);
    connection.publish(1, 1, false);
    source.arrived(1);
    source.set_stuck();
    assert_eq!(connection.next(), [0xE0, 0]);
    drop(connection);
    let mut connection = broker.link_and_grant(true, 1);
    connection.publish(1, 1, true);
    source.pay(&[source.arrived(1)[0].0]);
    source.end();
}
