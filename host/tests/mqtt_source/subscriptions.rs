//! Subscriptions on the wire.

use tidegate::config::Protocol::{V5, V311};
use tidegate::mqtt::{Refused, Standing};

use super::broker::Broker;
use super::intake::Running;

#[test]
fn a_refused_filter_is_told_and_the_others_work() {
    let broker = Broker::new(V5);
    let source = Running::start(broker.config(), &[("secret", 1, 1), ("t", 1, 2)]);
    let mut connection = broker.link(false);
    let (first, second) = (connection.next(), connection.next());
    connection.suback(&first, &[0x87]);
    connection.suback(&second, &[1]);
    connection.publish(1, 1, false);
    source.arrived(1);
    let standing = source.status.read();
    assert!(standing.connected.is_some() && !standing.is_ready());
    assert_eq!(standing.refused, [Refused { filter: "secret".into(), code: 0x87, text: "not authorized" }]);
    source.end();
}

#[test]
fn a_change_subscribes_the_new_before_it_gives_up_the_old_and_keeps_the_connection() {
    let broker = Broker::new(V5);
    let source = Running::start(broker.config(), &[("same", 1, 1), ("old", 1, 2)]);
    let mut connection = broker.link_and_grant(false, 2);
    source.until("ready", Standing::is_ready);
    source.want(&[("same", 1, 1), ("new", 1, 3)]);
    let subscribe = connection.next();
    assert!(subscribe.windows(3).any(|window| window == b"new"));
    connection.suback(&subscribe, &[1]);
    let unsubscribe = connection.next();
    assert!(unsubscribe.windows(3).any(|window| window == b"old"));
    connection.unsuback(&unsubscribe);
    source.until("ready", Standing::is_ready);
    source.want(&[("same", 1, 1), ("new", 1, 3)]);
    source.want(&[("same", 2, 1), ("new", 1, 3)]);
    let subscribe = connection.next();
    assert!(subscribe.windows(4).any(|window| window == b"same"));
    assert_eq!(source.meters.connects.get(), 1);
    source.end();
}

#[test]
fn a_resumed_3_1_1_session_is_asked_only_for_what_is_new() {
    let broker = Broker::new(V311);
    let source = Running::start(broker.config(), &[("a", 1, 1)]);
    let connection = broker.link_and_grant(false, 1);
    source.until("ready", Standing::is_ready);
    drop(connection);
    let (mut connection, _) = broker.accept();
    source.want(&[("a", 1, 1), ("b", 1, 2)]);
    connection.connack(true, 0);
    let subscribe = connection.next();
    assert_eq!(subscribe[4..], [0, 1, b'b', 1]);
    source.end();
}

#[test]
fn a_new_session_is_asked_for_everything_at_once() {
    let broker = Broker::new(V311);
    let source = Running::start(broker.config(), &[("a", 1, 1), ("b", 0, 2)]);
    for _ in 0..2 {
        let mut connection = broker.link(false);
        let subscribe = connection.next();
        assert_eq!(subscribe[4..], [0, 1, b'a', 1, 0, 1, b'b', 0]);
        connection.suback(&subscribe, &[1, 0]);
        source.until("ready", Standing::is_ready);
    }
    source.end();
}
