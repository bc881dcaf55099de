//! The four-part handshake, also across a break.

use tidegate_tests::scripted::acks;
use tidegate_tests::wire::Packet;

use super::{Bed, PATIENCE};

const QOS_2: &str = "[[rule]]\nname = \"copy\"\nfrom = [\"a/#\"]\nqos = 2\nto = { topic = \"t\" }\n";

fn bed() -> Bed {
    Bed::start(&[("t", 1)], "", "", QOS_2)
}

/// Packet ids of PUBREC and PUBCOMP of one connection.
fn steps(bed: &Bed, connection: usize) -> (Vec<u16>, Vec<u16>) {
    let (mut received, mut completed) = (Vec::new(), Vec::new());
    for (on, packet) in bed.broker.acks() {
        match packet {
            Packet::Pubrec { packet_id, .. } if on == connection => received.push(packet_id),
            Packet::Pubcomp { packet_id, .. } if on == connection => completed.push(packet_id),
            _ => {}
        }
    }
    (received, completed)
}

fn wait_acks(bed: &Bed, count: usize) {
    bed.broker.wait(&format!("{count} acknowledgements"), PATIENCE, |log| acks(log).len() >= count);
}

#[test]
fn every_step_is_taken_in_order() {
    let bed = bed();
    for id in [5, 3, 9, 1] {
        bed.broker.publish("a/x", id.to_string().as_bytes(), 2, id);
    }
    wait_acks(&bed, 8);
    assert_eq!(steps(&bed, 1), (vec![5, 3, 9, 1], vec![5, 3, 9, 1]));
    assert_eq!(bed.payloads("t"), ["5", "3", "9", "1"]);
}

#[test]
fn a_handshake_broken_after_pubrec_is_ended_on_the_next_connection() {
    let bed = bed();
    bed.broker.change(|script| script.releases = false);
    bed.broker.publish("a/x", b"once", 2, 4);
    wait_acks(&bed, 1);
    bed.broker.hang_up();
    bed.bridge.wait_metric("tidegate_mqtt_connects_total", &[], PATIENCE, |connects| connects > 1.5);
    bed.broker.send(&Packet::Pubrel { packet_id: 4, code: 0 });
    wait_acks(&bed, 2);
    assert_eq!(steps(&bed, 2), (vec![], vec![4]));
    assert_eq!(bed.payloads("t"), ["once"]);
    bed.broker.publish("a/x", b"next", 2, 4);
    wait_acks(&bed, 3);
    assert_eq!(bed.payloads("t"), ["once", "next"]);
}

#[test]
fn lower_qos_is_taken_as_it_comes() {
    let bed = bed();
    bed.broker.publish("a/x", b"none", 0, 0);
    bed.broker.publish("a/x", b"one", 1, 8);
    wait_acks(&bed, 1);
    assert_eq!(bed.broker.pubacks(1), [8]);
    assert_eq!(bed.payloads("t"), ["none", "one"]);
}
