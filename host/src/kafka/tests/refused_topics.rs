//! Topics that are missing or may not be written.

use crate::seam::Sink;

use super::{
    Bed, Code, FailureKind, OnTopicRefused, PATIENCE, RuleNo, Shipment, Slot, all_delivered, failures, record, wait_for,
};

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
