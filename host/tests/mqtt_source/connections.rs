//! How connections are made, refused, lost and made again.

use std::time::Duration;

use tidegate::config::BrokerUrl;
use tidegate::config::Protocol::{V5, V311};
use tidegate::config::Session;
use tidegate::mqtt::Standing;

use super::broker::Broker;
use super::intake::{Running, with_login};

#[test]
fn connect_says_what_the_configuration_says() {
    let broker = Broker::new(V5);
    let source = Running::start(with_login(broker.config(), "me", "pw"), &[]);
    let (_connection, connect) = broker.accept();
    // Name, version 5, flags: user name, password, no clean start; keep-alive 30 s.
    assert_eq!(connect[2..12], [0, 4, b'M', b'Q', b'T', b'T', 5, 0b1100_0000, 0, 30]);
    // Session expiry 3,600 s, Receive Maximum 1,000, no Maximum Packet Size, Topic Alias Maximum 64, problem information.
    let properties = [17, 0, 0, 14, 16, 33, 3, 232, 34, 0, 64, 23, 1];
    assert_eq!(connect[12], properties.len() as u8);
    assert_eq!(connect[13..26], properties);
    assert!(connect.ends_with(b"\x00\x0Dtidegate-test\x00\x02me\x00\x02pw"));
    source.end();
}

#[test]
fn a_clean_session_asks_for_none() {
    let broker = Broker::new(V311);
    let config = tidegate::config::SourceConfig { session: Session::Clean, ..broker.config() };
    let source = Running::start(config, &[]);
    let (_connection, connect) = broker.accept();
    assert_eq!(connect[8..10], [4, 0b10]);
    source.end();
}

#[test]
fn a_lost_connection_is_made_again_and_the_metrics_tell() {
    let broker = Broker::new(V311);
    let source = Running::start(broker.config(), &[]);
    for connects in 1..4 {
        let connection = broker.link(true);
        source.until("connected", Standing::is_ready);
        assert_eq!((source.meters.connects.get(), source.meters.connected.get()), (connects, 1));
        drop(connection);
        source.until("told of the loss", |standing| standing.last_error.is_some());
    }
    source.end();
}

#[test]
fn bad_credentials_are_retried_when_the_configuration_changes() {
    let broker = Broker::new(V5);
    let source = Running::start(with_login(broker.config(), "me", "old"), &[]);
    let (mut connection, _) = broker.accept();
    connection.connack(false, 0x86);
    let standing = source.until("refused", |standing| standing.last_error.is_some());
    let expected = "the broker refused the connection: bad user name or password (0x86)";
    assert_eq!(standing.last_error.as_deref(), Some(expected));
    source.config.send_replace(with_login(broker.config(), "me", "new").into());
    let (_connection, connect) = broker.accept();
    assert!(connect.ends_with(b"new"));
    source.end();
}

#[test]
fn the_next_broker_of_the_list_is_tried() {
    let (first, second) = (Broker::new(V5), Broker::new(V5));
    let mut config = first.config();
    let nowhere = BrokerUrl { tls: false, host: "127.0.0.1".into(), port: 1 };
    config.urls = vec![nowhere, config.urls.remove(0), second.config().urls.remove(0)];
    let source = Running::start(config, &[]);
    let (mut connection, _) = first.accept();
    connection.connack(false, 0x9C);
    second.link(false);
    source.end();
}

#[test]
fn the_keep_alive_of_the_broker_counts() {
    let broker = Broker::new(V5);
    let source = Running::start(broker.config(), &[]);
    let (mut connection, _) = broker.accept();
    connection.send(&[0x20, 6, 0, 0, 3, 19, 0, 1]);
    assert_eq!(connection.next(), [0xC0, 0]);
    connection.send(&[0xD0, 0]);
    assert_eq!(connection.next(), [0xC0, 0]);
    // This one is not answered.
    source.until("silent", |standing| standing.last_error.as_deref() == Some("the broker did not answer a ping"));
    source.end();
}

#[test]
fn a_promise_that_the_broker_makes_hollow_is_told() {
    let broker = Broker::new(V5);
    let source = Running::start(broker.config(), &[("a/#", 2, 1)]);
    let (mut connection, _) = broker.accept();
    // Session expiry 60 s, Maximum QoS 1, no wildcards, no subscription identifiers.
    connection.send(&[0x20, 14, 0, 0, 11, 17, 0, 0, 0, 60, 36, 1, 40, 0, 41, 0]);
    let subscribe = connection.next();
    assert_eq!(subscribe[4], 0, "no subscription identifier");
    connection.suback(&subscribe, &[1]);
    let standing = source.until("ready", Standing::is_ready);
    assert_eq!(
        standing.hollow,
        [
            "the broker forgets our session after 60 s, not 3600 s as asked",
            "the broker gives QoS 1 at most",
            "the broker does not support wildcards in subscriptions",
        ]
    );
    assert_eq!(standing.lowered.len(), 1);
    source.end();
}

/// Sends `bytes` on a fresh connection and expects our DISCONNECT to say `code`.
fn check_violation(bytes: &[u8], code: u8) {
    let broker = Broker::new(V5);
    let mut config = broker.config();
    config.packet_bytes_max = 1_000;
    let source = Running::start(config, &[]);
    let mut connection = broker.link(false);
    connection.send(bytes);
    assert_eq!(connection.next(), [0xE0, 1, code], "{bytes:02X?}");
    assert!(connection.is_closed());
    drop(connection);
    broker.link(false);
    assert_eq!(source.meters.protocol_errors.get(), 1);
    source.end();
}

#[test]
fn a_broken_packet_ends_the_connection_with_its_reason() {
    check_violation(&[0x36, 5, 0, 1, b'a', 0, 1], 0x81);
    check_violation(&[0x30, 0x80, 0x80, 0x80, 0x80, 1], 0x81);
    check_violation(&[0x20, 3, 0, 0, 0], 0x82);
    check_violation(&[0xF0, 0], 0x82);
    check_violation(&[0x30, 0xFF, 0x7F], 0x95);
    check_violation(&[0x32, 7, 0, 1, b'a', 0, 1, 0, b'p', 0x32, 7, 0, 1, b'a', 0, 1, 0, b'p'], 0x82);
}

#[test]
fn stop_now_returns_while_connecting_and_while_waiting() {
    let broker = Broker::new(V5);
    let source = Running::start(broker.config(), &[]);
    let unanswered = broker.accept();
    source.end();
    drop(unanswered);
    let source = Running::start(broker.config(), &[]);
    let (mut connection, _) = broker.accept();
    connection.connack(false, 0x8A);
    source.until("refused", |standing| standing.last_error.is_some());
    source.end();
}

#[test]
fn a_broker_that_never_answers_connect_is_given_up() {
    let broker = Broker::new(V5);
    let mut config = broker.config();
    config.connect_timeout = Duration::from_millis(200);
    let source = Running::start(config, &[]);
    let _silent = broker.accept();
    let _again = broker.accept();
    assert!(source.status.read().last_error.unwrap().starts_with("no connection within"));
    source.end();
}
