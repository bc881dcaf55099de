//! Values in records: what fails, fails alone and with a reason.

mod common;

use common::*;
use tidegate_sparkplug::engine::Verdict;
use tidegate_sparkplug::options::EnvelopeKind;

/// One metric of a birth as the record that it gives.
fn record(options: &str, metric: Metric) -> serde_json::Value {
    let mut bench = Bench::new(options);
    let neighbour = named("neighbour", None, 3, V::IntValue(1));
    let birth = payload(0, vec![bdseq(0), metric, neighbour]);
    assert_eq!(bench.send("spBv1.0/G/NBIRTH/E", &birth), Verdict::Handled);
    let records = bench.take(EnvelopeKind::Metric);
    assert_eq!(records.last().unwrap()["value"], 1, "the others live");
    records[0].clone()
}

fn check(options: &str, datatype: u32, value: V, expected: serde_json::Value) {
    let record = record(options, named("m", None, datatype, value));
    assert_eq!((&record["value"], &record["error"]), (&expected, &().into()));
}

fn check_error(datatype: u32, value: V, part: &str) {
    let record = record("{}", named("m", None, datatype, value));
    assert_eq!((&record["value"], &record["quality"]), (&().into(), &"BAD".into()));
    assert!(record["error"].as_str().unwrap().contains(part), "{record}");
}

fn nested(levels: usize) -> Template {
    let mut template = Template::default();
    for _ in 1..levels {
        let inner = named("in", None, 19, V::TemplateValue(template));
        template = Template { metrics: vec![inner], template_ref: Some(b"T".to_vec()), ..Template::default() };
    }
    template
}

#[test]
fn what_fails_fails_alone() {
    check_error(0, V::IntValue(1), "type 0");
    check_error(99, V::IntValue(1), "type 99");
    check_error(5, V::IntValue(256), "range of UInt8");
    check_error(24, V::BytesValue(vec![1, 2, 3]), "Int32Array");
    check_error(32, V::BytesValue(vec![0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0]), "BooleanArray");
    check_error(19, V::TemplateValue(nested(40)), "more than 32 deep");
    let ragged = DataSet { num_of_columns: Some(2), columns: vec![b"a".to_vec()], types: vec![3], rows: Vec::new() };
    check_error(16, V::DatasetValue(ragged), "num_of_columns");
}

#[test]
fn a_hundred_levels_of_templates_cost_the_payload() {
    let mut bench = Bench::new("{}");
    let deep = payload(0, vec![named("m", None, 19, V::TemplateValue(nested(100)))]);
    let Verdict::Failed(failure) = bench.send("spBv1.0/G/NBIRTH/E", &deep) else { panic!("not refused") };
    assert!(failure.to_string().contains("nested"));
}

#[test]
fn options_shape_values() {
    check("{}", 10, V::DoubleValue(f64::NAN), ().into());
    check(r#"{"nan":"string"}"#, 9, V::FloatValue(f32::NEG_INFINITY), "-Infinity".into());
    check(r#"{"int64":"string"}"#, 8, V::LongValue(u64::MAX), "18446744073709551615".into());
    check(r#"{"datetime":"rfc3339"}"#, 13, V::LongValue(0), "1970-01-01T00:00:00.000Z".into());
    check("{}", 12, V::StringValue(b"\xFFx".to_vec()), "\u{FFFD}x".into());
    let infinite = record("{}", named("m", None, 10, V::DoubleValue(f64::INFINITY)));
    assert_eq!(infinite["value_text"], "Infinity");
}

#[test]
fn null_wins_over_a_value_and_nothing_is_not_zero() {
    let null = record("{}", Metric { is_null: Some(true), ..named("m", None, 3, V::IntValue(5)) });
    assert_eq!((&null["value"], &null["null"]), (&().into(), &true.into()));
    let nothing = record("{}", Metric { metric_value: None, ..named("m", None, 3, V::IntValue(5)) });
    assert_eq!((&nothing["value"], &nothing["null"], &nothing["error"]), (&().into(), &false.into(), &().into()));
}

#[test]
fn template_members_are_typed_by_the_birth_and_the_definition() {
    let mut bench = Bench::new("{}");
    let definition = Template {
        metrics: vec![named("RPM", None, 2, V::IntValue(0)), named("AMPS", None, 1, V::IntValue(0))],
        is_definition: Some(true),
        ..Template::default()
    };
    let instance = |metrics| Template { metrics, template_ref: Some(b"Motor".to_vec()), ..Template::default() };
    let birth = vec![
        named("_types_/Motor", None, 19, V::TemplateValue(definition)),
        named("M1", Some(3), 19, V::TemplateValue(instance(vec![named("RPM", None, 2, V::IntValue(0))]))),
    ];
    bench.send("spBv1.0/G/NBIRTH/E", &nbirth(0, 0, birth));
    let born: Vec<_> = bench.take(EnvelopeKind::Metric).iter().map(|record| record["metric"].clone()).collect();
    assert_eq!(born, ["M1"], "definitions stand in the catalog alone");
    let member = |name: &str| Metric {
        name: Some(name.into()),
        metric_value: Some(V::IntValue(0xFFFF_FFFF)),
        ..Metric::default()
    };
    let update = instance(vec![member("RPM"), member("AMPS")]);
    bench.send("spBv1.0/G/NDATA/E", &payload(1, vec![by_alias(3, V::TemplateValue(update))]));
    let expected = serde_json::json!({"template_ref": "Motor", "version": null, "members": {"RPM": -1, "AMPS": -1}, "parameters": {}});
    assert_eq!(bench.take(EnvelopeKind::Metric)[0]["value"], expected);
}

#[test]
fn flat_takes_the_last_of_a_name_and_message_takes_all() {
    let mut bench = Bench::new(r#"{"emit":["flat","message"]}"#);
    let twice = vec![
        named("a", None, 3, V::IntValue(1)),
        named("b", None, 3, V::IntValue(2)),
        named("a", None, 3, V::IntValue(3)),
    ];
    bench.send("spBv1.0/G/NBIRTH/E", &nbirth(4, 0, twice));
    let flat = &bench.take(EnvelopeKind::Flat)[0];
    let expected = serde_json::json!({"b": 2, "a": 3, "_ts": 1_600_000_000_004_u64, "_group": "G", "_edge_node": "E",
        "_device": null, "_type": "NBIRTH", "_seq": 4, "_repeated": 1});
    assert_eq!(*flat, expected);
    assert_eq!(bench.take(EnvelopeKind::Message)[0]["metrics"].as_array().unwrap().len(), 5);
}

#[test]
fn the_catalog_has_a_tombstone_for_what_has_vanished() {
    let mut bench = Bench::new(r#"{"emit":["catalog"]}"#);
    bench.send("spBv1.0/G/NBIRTH/E", &nbirth(0, 0, vec![named("a", Some(1), 3, V::IntValue(1))]));
    bench.notes.records.clear();
    bench.send("spBv1.0/G/NBIRTH/E", &nbirth(0, 1, vec![named("b", Some(1), 3, V::IntValue(1))]));
    let gone: Vec<_> = bench.notes.records.iter().filter(|record| record.payload.is_none()).collect();
    assert_eq!(gone.iter().map(|record| record.key.as_str()).collect::<Vec<_>>(), ["G/E//a"]);
}
