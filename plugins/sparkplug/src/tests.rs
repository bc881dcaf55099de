use tidegate_guest_sdk::Output;
use tidegate_guest_sdk::testing::{Harness, Input, set_state, state, take_log, take_published};
use tidegate_sparkplug::datatype::DataType;
use tidegate_sparkplug::wire::{Encoder, MetricOut, ValueOut};

use super::*;

const BORN_MS: u64 = 1_700_000_000_000;

fn with_seq(mut payload: Vec<u8>, seq: u8) -> Vec<u8> {
    assert!(seq < 128, "one byte is enough for these tests");
    payload.extend([0x18, seq]);
    payload
}

/// A birth with one signed metric of alias 0.
fn birth(seq: u8, metric: &str) -> Vec<u8> {
    let mut encoder = Encoder::new(BORN_MS);
    let value = ValueOut::Int(0xFFFF_FFF9);
    let datatype = DataType::Int16;
    encoder.metric(MetricOut { name: metric, alias: Some(0), timestamp_ms: BORN_MS, datatype, value });
    with_seq(encoder.finish(), seq)
}

/// Alias 0 alone, as bits of 32.
fn data(seq: u8, bits: u8) -> Vec<u8> {
    with_seq(vec![0x12, 0x04, 0x10, 0x00, 0x50, bits], seq)
}

fn input(topic: &str, payload: Vec<u8>) -> Input {
    Input::new(topic, payload).received_ms(BORN_MS + 1)
}

fn outputs(outcome: Outcome) -> Vec<Output> {
    match outcome {
        Outcome::Emit(outputs) => outputs,
        other => panic!("no records but {other:?}"),
    }
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(output.payload.as_deref().unwrap_or_default()).unwrap()
}

fn born(config: &str) -> Harness<Sparkplug> {
    let mut plugin = Harness::new(config).unwrap();
    plugin.process(&input("spBv1.0/G/NBIRTH/E", birth(0, "level")));
    plugin
}

#[test]
fn a_birth_gives_an_alias_its_name_and_its_sign() {
    let mut plugin = born(r#"{"broker":"plant"}"#);
    let outputs = outputs(plugin.process(&input("spBv1.0/G/NDATA/E", data(1, 5))));
    let [output] = outputs.as_slice() else { panic!("{outputs:?}") };
    let record = json(output);
    assert_eq!((&record["metric"], &record["type"], &record["value"]), (&"level".into(), &"Int16".into(), &5.into()));
    assert_eq!(record["broker"], "plant");
    assert_eq!(output.key.as_deref(), Some(&b"G/E"[..]));
    assert!(output.headers.iter().any(|header| header.name == "sp.type" && header.value == b"NDATA"));
    assert!(output.headers.iter().all(|header| header.name != "mqtt.topic"), "Tidegate gives it");
}

#[test]
fn births_outlive_the_instance() {
    drop(born(""));
    assert!(!state().is_empty());
    let mut next = Harness::<Sparkplug>::new("").unwrap();
    let outputs = outputs(next.process(&input("spBv1.0/G/NDATA/E", data(1, 5))));
    assert_eq!(json(&outputs[0])["metric"], "level");
}

#[test]
fn a_lost_memory_is_a_held_message() {
    drop(born(""));
    set_state::<String, Vec<u8>>([]);
    let mut next = Harness::<Sparkplug>::new("").unwrap();
    assert_eq!(outputs(next.process(&input("spBv1.0/G/NDATA/E", data(1, 5)))), []);
    let released = outputs(next.process(&input("spBv1.0/G/NBIRTH/E", birth(2, "level"))));
    let values: Vec<_> = released.iter().map(|output| json(output)["value"].clone()).collect();
    assert_eq!(values, [-7, 5]);
}

#[test]
fn a_held_message_runs_out_in_an_instance_that_never_saw_it() {
    let config = r#"{"emit":["lifecycle"],"hold_limit":{"age":"10s"}}"#;
    Harness::<Sparkplug>::new(config).unwrap().process(&input("spBv1.0/G/NDATA/E", data(1, 5)));
    let mut next = Harness::<Sparkplug>::new(config).unwrap();
    assert_eq!(next.tick(BORN_MS + 2).unwrap(), []);
    let told = next.tick(BORN_MS + 60_000).unwrap();
    assert_eq!(told[0].about.as_deref(), Some("spBv1.0/G/NDATA/E"));
    assert_eq!(json(&told[0].output)["event"], "unresolved");
    assert!(take_log()[0].1.starts_with("gave up metrics of a message of "));
}

#[test]
fn an_observer_is_silent_and_an_active_host_asks_for_a_rebirth() {
    let check = |config, topics: &[&str]| {
        let mut plugin = Harness::<Sparkplug>::new(config).unwrap();
        plugin.process(&input("spBv1.0/G/NDATA/E", data(1, 5)));
        let published: Vec<_> = take_published().into_iter().map(|message| message.topic).collect();
        assert_eq!(published, topics);
        set_state::<String, Vec<u8>>([]);
    };
    check(r#"{"role":"observer"}"#, &[]);
    check(r#"{"role":"active"}"#, &["spBv1.0/G/NCMD/E"]);
}

#[test]
fn a_lost_connection_is_told_once_and_makes_nodes_stale() {
    let mut plugin = born(r#"{"emit":["lifecycle"]}"#);
    let told = plugin.changed(Link::Down).unwrap();
    let events: Vec<_> = told.iter().map(|emission| json(&emission.output)["event"].clone()).collect();
    assert_eq!(events, ["host_disconnected", "node_offline"]);
    assert_eq!(told[1].about.as_deref(), Some("spBv1.0/G/NDATA/E"));
}

#[test]
fn what_speaks_of_a_host_leaves_from_the_leading_lane_alone() {
    let mut plugin = Sparkplug::new(r#"{"emit":["lifecycle"]}"#).unwrap();
    let mut told = |lead| plugin.changed(Link::Down, Moment { now_ms: BORN_MS, lead }).unwrap().len();
    assert_eq!((told(false), told(true)), (0, 1));
}

#[test]
fn what_is_not_sparkplug_passes_and_what_is_broken_fails() {
    let mut plugin = Harness::<Sparkplug>::new("").unwrap();
    assert_eq!(plugin.process(&input("site/ulm/temp", vec![1])), Outcome::Pass);
    let failed = plugin.process(&input("spBv1.0/G/NDATA/E", vec![0xFF]));
    assert!(matches!(failed, Outcome::Fail(_)), "{failed:?}");
    let failed = plugin.process(&input("spBv1.0/G/NDATA", data(0, 1)));
    assert!(matches!(failed, Outcome::Fail(_)), "{failed:?}");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_reason() {
    let check = |config, reason: &str| {
        let error = Harness::<Sparkplug>::new(config).err().unwrap_or_default();
        assert!(error.contains(reason), "{error}");
    };
    check(r#"{"emmit":["metric"]}"#, "emmit");
    check(r#"{"broker":7}"#, "`broker` is a name");
    check(r#"{"role":"primary","host_id":"h"}"#, "not offered yet");
    check(r#"{"emit":[]}"#, "`emit` names no envelope");
}
