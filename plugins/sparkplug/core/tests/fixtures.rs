//! Payloads that other makes have written (`fixtures/README.md`), read by the rules of the specification.

mod common;

use common::Bench;
use tidegate_sparkplug::engine::Verdict;
use tidegate_sparkplug::options::EnvelopeKind;

fn check(file: &[u8], expected: &[&str]) {
    let mut bench = Bench::new("{}");
    assert_eq!(bench.bytes("spBv1.0/G/NBIRTH/E", file, false), Verdict::Handled);
    let values = bench.values();
    for wanted in expected {
        assert!(values.contains(&(*wanted).to_owned()), "{wanted} is not in {values:#?}");
    }
}

const NUMBERS: [&str; 11] = [
    "i8=-5",
    "i16=-300",
    "i32=-70000",
    "i64=-5000000000",
    "u8=200",
    "u16=60000",
    "u32=4000000000",
    "f=12.1",
    "d=0.1",
    "b=true",
    r#"s="grüß""#,
];

#[test]
fn tahu_java() {
    let file = include_bytes!("fixtures/java.bin");
    check(file, &NUMBERS);
    check(
        file,
        &[
            "u64=18446744073709551615",
            "t=1700000000123",
            "bools=[false,false,true,true,false,true,false,false,true,true,false,true]",
            "i16s=[-30000,30000]",
            r#"strings=["ABC","hello"]"#,
            r#"ds={"columns":["a","b"],"rows":[[-1,"x"]],"types":["Int8","String"]}"#,
        ],
    );
}

#[test]
fn sparkplug_payload_for_javascript() {
    let file = include_bytes!("fixtures/javascript.bin");
    check(file, &NUMBERS);
    check(file, &["u64=5000000000", "t=1700000000123", r#"bytes="AQL/""#, "null=null", "q=1.0"]);
    let mut bench = Bench::new("{}");
    bench.bytes("spBv1.0/G/NBIRTH/E", file, false);
    let records = bench.take(EnvelopeKind::Metric);
    let with_quality = records.iter().find(|record| record["metric"] == "q").unwrap();
    assert_eq!(with_quality["quality_code"], 192);
    assert_eq!(with_quality["properties"], serde_json::json!({"Quality": 192, "unit": "bar"}));
}

#[test]
fn sparkplug_payload_for_javascript_compressed() {
    check(include_bytes!("fixtures/javascript-deflate.bin"), &["z=-7"]);
    check(include_bytes!("fixtures/javascript-gzip.bin"), &["z=-7"]);
}

#[test]
fn pysparkplug() {
    let file = include_bytes!("fixtures/python.bin");
    check(file, &NUMBERS);
    check(file, &["u64=18446744073709551615", "null=null"]);
}
