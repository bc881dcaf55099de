//! The producer against librdkafka's mock cluster.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::Producer;
use super::outstanding::Debt;
use super::testing::{Bed, PATIENCE, Seen, all_delivered, cluster, failures, record, wait_for};
use crate::ack::{FailureKind, RuleNo, Settlement, Slot};
use crate::config::OnTopicRefused;
use crate::message::Header;
use crate::seam::{Shipment, Sink};
use crate::topic::ClusterNo;

#[test]
fn a_record_arrives_as_it_was_given() {
    let mut bed = Bed::new(1, |_| {});
    let topic = bed.topics.intern("t").unwrap();
    let site = Header { name: "site".into(), value: Bytes::from_static(b"ulm") };
    let mut full = record(&topic, "k", "v");
    full.headers.rule = [site].into();
    let mut bare = record(&topic, "", "");
    (bare.key, bare.payload) = (None, None);
    for record in [full, record(&topic, "", ""), bare] {
        bed.put(record);
    }
    let reports = bed.settlements(3);
    assert!(all_delivered(&reports));
    let slots: Vec<_> = reports.iter().map(|report| (report.slot.0, report.rule.place())).collect();
    assert_eq!(slots, [(1, 3), (2, 3), (3, 3)]);
    let seen = bed.consume(3);
    let texts = |seen: &Seen| (seen.key.clone(), seen.payload.clone());
    assert_eq!(texts(&seen[0]), (Some("k".into()), Some("v".into())));
    assert_eq!(texts(&seen[1]), (Some(String::new()), Some(String::new())));
    assert_eq!(texts(&seen[2]), (None, None));
    assert_eq!(seen[0].headers, [("mqtt.topic".into(), "a/b".into()), ("site".into(), "ulm".into())]);
    assert_eq!(seen[0].timestamp_ms, Some(1_700_000_000_123));
    let counted = bed.meters.produced(RuleNo::new(3).unwrap(), &topic);
    assert_eq!(counted.records.get(), 3);
}

#[test]
fn a_key_goes_to_the_partition_that_java_chooses() {
    // Hashes as Kafka's own tests of its Java client expect them (`UtilsTest.testMurmur2`); `toPositive(hash) % 100`.
    let expected: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    let mut bed = Bed::new(100, |_| {});
    let topic = bed.topics.intern("t").unwrap();
    for (key, _) in expected {
        bed.put(record(&topic, key, "v"));
    }
    assert!(all_delivered(&bed.settlements(expected.len())));
    let seen = bed.consume(expected.len());
    for (key, hash) in expected {
        let found = seen.iter().find(|seen| seen.key.as_deref() == Some(key)).unwrap();
        assert_eq!(found.partition, (hash & i32::MAX) % 100, "{key}");
    }
}

#[test]
fn order_holds_through_errors_that_are_retried() {
    let mut bed = Bed::new(3, |_| {});
    bed.fail_produce(&[
        Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Code::RD_KAFKA_RESP_ERR_NO_ERROR,
        Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Code::RD_KAFKA_RESP_ERR_NO_ERROR,
        Code::RD_KAFKA_RESP_ERR__TRANSPORT,
    ]);
    bed.send_numbered(5_000, 7);
    assert!(all_delivered(&bed.settlements(5_000)));
    bed.check_numbered(5_000, 7);
}

#[test]
fn order_holds_through_a_fatal_error() {
    let mut bed = Bed::new(3, |_| {});
    for _ in 0..3 {
        let topic = bed.topics.intern("t").unwrap();
        for number in bed.slots..bed.slots + 3_000 {
            bed.put(record(&topic, &format!("k{}", number % 7), &number.to_string()));
        }
        bed.producer.send(&mut bed.outbox);
        if let Some(live) = &*bed.producer.state().live() {
            live.native.raise_fatal_error();
        }
    }
    assert!(all_delivered(&bed.settlements(9_000)));
    bed.check_numbered(9_000, 7);
    assert!(bed.producer.state().cluster.recreated.get() >= 1);
}

#[test]
fn a_record_lost_inside_librdkafka_is_abandoned_and_the_others_are_sent_in_order() {
    let mut bed = Bed::new(3, |_| {});
    let lost = Debt { opaque: bed.token().into_opaque(), turn: 0, timestamp_ms: 0, topic: 0 };
    bed.producer.state().book().enter(lost);
    bed.producer.state().ask_for_renewal();
    bed.send_numbered(1_000, 7);
    let reports = bed.settlements(1_001);
    let (abandoned, rest): (Vec<_>, Vec<_>) = reports.into_iter().partition(|report| report.slot == Slot(1));
    assert!(matches!(abandoned[0].settlement, Settlement::Abandoned));
    assert!(all_delivered(&rest));
    bed.check_numbered(1_000, 7);
}

/// Whatever code the broker answers with: nothing is lost and nothing overtakes.
fn check_survival(codes: &[Code]) -> Bed {
    let mut bed = Bed::new(3, |_| {});
    bed.send_numbered(100, 7);
    assert!(all_delivered(&bed.settlements(100)));
    bed.fail_produce(codes);
    let topic = bed.topics.intern("t").unwrap();
    for number in 100..1_100 {
        bed.put(record(&topic, &format!("k{}", number % 7), &number.to_string()));
        if number % 10 == 0 {
            bed.producer.send(&mut bed.outbox);
        }
    }
    let reports = bed.settlements(1_000);
    assert!(all_delivered(&reports), "{codes:?}");
    bed.check_numbered(1_100, 7);
    bed
}

/// As `check_survival`, by a new producer.
fn check_refusal(codes: &[Code]) {
    let bed = check_survival(codes);
    assert!(bed.producer.state().cluster.recreated.get() >= 1, "{codes:?}");
}

#[test]
fn a_sequence_error_makes_a_new_producer() {
    check_refusal(&[Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
}

#[test]
fn a_fenced_epoch_makes_a_new_producer() {
    check_refusal(&[Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH]);
}

#[test]
fn a_forgotten_producer_id_is_survived() {
    check_survival(&[Code::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID]);
}

#[test]
fn an_unknown_refusal_is_tried_again() {
    check_refusal(&[Code::RD_KAFKA_RESP_ERR_UNKNOWN, Code::RD_KAFKA_RESP_ERR_UNKNOWN]);
}

#[test]
fn a_batch_that_is_too_large_is_tried_record_by_record() {
    check_refusal(&[Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
}

#[test]
fn a_record_that_is_refused_alone_fails_alone() {
    let too_large = Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    let mut bed = Bed::new(1, |_| {});
    bed.fail_produce(&[too_large, too_large]);
    let topic = bed.topics.intern("t").unwrap();
    for number in 0..50 {
        bed.put(record(&topic, "k", &number.to_string()));
    }
    let reports = bed.settlements(50);
    assert_eq!(failures(&reports), [(1, FailureKind::TooLarge)]);
    let numbers: Vec<_> = bed.consume(49).into_iter().map(|seen| seen.payload.unwrap()).collect();
    assert_eq!(numbers, (1..50).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_record_over_the_clients_limit_fails_and_the_others_pass() {
    let mut bed = Bed::new(1, |config| {
        config.properties.insert("message.max.bytes".into(), "10000".into());
    });
    let topic = bed.topics.intern("t").unwrap();
    for size in [1, 20_000, 2] {
        bed.put(record(&topic, "k", &"x".repeat(size)));
    }
    let reports = bed.settlements(3);
    assert_eq!(failures(&reports), [(2, FailureKind::TooLarge)]);
    assert_eq!(bed.consume(2).len(), 2);
    assert_eq!(bed.producer.state().cluster.recreated.get(), 0);
}

#[test]
fn a_missing_topic_holds_its_records_until_it_is_there() {
    let mut bed = Bed::new(1, |_| {});
    bed.mock.topic_error("t", Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    bed.send_numbered(500, 3);
    wait_for(|| bed.producer.state().cluster.held.get() == 500);
    let topic = bed.topics.intern("t").unwrap();
    for number in 500..600 {
        bed.put(record(&topic, &format!("k{}", number % 3), &number.to_string()));
    }
    bed.producer.send(&mut bed.outbox);
    assert!(bed.outbox.is_empty());
    bed.mock.topic_error("t", Code::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    assert!(all_delivered(&bed.settlements(600)));
    bed.check_numbered(600, 3);
    wait_for(|| bed.producer.state().cluster.held.get() == 0);
}

#[test]
fn order_holds_on_a_topic_that_comes_and_goes() {
    let mut bed = Bed::new(3, |_| {});
    let topic = bed.topics.intern("t").unwrap();
    let native = |bed: &Bed| bed.producer.state().live().as_ref().unwrap().native.clone();
    for round in 0..20 {
        let refusal = match round % 2 {
            0 => Code::RD_KAFKA_RESP_ERR_NO_ERROR,
            _ => Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        };
        bed.mock.topic_error("t", refusal).unwrap();
        for number in round * 100..(round + 1) * 100 {
            bed.put(record(&topic, &format!("k{}", number % 7), &number.to_string()));
            bed.producer.send(&mut bed.outbox);
            if number % 100 == 50 {
                native(&bed).metadata(None, PATIENCE).unwrap();
            }
        }
    }
    bed.mock.topic_error("t", Code::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    assert!(all_delivered(&bed.settlements(2_000)));
    bed.check_numbered(2_000, 7);
}

#[test]
fn a_topic_that_may_not_be_written_does_not_stop_others() {
    let mut bed = Bed::new(1, |_| {});
    bed.mock.create_topic("closed", 1, 1).unwrap();
    bed.mock.topic_error("closed", Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    let closed = bed.topics.intern("closed").unwrap();
    bed.put(record(&closed, "k", "waits"));
    bed.send_numbered(100, 3);
    assert!(all_delivered(&bed.settlements(100)));
    bed.mock.topic_error("closed", Code::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    let last = bed.settlements(1);
    assert_eq!((last[0].slot.0, all_delivered(&last)), (1, true));
}

#[test]
fn a_refused_topic_fails_its_records_where_the_setting_says_so_but_never_a_dead_letter() {
    let mut bed = Bed::new(1, |config| config.on_topic_refused = OnTopicRefused::DeadLetter);
    bed.mock.create_topic("closed", 1, 1).unwrap();
    bed.mock.topic_error("closed", Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    let closed = bed.topics.intern("closed").unwrap();
    for _ in 0..3 {
        bed.put(record(&closed, "k", "v"));
    }
    let token = bed.desk.dead_letter_token(Slot(4), RuleNo::new(3).unwrap());
    bed.outbox.push_back(Shipment { record: record(&closed, "k", "dead letter"), token });
    let refused = FailureKind::TopicRefused;
    assert_eq!(failures(&bed.settlements(3)), [(1, refused), (2, refused), (3, refused)]);
    assert_eq!(bed.producer.state().parked().records(), 1);
    bed.mock.topic_error("closed", Code::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    let last = bed.settlements(1);
    assert!(last[0].dead_letter && all_delivered(&last));
}

#[test]
fn a_full_queue_leaves_the_rest_in_order() {
    let mut bed = Bed::new(1, |config| config.queue_bytes = 128 * 1_000);
    bed.mock.broker_down(1).unwrap();
    let topic = bed.topics.intern("t").unwrap();
    for number in 0..3_000 {
        bed.put(record(&topic, "k", &number.to_string()));
    }
    bed.producer.send(&mut bed.outbox);
    assert_eq!(bed.outbox.len(), 2_000);
    assert_eq!(bed.outbox.front().unwrap().record.payload.as_deref(), Some(b"1000".as_slice()));
    bed.mock.broker_up(1).unwrap();
    assert!(all_delivered(&bed.settlements(3_000)));
    bed.check_numbered(3_000, 1);
}

#[test]
fn order_holds_while_the_cluster_is_away() {
    let mut bed = Bed::new(3, |_| {});
    for round in 0..3 {
        bed.mock.broker_down(1).unwrap();
        let topic = bed.topics.intern("t").unwrap();
        for number in round * 1_000..(round + 1) * 1_000 {
            bed.put(record(&topic, &format!("k{}", number % 7), &number.to_string()));
        }
        bed.producer.send(&mut bed.outbox);
        bed.mock.broker_up(1).unwrap();
    }
    assert!(all_delivered(&bed.settlements(3_000)));
    bed.check_numbered(3_000, 7);
}

#[test]
fn the_cluster_is_known_to_answer_without_traffic() {
    let bed = Bed::new(1, |_| {});
    wait_for(|| bed.producer.status().answered);
    assert!(bed.producer.status().connected);
}

#[test]
fn stopping_waits_for_what_is_unsettled() {
    let mut bed = Bed::new(1, |_| {});
    bed.send_numbered(1_000, 3);
    bed.producer.send(&mut bed.outbox);
    assert_eq!(bed.producer.stop(Instant::now() + PATIENCE), 0);
    assert!(all_delivered(&bed.settlements(1_000)));
    bed.send_numbered(100, 3);
    assert_eq!(bed.outbox.len(), 100);
}

#[test]
fn what_cannot_be_settled_is_never_reported() {
    let mut bed = Bed::new(1, |_| {});
    bed.mock.broker_down(1).unwrap();
    bed.send_numbered(100, 3);
    bed.producer.send(&mut bed.outbox);
    assert_eq!(bed.producer.stop(Instant::now()), 100);
    let mut reports = Vec::new();
    bed.desk.collect(&mut reports);
    assert!(reports.is_empty());
}

#[test]
fn a_property_that_librdkafka_does_not_know_is_told() {
    let mut config = cluster("127.0.0.1:1");
    config.properties.insert("no.such.thing".into(), "1".into());
    let error = Producer::start(&config, ClusterNo(0), Vec::new(), Arc::default()).err().unwrap();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("no.such.thing"), "{cause}");
}
