//! Sessions: births, deaths, order, what waits, rebirths, memory. Named after the normative id where there is one.

mod common;

use common::*;
use tidegate_sparkplug::engine::{Failure, Verdict};
use tidegate_sparkplug::options::EnvelopeKind;

const NBIRTH: &str = "spBv1.0/G/NBIRTH/E";
const NDATA: &str = "spBv1.0/G/NDATA/E";
const NDEATH: &str = "spBv1.0/G/NDEATH/E";
const DBIRTH: &str = "spBv1.0/G/DBIRTH/E/D";
const DDATA: &str = "spBv1.0/G/DDATA/E/D";
const DDEATH: &str = "spBv1.0/G/DDEATH/E/D";
const BOTH: &str = r#"{"emit":["metric","lifecycle"]}"#;

/// A node with `temp` (Int16, alias 1), its device with `level` (Int8, alias 0).
fn born(options: &str) -> Bench {
    let mut bench = Bench::new(options);
    births(&mut bench, 0, 7);
    bench.values();
    bench.events();
    bench
}

fn births(bench: &mut Bench, seq: u64, session: u64) {
    let temp = named("temp", Some(1), 2, V::IntValue(20));
    assert_eq!(bench.send(NBIRTH, &nbirth(seq, session, vec![temp])), Verdict::Handled);
    let level = named("level", Some(0), 1, V::IntValue(3));
    assert_eq!(bench.send(DBIRTH, &payload((seq + 1) % 256, vec![level])), Verdict::Handled);
}

fn data(bench: &mut Bench, seq: u64, value: u32) -> Verdict {
    bench.send(DDATA, &payload(seq, vec![by_alias(0, V::IntValue(value))]))
}

#[test]
fn an_alias_is_resolved_with_its_type() {
    let mut bench = born(BOTH);
    data(&mut bench, 2, 0xFFFF_FFFF);
    data(&mut bench, 3, 0xFF);
    assert_eq!(bench.values(), ["level=-1", "level=-1"]);
    assert_eq!(bench.events(), [""; 0]);
}

#[test]
fn a_metric_record_has_every_field() {
    let mut bench = born("{}");
    data(&mut bench, 2, 5);
    let record = bench.notes.records.remove(0);
    let expected = serde_json::json!({
        "v": 1, "group": "G", "edge_node": "E", "device": "D", "metric": "level", "alias": 0, "type": "Int8", "value": 5,
        "ts": 1_600_000_000_002_u64, "ts_source": "payload", "received_at": 1_700_000_000_000_u64, "quality": "GOOD",
        "quality_code": null, "historical": false, "transient": false, "null": false, "properties": {}, "metadata": {},
        "message_type": "DDATA", "seq": 2, "bdseq": 7, "index": 0, "count": 1, "session": 1_600_000_000_000_u64,
        "resolved": true, "mqtt_topic": DDATA, "broker": "plant",
    });
    assert_eq!(record.json(), expected);
    assert_eq!((record.key.as_str(), record.timestamp_ms), ("G/E", 1_600_000_000_002));
    let headers: Vec<_> = record.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        headers,
        [
            "content-type=application/json",
            "sp.group=G",
            "sp.edge=E",
            "sp.device=D",
            "sp.type=DDATA",
            "sp.seq=2",
            "sp.bdseq=7",
            "sp.ts=1600000000002",
            &format!("mqtt.topic={DDATA}"),
            "mqtt.retain=false",
        ]
    );
}

#[test]
fn a_birth_gives_its_metrics_and_events_in_order() {
    let mut bench = Bench::new(BOTH);
    births(&mut bench, 0, 7);
    assert_eq!(bench.values(), ["temp=20", "level=3"]);
    assert_eq!(bench.events(), ["node_online", "device_online D"]);
    births(&mut bench, 0, 7);
    assert_eq!(bench.events(), ["rebirth_received", "device_stale D", "device_online D"]);
    births(&mut bench, 0, 8);
    assert_eq!(bench.events(), ["node_online", "device_stale D", "device_online D"]);
}

#[test]
fn a_new_birth_drops_the_tables_of_the_node_and_its_devices() {
    let mut bench = born(BOTH);
    let other = named("speed", Some(0), 8, V::LongValue(1));
    bench.send(NBIRTH, &nbirth(0, 7, vec![other]));
    bench.values();
    data(&mut bench, 1, 5);
    assert_eq!(bench.values(), [""; 0]);
    bench.send(NDATA, &payload(2, vec![by_alias(0, V::LongValue(u64::MAX))]));
    assert_eq!(bench.values(), ["speed=18446744073709551615"]);
}

#[test]
fn operational_behavior_edge_node_termination_host_action_ndeath_node_offline() {
    let mut bench = born(BOTH);
    bench.now += 5_000;
    let mut death = ndeath(7);
    death.timestamp = Some(1);
    bench.send(NDEATH, &death);
    let records = bench.take(EnvelopeKind::Lifecycle);
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record["ts"] == bench.now), "the host's clock");
    assert_eq!((&records[0]["event"], &records[1]["event"]), (&"node_offline".into(), &"device_offline".into()));
}

#[test]
fn a_late_will_of_an_older_session_and_a_second_death_are_ignored() {
    let mut bench = born(BOTH);
    bench.send(NDEATH, &ndeath(6));
    assert_eq!(bench.events(), [""; 0]);
    bench.send(NDEATH, &ndeath(7));
    assert_eq!(bench.events().len(), 2);
    bench.send(NDEATH, &ndeath(7));
    bench.send(NDEATH, &Payload::default());
    assert_eq!(bench.events(), [""; 0]);
    assert_eq!(bench.engine.counters().deaths_ignored, 2, "an empty payload is no death");
}

#[test]
fn a_death_may_name_bdseq_by_alias_and_have_a_seq() {
    let mut bench = Bench::new(BOTH);
    let mut number = bdseq(9);
    number.alias = Some(44);
    bench.send(NBIRTH, &payload(0, vec![number]));
    bench.events();
    bench.send(NDEATH, &payload(3, vec![by_alias(44, V::LongValue(9))]));
    assert_eq!(bench.events(), ["node_offline"]);
}

#[test]
fn operational_behavior_edge_node_termination_host_action_ddeath_devices_offline() {
    let mut bench = born(BOTH);
    bench.send(DDEATH, &payload(2, Vec::new()));
    let records = bench.take(EnvelopeKind::Lifecycle);
    assert_eq!((&records[0]["event"], &records[0]["ts"]), (&"device_offline".into(), &1_600_000_000_002_u64.into()));
}

#[test]
fn what_waits_for_its_birth_goes_out_behind_it_in_order() {
    let mut bench = Bench::new(BOTH);
    for (seq, value) in [(5, 1), (6, 2), (7, 3)] {
        data(&mut bench, seq, value);
    }
    assert_eq!(bench.values(), [""; 0]);
    births(&mut bench, 8, 7);
    assert_eq!(bench.values(), ["temp=20", "level=3", "level=1", "level=2", "level=3"]);
}

#[test]
fn only_the_unresolved_metrics_of_a_payload_wait() {
    let mut bench = born(BOTH);
    let known = by_alias(0, V::IntValue(1));
    bench.send(DDATA, &payload(2, vec![by_alias(9, V::IntValue(9)), known]));
    assert_eq!(bench.values(), ["level=1"]);
    let metrics = vec![named("level", Some(0), 1, V::IntValue(3)), named("late", Some(9), 3, V::IntValue(0))];
    bench.send(DBIRTH, &payload(3, metrics));
    let records = bench.take(EnvelopeKind::Metric);
    let last = records.last().unwrap();
    assert_eq!(
        (&last["metric"], &last["value"], &last["index"], &last["count"]),
        (&"late".into(), &9.into(), &0.into(), &2.into())
    );
}

#[test]
fn a_birth_of_another_session_drops_what_was_held() {
    let mut bench = born(BOTH);
    bench.send(NDATA, &payload(2, vec![by_alias(9, V::IntValue(9))]));
    bench.send(NBIRTH, &nbirth(0, 8, vec![named("late", Some(9), 3, V::IntValue(0))]));
    assert_eq!(bench.values(), ["late=0"]);
    assert_eq!(bench.events(), ["node_online", "device_stale D", "unresolved"]);
    assert_eq!(bench.notes.given_up, [NDATA]);
}

#[test]
fn what_is_held_is_bounded_and_expires() {
    let mut bench = Bench::new(r#"{"emit":["metric","lifecycle"],"hold_limit":{"messages":2,"age":"10s"}}"#);
    for seq in 0..5 {
        data(&mut bench, seq, 1);
    }
    assert_eq!(bench.notes.given_up.len(), 3);
    bench.tick(10_000);
    assert_eq!(bench.notes.given_up.len(), 5);
    assert_eq!(bench.events(), ["unresolved D"; 5]);
}

#[test]
fn unresolved_drop_emit_raw_and_dead_letter() {
    let mut bench = Bench::new(r#"{"unresolved":"emit_raw"}"#);
    data(&mut bench, 0, 200);
    let record = &bench.take(EnvelopeKind::Metric)[0];
    assert_eq!((&record["metric"], &record["alias"], &record["value"]), (&().into(), &0.into(), &200.into()));
    assert_eq!((&record["resolved"], &record["type"]), (&false.into(), &().into()));
    let mut bench = Bench::new(r#"{"unresolved":"dead_letter"}"#);
    assert_eq!(data(&mut bench, 0, 1), Verdict::Failed(Failure::Unresolved { metric: "alias 0".into() }));
    let mut bench = Bench::new(r#"{"unresolved":"drop","emit":["metric","lifecycle"]}"#);
    data(&mut bench, 0, 1);
    assert_eq!(bench.events(), ["unresolved D"]);
}

#[test]
fn a_gap_is_told_and_asks_for_a_rebirth_in_the_active_role_alone() {
    for (role, requests) in [("observer", 0), ("active", 1)] {
        let mut bench = born(&format!(r#"{{"emit":["metric","lifecycle"],"role":"{role}"}}"#));
        data(&mut bench, 4, 1);
        assert_eq!(bench.values(), ["level=1"]);
        assert_eq!(bench.published().len(), requests, "{role}");
        let events = bench.events();
        assert!(events.contains(&"gap".to_owned()) || events.contains(&"gap D".to_owned()), "{events:?}");
    }
}

#[test]
fn operational_behavior_host_reordering_rebirth_and_success() {
    let options = r#"{"role":"active","reorder_timeout":"2s","emit":["metric","lifecycle"]}"#;
    let mut bench = born(options);
    data(&mut bench, 3, 3);
    bench.tick(1_000);
    assert_eq!(bench.published(), [""; 0]);
    bench.tick(1_000);
    assert_eq!(bench.published(), ["spBv1.0/G/NCMD/E"]);
    births(&mut bench, 0, 7);
    bench.tick(20_000);
    data(&mut bench, 3, 3);
    bench.tick(1_000);
    data(&mut bench, 2, 2);
    bench.tick(10_000);
    assert_eq!(bench.published(), [""; 0]);
}

#[test]
fn hold_and_release_restores_the_order() {
    let mut bench = born(r#"{"reorder_timeout":"2s","reorder_policy":"hold_and_release"}"#);
    for seq in [4, 3, 6, 2] {
        data(&mut bench, seq, seq as u32);
    }
    assert_eq!(bench.values(), ["level=2", "level=3", "level=4"]);
    bench.tick(2_000);
    assert_eq!(bench.values(), ["level=6"]);
    data(&mut bench, 5, 5);
    assert_eq!(bench.values(), ["level=5"]);
}

#[test]
fn drop_late_drops_what_comes_after_the_timeout() {
    let mut bench = born(r#"{"reorder_timeout":"2s","reorder_policy":"drop_late","emit":["metric","lifecycle"]}"#);
    data(&mut bench, 3, 3);
    bench.tick(2_000);
    data(&mut bench, 2, 2);
    assert_eq!(bench.values(), ["level=3"]);
    assert_eq!(bench.events(), ["gap", "gap D"]);
}

#[test]
fn pass_through_flags_what_is_out_of_order() {
    let mut bench = born(r#"{"reorder_timeout":"2s"}"#);
    for seq in [3, 2, 4] {
        data(&mut bench, seq, seq as u32);
    }
    let flagged: Vec<_> =
        bench.notes.records.iter().map(|r| r.headers.iter().any(|(name, _)| name == "sp.out_of_order")).collect();
    assert_eq!(flagged, [true, false, false]);
    assert!(bench.engine.next_deadline_ms().is_none());
}

#[test]
fn duplicates_are_told_and_emitted() {
    let mut bench = born(BOTH);
    data(&mut bench, 2, 1);
    data(&mut bench, 2, 1);
    assert_eq!((bench.values().len(), bench.events()), (2, vec!["duplicate D".to_owned()]));
}

#[test]
fn a_sequence_number_above_255_or_none_takes_no_part() {
    let mut bench = born(BOTH);
    data(&mut bench, 300, 1);
    let mut without = payload(0, vec![by_alias(0, V::IntValue(2))]);
    without.seq = None;
    bench.send(DDATA, &without);
    data(&mut bench, 2, 3);
    let seqs: Vec<_> = bench.take(EnvelopeKind::Metric).iter().map(|record| record["seq"].clone()).collect();
    assert_eq!(serde_json::json!(seqs), serde_json::json!([300, null, 2]));
    assert_eq!(bench.events(), [""; 0]);
}

#[test]
fn rebirths_are_throttled_per_node() {
    let mut bench = Bench::new(r#"{"role":"active","rebirth":{"jitter":0}}"#);
    let mut sent = 0;
    for step in 0..600_u64 {
        data(&mut bench, step % 256, 1);
        bench.tick(100);
        sent += bench.published().len();
    }
    assert_eq!(sent, 4, "after 0, 5, 15 and 35 s of 60");
}

#[test]
fn operational_behavior_data_commands_ncmd_rebirth() {
    let mut bench = Bench::new(r#"{"role":"active"}"#);
    data(&mut bench, 0, 1);
    let (topic, bytes, qos, retain) = bench.notes.published.remove(0);
    assert_eq!((topic.as_str(), qos, retain), ("spBv1.0/G/NCMD/E", 0, false));
    let command = <Payload as prost::Message>::decode(bytes.as_slice()).unwrap();
    assert_eq!((command.seq, command.timestamp), (None, Some(bench.now)));
    assert_eq!(command.metrics[0].name.as_deref(), Some(&b"Node Control/Rebirth"[..]));
    assert_eq!(
        (command.metrics[0].datatype, &command.metrics[0].metric_value),
        (Some(11), &Some(V::BooleanValue(true)))
    );
}

#[test]
fn a_duplicate_alias_is_ambiguous() {
    let mut bench = Bench::new(r#"{"role":"active"}"#);
    let twice = vec![named("a", Some(5), 3, V::IntValue(1)), named("b", Some(5), 3, V::IntValue(2))];
    bench.send(NBIRTH, &nbirth(0, 1, twice));
    assert_eq!(bench.values(), ["a=1", "b=2"]);
    assert_eq!(bench.published().len(), 1);
    bench.send(NDATA, &payload(1, vec![by_alias(5, V::IntValue(3))]));
    assert_eq!(bench.values(), [""; 0]);
}

#[test]
fn births_survive_a_restart() {
    let mut bench = born(BOTH);
    data(&mut bench, 2, 1);
    bench.values();
    bench.restart(BOTH);
    data(&mut bench, 3, 0xFE);
    assert_eq!((bench.values(), bench.events()), (vec!["level=-2".to_owned()], Vec::new()));
    data(&mut bench, 5, 1);
    assert_eq!(bench.events(), ["gap D"]);
}

#[test]
fn what_is_held_survives_a_restart() {
    let mut bench = Bench::new(BOTH);
    data(&mut bench, 2, 1);
    data(&mut bench, 3, 2);
    bench.restart(BOTH);
    births(&mut bench, 4, 7);
    assert_eq!(bench.values(), ["temp=20", "level=3", "level=1", "level=2"]);
    bench.engine.export(&mut bench.notes);
    assert!(!bench.notes.memory.keys().any(|key| key.contains("held")), "{:?}", bench.notes.memory.keys());
}

#[test]
fn large_births_are_kept_in_bounded_pieces() {
    let mut bench = Bench::new("{}");
    let metrics = (0..10_000).map(|at| named(&format!("line/cell/metric {at}"), Some(at), 3, V::IntValue(1))).collect();
    assert_eq!(bench.send(NBIRTH, &nbirth(0, 1, metrics)), Verdict::Handled);
    bench.values();
    bench.restart("{}");
    assert!(bench.notes.memory.values().all(|(value, _)| value.len() < 49 << 10));
    bench.send(NDATA, &payload(1, vec![by_alias(9_999, V::IntValue(u32::MAX))]));
    assert_eq!(bench.values(), ["line/cell/metric 9999=-1"]);
}

#[test]
fn memory_of_another_session_is_not_mixed() {
    let mut bench = born("{}");
    bench.restart("{}");
    let table = "plant/G/E/table#0";
    bench.notes.memory.get_mut(table).unwrap().0[2] ^= 1;
    data(&mut bench, 2, 1);
    assert_eq!(bench.values(), [""; 0], "held instead");
}

#[test]
fn a_lost_broker_makes_everything_stale_and_a_word_brings_it_back() {
    let mut bench = born(BOTH);
    bench.engine.disconnected("plant", bench.now, &mut bench.notes);
    assert_eq!(bench.events(), ["host_disconnected", "node_offline", "device_stale D"]);
    bench.engine.connected("plant", bench.now, &mut bench.notes);
    data(&mut bench, 2, 1);
    assert_eq!((bench.values(), bench.events()), (vec!["level=1".to_owned()], vec!["node_online D".to_owned()]));
}

#[test]
fn host_topic_phid_birth_and_death() {
    let mut bench = Bench::new(r#"{"role":"primary","host_id":"h"}"#);
    let will = bench.engine.will("plant", 500).unwrap();
    assert_eq!((will.topic.as_str(), will.qos, will.retain), ("spBv1.0/STATE/h", 1, true));
    assert_eq!(will.payload, br#"{"online":false,"timestamp":500}"#);
    bench.engine.connected("plant", 600, &mut bench.notes);
    let online = ("spBv1.0/STATE/h".to_owned(), br#"{"online":true,"timestamp":500}"#.to_vec(), 1, true);
    assert_eq!(bench.notes.published, [online.clone()]);
    bench.bytes("spBv1.0/STATE/h", br#"{"online":false,"timestamp":400}"#, false);
    assert_eq!(bench.notes.published, [online.clone(), online]);
    bench.notes.published.clear();
    bench.engine.stopping(900, &mut bench.notes);
    bench.bytes("spBv1.0/STATE/h", br#"{"online":false,"timestamp":900}"#, false);
    assert_eq!(bench.notes.published.len(), 1, "no birth in answer to the own death");
    assert_eq!(bench.notes.published[0].1, br#"{"online":false,"timestamp":900}"#);
}

#[test]
fn states_of_other_hosts_are_told_in_both_dialects() {
    let mut bench = Bench::new(BOTH);
    bench.bytes("spBv1.0/STATE/x", br#"{"online":true,"timestamp":5}"#, true);
    bench.bytes("STATE/x", b"OFFLINE", true);
    let records = bench.take(EnvelopeKind::Lifecycle);
    assert_eq!(
        (&records[0]["event"], &records[0]["ts"], &records[0]["host_id"]),
        (&"host_online".into(), &5.into(), &"x".into())
    );
    assert_eq!(records[1]["event"], "host_offline");
    assert_eq!(bench.bytes("STATE/x", b"what", true), Verdict::Failed(Failure::State));
}

#[test]
fn a_retained_birth_teaches_but_brings_nobody_to_life() {
    let mut bench = Bench::new(BOTH);
    let birth = nbirth(0, 1, vec![named("temp", Some(1), 2, V::IntValue(20))]);
    bench.bytes(NBIRTH, &prost::Message::encode_to_vec(&birth), true);
    let records = bench.take(EnvelopeKind::Metric);
    assert_eq!(records[0]["quality"], "STALE");
    assert_eq!(bench.events(), [""; 0]);
    bench.send(NDATA, &payload(9, vec![by_alias(1, V::IntValue(0xFFFF))]));
    assert_eq!(bench.values(), ["temp=-1"]);
}

#[test]
fn data_after_a_death_are_stale_in_sequence_and_unresolved_out_of_it() {
    let mut bench = born(BOTH);
    bench.send(NDEATH, &ndeath(7));
    data(&mut bench, 2, 1);
    let records = bench.take(EnvelopeKind::Metric);
    assert_eq!((&records[0]["metric"], &records[0]["quality"]), (&"level".into(), &"STALE".into()));
    data(&mut bench, 40, 1);
    assert_eq!(bench.values(), [""; 0]);
}

#[test]
fn commands_of_others_give_records_only_when_asked_and_touch_nothing() {
    let command = payload(77, vec![named("temp", None, 2, V::IntValue(5))]);
    let mut bench = born(BOTH);
    bench.send("spBv1.0/G/NCMD/E", &command);
    assert_eq!(bench.values(), [""; 0]);
    let mut bench = born(r#"{"commands":"emit"}"#);
    bench.send("spBv1.0/G/NCMD/E", &command);
    assert_eq!(bench.values(), ["temp=5"]);
    data(&mut bench, 2, 1);
    assert_eq!(bench.engine.counters().gaps, 0);
}

#[test]
fn operational_behavior_data_commands_dcmd() {
    let mut bench = born(r#"{"role":"active"}"#);
    let device = tidegate_sparkplug::topic::Address { group: "G", edge_node: "E", device: Some("D") };
    bench.engine.write("plant", device, &[("level", "-5")], bench.now, &mut bench.notes).unwrap();
    let (topic, bytes, ..) = bench.notes.published.remove(0);
    assert_eq!(topic, "spBv1.0/G/DCMD/E/D");
    let command = <Payload as prost::Message>::decode(bytes.as_slice()).unwrap();
    assert_eq!(command.metrics[0].metric_value, Some(V::IntValue(-5_i32 as u32)));
    let error = bench.engine.write("plant", device, &[("level", "high")], bench.now, &mut bench.notes).unwrap_err();
    assert_eq!(error.to_string(), "the value for `level` is no Int8");
    let mut observer = born("{}");
    assert!(observer.engine.write("plant", device, &[], 0, &mut observer.notes).is_err());
}

#[test]
fn memory_is_bounded_by_births_and_nodes() {
    let mut bench = Bench::new(r#"{"limits":{"memory_bytes":"64KiB","nodes":3}}"#);
    let many = |count| (0..count).map(|at| named(&format!("m{at}"), Some(at), 3, V::IntValue(1))).collect::<Vec<_>>();
    assert_eq!(bench.send(NBIRTH, &nbirth(0, 1, many(100))), Verdict::Handled);
    let refused = bench.send("spBv1.0/G/NBIRTH/F", &nbirth(0, 1, many(1000)));
    assert!(matches!(refused, Verdict::Failed(Failure::Birth(_))), "{refused:?}");
    for at in 0..10 {
        bench.send(&format!("spBv1.0/G/NDATA/N{at}"), &payload(0, vec![named("x", None, 3, V::IntValue(1))]));
        assert!(bench.engine.nodes() <= 3);
    }
    assert_eq!(bench.engine.counters().nodes_forgotten, 9);
}

#[test]
fn nodes_as_json() {
    let mut bench = born("{}");
    data(&mut bench, 2, 0xFF);
    let mut buf = b"{".to_vec();
    bench.engine.view(Default::default(), &mut buf);
    buf.push(b'}');
    let view: serde_json::Value = serde_json::from_slice(&buf).unwrap();
    let node = &view["G/E"];
    assert_eq!((&node["online"], &node["seq"], &node["bdseq"]), (&true.into(), &2.into(), &7.into()));
    assert_eq!(node["metrics"]["temp"]["value"], 20);
    let level = &node["devices"]["D"]["metrics"]["level"];
    assert_eq!((&level["value"], &level["stale"]), (&(-1).into(), &false.into()));
}
