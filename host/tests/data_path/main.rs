//! The data path between its edges: messages in, shipments and acknowledgements out. The sink here is the test's hand: it
//! keeps what it is given until the test says what Kafka answered.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too")]

mod support;

use support::{Bench, COPY, RuleText, STAGED, refusal};
use tidegate::ack::{FailureKind, Settlement};
use tidegate::config::OnError;
use tidegate::seam::Intake;

#[test]
fn news_of_the_connection_stand_before_its_messages_and_are_none() {
    let mut bench = Bench::new(&[RuleText { name: "hearing", ..STAGED }]).with_lane();
    bench.pipeline.linked(false);
    let id = bench.arrive("a/x", "1");
    assert_eq!(bench.until(|bench| bench.hand.values().len() == 2), Vec::<u16>::new());
    assert_eq!((bench.hand.values(), bench.hand.topics()), (vec!["up".into(), "<1>".into()], vec!["k.x".into(); 2]));
    bench.hand.answer(1, Settlement::Delivered);
    assert!(bench.acks().is_empty());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.until(|bench| bench.source.in_flight.get() == 0), [id]);
    bench.pipeline.lost();
    bench.acks();
    assert_eq!((bench.source.received.get(), bench.source.acknowledged.get(), bench.source.abandoned.get()), (1, 1, 0));
}

#[test]
fn a_tick_makes_records_and_one_that_fails_holds_nothing_up() {
    let mut bench = Bench::new(&[RuleText { name: "ticking", ..STAGED }]).with_lane();
    bench.until(|bench| !bench.hand.values().is_empty());
    assert_eq!((bench.hand.values(), bench.hand.topics()), (vec!["tick".into()], vec!["k.tick".into()]));
    let id = bench.arrive("a/x", "1");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    let acks = bench.until(|bench| {
        bench.hand.deliver_all();
        bench.source.acknowledged.get() == 1
    });
    assert_eq!(acks, [id]);
    assert_eq!(bench.hand.topics().iter().filter(|topic| **topic == "dead").count(), 0);
}

#[test]
fn a_message_is_acknowledged_after_kafka_has_every_record_of_it() {
    let mut bench = Bench::new(&[COPY, RuleText { name: "second", topic: "all", ..COPY }]);
    let id = bench.arrive("a/x", "1");
    assert_eq!(bench.hand.topics(), ["k.x", "all"]);
    bench.hand.answer(0, Settlement::Delivered);
    assert!(bench.acks().is_empty());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), [id]);
}

#[test]
fn acknowledgements_wait_for_those_before_them() {
    let mut bench = Bench::new(&[COPY]);
    let ids = [bench.arrive("a/x", "1"), bench.arrive("a/y", "2")];
    bench.hand.answer(1, Settlement::Delivered);
    assert!(bench.acks().is_empty());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), ids);
}

#[test]
fn a_message_that_no_rule_wants_is_acknowledged_and_counted() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("b", "1");
    assert_eq!(bench.acks(), [id]);
    assert_eq!(bench.source.unrouted.get(), 1);
}

#[test]
fn a_token_that_is_dropped_never_acknowledges() {
    let mut bench = Bench::new(&[COPY]);
    bench.arrive("a/x", "1");
    bench.hand.given.lock().unwrap().clear();
    assert!(bench.acks().is_empty());
    assert!(bench.pipeline.is_stuck());
    assert_eq!(bench.source.abandoned.get(), 1);
}

#[test]
fn a_refused_record_becomes_a_dead_letter_which_settles_the_message() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "big");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    assert!(bench.acks().is_empty());
    assert_eq!(bench.hand.topics(), ["dead"]);
    assert_eq!(bench.hand.values(), ["big"]);
    assert_eq!(bench.hand.header(0, "dlq.reason").as_deref(), Some("too-large"));
    assert_eq!(bench.hand.header(0, "mqtt.topic").as_deref(), Some("a/x"));
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), [id]);
}

#[test]
fn a_dead_letter_that_is_refused_goes_without_its_value() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "big");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    bench.acks();
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    bench.acks();
    assert_eq!(bench.hand.header(0, "dlq.size").as_deref(), Some("3"));
    assert!(bench.hand.given.lock().unwrap()[0].record.payload.is_none());
    bench.hand.answer(0, Settlement::Delivered);
    assert_eq!(bench.acks(), [id]);
}

#[test]
fn on_error_drop_settles_and_counts() {
    let mut bench = Bench::new(&[RuleText { on_error: OnError::Drop, ..COPY }]);
    let id = bench.arrive("a/x", "1");
    bench.hand.answer(0, refusal(FailureKind::TooLarge));
    assert_eq!(bench.acks(), [id]);
    assert_eq!(bench.source.dropped_by_rule.get(), 1);
}

#[test]
fn a_topic_that_kafka_forbids_is_a_dead_letter() {
    let mut bench = Bench::new(&[RuleText { topic: "{b}", ..COPY }]);
    bench.arrive("a/..", "1");
    bench.acks();
    assert_eq!(bench.hand.header(0, "dlq.reason").as_deref(), Some("bad-topic"));
}

#[test]
fn what_a_full_sink_leaves_is_offered_again_in_order() {
    let mut bench = Bench::new(&[COPY]);
    *bench.hand.room.lock().unwrap() = Some(1);
    for payload in ["1", "2", "3"] {
        bench.arrive("a/x", payload);
    }
    assert_eq!(bench.hand.values(), ["1"]);
    *bench.hand.room.lock().unwrap() = None;
    bench.acks();
    assert_eq!(bench.hand.values(), ["1", "2", "3"]);
}

#[test]
fn plugins_replace_filter_split_and_fail() {
    let mut bench = Bench::new(&[STAGED]).with_lane();
    let ids = [
        bench.arrive("a/x", "v"),
        bench.arrive("a/x", "drop"),
        bench.arrive("a/x", "two"),
        bench.arrive("a/x", "fail"),
    ];
    bench.until(|bench| bench.hand.values().len() == 4);
    assert_eq!(bench.hand.values(), ["<v>", "one", "other", "fail"]);
    assert_eq!(bench.hand.topics(), ["k.x", "k.x", "named", "dead"]);
    bench.hand.deliver_all();
    assert_eq!(bench.acks(), ids);
}

#[test]
fn of_a_trapped_batch_only_the_poisonous_message_fails() {
    let mut bench = Bench::new(&[STAGED]);
    for payload in ["1", "2", "trap", "3"] {
        bench.arrive("a/x", payload);
    }
    let mut bench = bench.with_lane();
    bench.until(|bench| bench.hand.values().len() == 4);
    assert_eq!(bench.hand.values(), ["<1>", "<2>", "<3>", "trap"]);
    assert_eq!(bench.hand.header(3, "dlq.reason").as_deref(), Some("plugin-trap"));
    assert_eq!(bench.hand.header(3, "dlq.plugin").as_deref(), Some("scripted"));
}

#[test]
fn a_held_message_waits_for_the_rule_of_the_day_and_nothing_overtakes_it() {
    let hold = RuleText { on_error: OnError::Hold, ..STAGED };
    let mut bench = Bench::new(&[hold]).with_lane();
    bench.arrive("a/x", "1");
    bench.until(|bench| bench.hand.values().len() == 1);
    bench.arrive("a/x", "fail");
    bench.arrive("a/x", "2");
    assert_eq!(bench.hand.values(), ["<1>"]);
    bench.reload(&[RuleText { staged: false, name: "staged", ..COPY }]);
    bench.until(|bench| bench.hand.values().len() == 3);
    assert_eq!(bench.hand.values()[1], "fail");
}

#[test]
fn several_rules_of_one_lane_each_keep_their_order() {
    let second = RuleText { name: "second", from: "b/{b}", ..STAGED };
    let mut bench = Bench::new(&[STAGED, second]);
    // All are there before the lane begins: more than one batch of each rule, mixed.
    for _ in 0..80 {
        bench.arrive("a/x", "1");
        bench.arrive("b/x", "2");
        bench.arrive("a/x", "3");
    }
    let mut bench = bench.with_lane();
    bench.until(|bench| bench.hand.values().len() == 240);
    let (values, topics) = (bench.hand.values(), bench.hand.topics());
    assert!(topics.iter().all(|topic| topic == "k.x"));
    let of_first: Vec<_> = values.iter().filter(|value| *value != "<2>").collect();
    assert!(of_first.chunks(2).all(|pair| pair == ["<1>", "<3>"]), "{of_first:?}");
    bench.hand.deliver_all();
    assert_eq!(bench.until(|bench| bench.pipeline.in_flight() == 0), (1..=240).collect::<Vec<_>>());
}

#[test]
fn a_message_of_which_a_record_cannot_be_made_fails_whole_and_alone() {
    // The second record of `two` names a topic; the first has the rule's, which is too long here.
    let long = "x".repeat(250);
    let mut bench = Bench::new(&[RuleText { topic: &long, ..STAGED }]).with_lane();
    for payload in ["two", "drop", "two"] {
        bench.arrive("a/x", payload);
    }
    bench.until(|bench| bench.hand.topics() == ["dead", "dead"]);
    assert_eq!(bench.hand.values(), ["two", "two"]);
    bench.hand.deliver_all();
    assert_eq!(bench.until(|bench| bench.pipeline.in_flight() == 0), [1, 2, 3]);
}

#[test]
fn a_rule_that_leaves_its_lane_overtakes_nothing() {
    let mut bench = Bench::new(&[STAGED]);
    bench.arrive("a/x", "1");
    bench.reload(&[RuleText { staged: false, ..STAGED }]);
    bench.acks();
    assert!(!bench.pipeline.has_room(), "nothing is taken in while the lane works for the old rules");
    let mut bench = bench.with_lane();
    bench.until(|bench| bench.pipeline.has_room());
    bench.arrive("a/x", "2");
    assert_eq!(bench.hand.values(), ["<1>", "2"]);
}

#[test]
fn a_redelivery_of_what_is_under_way_is_not_produced_again() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "1");
    bench.pipeline.lost();
    bench.pipeline.linked(true);
    bench.deliver("a/x", "1", id, true);
    assert_eq!(bench.hand.values(), ["1"]);
    bench.hand.deliver_all();
    assert_eq!(bench.acks(), [id]);
    assert_eq!(bench.source.rejoined.get(), 1);
}

#[test]
fn a_record_of_a_lost_connection_acknowledges_nothing_of_the_next() {
    let mut bench = Bench::new(&[COPY]);
    let id = bench.arrive("a/x", "1");
    bench.pipeline.lost();
    bench.pipeline.linked(false);
    bench.deliver("a/x", "other", id, false);
    bench.hand.answer(0, Settlement::Delivered);
    assert!(bench.acks().is_empty());
}

#[test]
fn a_full_window_stops_intake() {
    let mut bench = Bench::new(&[COPY]);
    for _ in 0..1000 {
        bench.arrive("a/x", "1");
    }
    assert!(!bench.pipeline.has_room());
    bench.hand.deliver_all();
    bench.acks();
    assert!(bench.pipeline.has_room());
}
