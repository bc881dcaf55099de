//! The built-in Sparkplug host: `via = ["sparkplug"]`, no plugin file.

use serde_json::{Value, json};
use tidegate_tests::read::Record;
use tidegate_tests::scripted::Event;
use tidegate_tests::sparkplug::{Field, Payload};
use tidegate_tests::wire::Packet;

use super::{Bed, DEAD_LETTERS, PATIENCE};

const BORN_MS: u64 = 1_700_000_000_000;

fn rules(config: &str) -> String {
    format!(
        "[[rule]]\nname = \"sparkplug\"\nfrom = [\"spBv1.0/#\"]\nvia = [{{ plugin = \"sparkplug\", config = {{ {config} }} }}]\n\
         to = {{ topic = \"t\" }}\n"
    )
}

fn bed(config: &str) -> Bed {
    Bed::start(&[("t", 1), ("dlq", 1)], "", DEAD_LETTERS, &rules(config))
}

/// One metric of each kind that needs its birth to be read right.
fn birth(prefix: &str, seq: u8) -> Vec<u8> {
    let name = |last: &str| format!("{prefix}/{last}");
    Payload::at(BORN_MS)
        .seq(seq)
        .born(&name("int8"), u64::from(seq) * 10, 1, Field::Int(0xF9))
        .born(&name("int16"), u64::from(seq) * 10 + 1, 2, Field::Int(0xFFFF_FFF8))
        .born(&name("uint32"), u64::from(seq) * 10 + 2, 7, Field::Long(4_000_000_000))
        .born(&name("int64"), u64::from(seq) * 10 + 3, 4, Field::Long(-5_i64 as u64))
        .born(&name("double"), u64::from(seq) * 10 + 4, 10, Field::Double(21.5))
        .born(&name("boolean"), u64::from(seq) * 10 + 5, 11, Field::Bool(true))
        .born(&name("string"), u64::from(seq) * 10 + 6, 12, Field::Text("run"))
        .bytes()
}

/// The same metrics by alias alone, one less or the other.
fn data(born_seq: u8, seq: u8) -> Vec<u8> {
    let alias = |place: u64| u64::from(born_seq) * 10 + place;
    Payload::at(BORN_MS + 1_000)
        .seq(seq)
        .data(alias(0), Field::Int(0xF8))
        .data(alias(1), Field::Int(0xFFF7))
        .data(alias(2), Field::Int(3_999_999_999))
        .data(alias(3), Field::Long(-6_i64 as u64))
        .data(alias(4), Field::Double(20.5))
        .data(alias(5), Field::Bool(false))
        .data(alias(6), Field::Text("halt"))
        .bytes()
}

/// Name, type and value of each metric that `prefix` names, as records of the data show them.
fn shown(prefix: &str, born: bool) -> Vec<Value> {
    let values = match born {
        true => [json!(-7), json!(-8), json!(4_000_000_000_u32), json!(-5), json!(21.5), json!(true), json!("run")],
        false => [json!(-8), json!(-9), json!(3_999_999_999_u32), json!(-6), json!(20.5), json!(false), json!("halt")],
    };
    let types = ["Int8", "Int16", "UInt32", "Int64", "Double", "Boolean", "String"];
    let named = types.iter().zip(values);
    named.map(|(kind, value)| json!([format!("{prefix}/{}", kind.to_lowercase()), kind, value])).collect()
}

fn parsed(record: &Record) -> Value {
    serde_json::from_str(&record.payload_text()).expect("records are JSON")
}

/// Name, type and value of the records of one node or device, in order.
fn found(records: &[Record], group: &str, device: Option<&str>) -> Vec<Value> {
    let of = |record: &Value| record["group"] == group && record["device"] == json!(device);
    let records = records.iter().map(parsed).filter(of);
    records.map(|record| json!([record["metric"], record["type"], record["value"]])).collect()
}

fn events(records: &[Record]) -> Vec<String> {
    let event = |record| parsed(record)["event"].as_str().map(str::to_owned);
    records.iter().filter_map(event).collect()
}

#[test]
fn births_and_alias_data_of_two_nodes() {
    let bed = bed("");
    for (at, group) in (0_u16..).zip(["north", "south"]) {
        let send = |topic: String, payload: Vec<u8>, packet_id| {
            bed.broker.publish(&topic, &payload, 1, at * 10 + packet_id);
        };
        send(format!("spBv1.0/{group}/NBIRTH/edge"), birth("Node", 0), 1);
        send(format!("spBv1.0/{group}/DBIRTH/edge/press"), birth("Drive", 1), 2);
        send(format!("spBv1.0/{group}/NDATA/edge"), data(0, 2), 3);
        send(format!("spBv1.0/{group}/DDATA/edge/press"), data(1, 3), 4);
    }
    bed.wait_pubacks(1, 8);
    let records = bed.records(&["t"]);
    assert_eq!(records.len(), 2 * 4 * 7);
    for group in ["north", "south"] {
        assert_eq!(found(&records, group, None), [shown("Node", true), shown("Node", false)].concat());
        assert_eq!(found(&records, group, Some("press")), [shown("Drive", true), shown("Drive", false)].concat());
    }
    let first = &records[0];
    let group = parsed(first)["group"].as_str().unwrap_or_default().to_owned();
    assert_eq!(first.key_text(), Some(format!("{group}/edge")));
    assert_eq!(first.header("sp.type").as_deref(), Some("NBIRTH"));
    assert_eq!(first.header("mqtt.topic"), Some(format!("spBv1.0/{group}/NBIRTH/edge")));
    assert_eq!(first.headers.iter().filter(|(name, _)| name == "mqtt.topic").count(), 1);
    assert_eq!(parsed(first)["broker"], "plant");
    assert_eq!(first.timestamp_ms, i64::try_from(BORN_MS).ok());
    assert!(bed.records(&["dlq"]).is_empty());
}

#[test]
fn births_survive_a_reload_of_the_rule() {
    let bed = bed("");
    bed.broker.publish("spBv1.0/north/NBIRTH/edge", &birth("Node", 0), 1, 1);
    bed.wait_pubacks(1, 1);
    bed.bridge.write("rules.d/rules.toml", &rules("births_emit = \"none\""));
    let answer = bed.bridge.reload();
    assert_ne!(answer["outcome"], "rejected", "{answer}");
    bed.broker.publish("spBv1.0/north/NDATA/edge", &data(0, 1), 1, 2);
    bed.wait_pubacks(1, 2);
    let records = bed.records(&["t"]);
    assert_eq!(found(&records[7..], "north", None), shown("Node", false));
}

#[test]
fn an_unknown_node_is_asked_for_its_birth_and_its_data_waits_for_it() {
    let bed = bed("role = \"active\", emit = [\"metric\", \"lifecycle\"]");
    bed.broker.publish("spBv1.0/north/NDATA/edge", &data(0, 7), 1, 1);
    bed.broker.wait("the rebirth command", PATIENCE, |log| {
        log.iter().any(|seen| match &seen.event {
            Event::Packet(Packet::Publish(publish)) => {
                let is_rebirth = publish.payload.windows(20).any(|text| text == b"Node Control/Rebirth");
                publish.topic == "spBv1.0/north/NCMD/edge" && publish.qos == 0 && !publish.retain && is_rebirth
            }
            Event::Packet(_) | Event::Opened | Event::Closed(_) => false,
        })
    });
    bed.broker.publish("spBv1.0/north/NBIRTH/edge", &birth("Node", 0), 1, 2);
    bed.wait_pubacks(1, 2);
    let records = bed.records(&["t"]);
    let metrics: Vec<_> = records.iter().filter(|record| record.header("sp.type").is_some()).cloned().collect();
    let metrics: Vec<_> = metrics.into_iter().filter(|record| parsed(record)["metric"].is_string()).collect();
    assert_eq!(found(&metrics, "north", None), [shown("Node", true), shown("Node", false)].concat());
    assert!(events(&records).contains(&"rebirth_requested".to_owned()), "{:?}", events(&records));
}

#[test]
fn a_lost_connection_and_a_gap_are_told() {
    let mut bed = Bed::prepared(&[("t", 1), ("dlq", 1)], "", DEAD_LETTERS, &rules("emit = [\"lifecycle\"]"));
    bed.bridge.start();
    bed.broker.publish("spBv1.0/north/NBIRTH/edge", &birth("Node", 0), 1, 1);
    bed.broker.publish("spBv1.0/north/NDATA/edge", &data(0, 5), 1, 2);
    bed.wait_pubacks(1, 2);
    bed.broker.hang_up();
    bed.broker.wait_subscribed("spBv1.0/#", PATIENCE);
    bed.bridge.wait_metric("tidegate_records_produced_total", &[("topic", "t")], PATIENCE, |count| count > 3.5);
    let told = events(&bed.records(&["t"]));
    assert_eq!(told, ["node_online", "gap", "host_disconnected", "node_offline"]);
}

#[test]
fn what_is_no_sparkplug_is_set_aside_with_its_reason() {
    let bed = bed("");
    bed.broker.publish("spBv1.0/north/NDATA/edge", b"\xff", 1, 1);
    bed.broker.publish("spBv1.0/north/NDATA/edge/press", &data(0, 1), 1, 2);
    bed.wait_pubacks(1, 2);
    let letters = bed.records(&["dlq"]);
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.header("dlq.plugin").as_deref() == Some("sparkplug")));
    let reasons: Vec<_> = letters.iter().filter_map(|letter| letter.header("dlq.error")).collect();
    assert!(reasons.iter().any(|reason| reason.contains("do not agree")), "{reasons:?}");
}

/// A birth of `count` metrics with aliases from 0.
fn wide_birth(count: u64) -> Vec<u8> {
    let named = |payload: Payload, alias| {
        payload.born(&format!("Area/Line/Cell/Drive/metric {alias}"), alias, 10, Field::Double(1.5))
    };
    (0..count).fold(Payload::at(BORN_MS).seq(0), named).bytes()
}

#[test]
fn five_hundred_births_at_once_stay_within_the_memory_of_a_plugin() {
    let bed = bed("births_emit = \"none\"");
    let birth = wide_birth(200);
    for id in 1..=500 {
        bed.broker.publish(&format!("spBv1.0/G/NBIRTH/edge {id}"), &birth, 1, id);
    }
    for id in 1..=500 {
        let data = Payload::at(BORN_MS).seq(1).data(u64::from(id % 200), Field::Double(2.5)).bytes();
        bed.broker.publish(&format!("spBv1.0/G/NDATA/edge {id}"), &data, 1, 500 + id);
    }
    bed.wait_pubacks(1, 1_000);
    let records = bed.records(&["t"]);
    let mut found: Vec<_> = records.iter().map(parsed).map(|record| record["metric"].to_string()).collect();
    let mut wanted: Vec<_> = (1..=500).map(|id| format!("\"Area/Line/Cell/Drive/metric {}\"", id % 200)).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert!(bed.records(&["dlq"]).is_empty());
    let memory = bed.bridge.metric("tidegate_plugin_memory_bytes", &[("plugin", "sparkplug")]);
    println!("memory of all instances: {:.1} MiB", memory / f64::from(1 << 20));
    assert!(memory < 64.0 * f64::from(1 << 20), "{memory} bytes");
}

#[test]
fn a_birth_of_ten_thousand_metrics_is_taken_whole() {
    let bed = bed("births_emit = \"none\"");
    bed.broker.publish("spBv1.0/G/NBIRTH/edge", &wide_birth(10_000), 1, 1);
    let data = Payload::at(BORN_MS).seq(1).data(9_999, Field::Double(2.5)).bytes();
    bed.broker.publish("spBv1.0/G/NDATA/edge", &data, 1, 2);
    bed.wait_pubacks(1, 2);
    let records = bed.records(&["t"]);
    assert_eq!(
        records.iter().map(parsed).next().map(|record| record["metric"].clone()),
        Some("Area/Line/Cell/Drive/metric 9999".into())
    );
}
