//! What the plugin stage promises, shown with real components: outcomes, properties, limits, refusals.

#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod cost;
mod guests;
mod loading;
mod services;
mod sparkplug;
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate::ack::FailureKind;
use tidegate::message::Properties;
use tidegate::seam::{Outcome, Output};
use tidegate::wasm::embedded;

use support::{ask, batch, hostile, message, stage_of};

#[test]
fn each_message_gets_its_outcome_in_order() {
    let mut instance = hostile().open().unwrap();
    let outcomes = instance.process(&batch(&["x", "drop", "replace abc", "fail why\n", "emit 2", "emit 0"])).unwrap();
    let emitted = ["0", "1"].map(|text| Output { payload: Some(text.into()), ..Output::default() });
    let expected = [
        Outcome::Pass,
        Outcome::Drop,
        Outcome::Replace("abc".into()),
        Outcome::Fail("why\\n".into()),
        Outcome::Emit(emitted.into()),
        Outcome::Drop,
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn a_plugin_reads_all_of_a_message_and_sets_all_of_a_record() {
    let properties = Properties {
        content_type: Some("text/plain".into()),
        response_topic: Some("answer/here".into()),
        correlation_data: Some("c1".into()),
        user: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        message_expiry_s: Some(30),
        payload_is_utf8: true,
    };
    let properties = Arc::new(properties);
    let told = tidegate::seam::StageMessage { properties: Some(&properties), ..message("echo") };
    let outcomes = hostile().open().unwrap().process(&[message("echo first"), told]).unwrap();
    let plain = [("topic", "site/ulm/l1/temp"), ("received-ms", "1700000000000"), ("qos", "1"), ("retain", "false")];
    let more = [
        ("content-type", "text/plain"),
        ("response-topic", "answer/here"),
        ("correlation-data", "c1"),
        ("message-expiry", "30"),
        ("a", "1"),
        ("a", "2"),
    ];
    let all: Vec<_> = plain.iter().chain(&more).copied().collect();
    assert_eq!(outcomes, [echoed("echo first", &plain), echoed("echo", &all)]);
}

fn echoed(payload: &'static str, headers: &[(&str, &'static str)]) -> Outcome {
    Outcome::Emit(vec![Output {
        topic: Some("to".into()),
        key: Some("k".into()),
        payload: Some(payload.into()),
        headers: headers.iter().map(|(name, value)| ((*name).into(), Bytes::from(*value))).collect(),
        timestamp_ms: Some(5),
    }])
}

/// `command` in the middle of a batch ends the instance with `kind` and a text that contains `part`; a new one works.
fn check_fault(command: &str, kind: FailureKind, part: &str) {
    let stage = hostile();
    let mut instance = stage.open().unwrap();
    let fault = instance.process(&batch(&["a", command, "b"])).unwrap_err();
    assert_eq!(fault.kind, kind, "{fault}");
    assert!(fault.text.contains(part), "{fault}");
    assert_eq!(instance.process(&batch(&["a"])).unwrap_err().kind, FailureKind::PluginRefused);
    assert_eq!(ask(&mut *stage.open().unwrap(), "a").unwrap(), Outcome::Pass);
}

#[test]
fn a_trap_ends_the_instance_only() {
    check_fault("trap", FailureKind::PluginTrap, "trap on command");
    check_fault("stack", FailureKind::PluginTrap, "trapped: ");
}

#[test]
fn a_loop_ends_at_the_limit() {
    // Compiled now: that has the lowest priority and would be counted on a busy machine.
    drop(hostile());
    for command in ["loop", "copy"] {
        let began = Instant::now();
        check_fault(command, FailureKind::PluginDeadline, "longer than its limit of 100 ms");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[test]
fn memory_is_limited() {
    check_fault("memory", FailureKind::PluginMemory, "more memory than its limit");
}

#[test]
fn output_is_limited() {
    check_fault("output", FailureKind::PluginOutput, "more than its limit of 16777216 bytes");
    check_fault("many", FailureKind::PluginOutput, "more than its limit");
}

#[test]
fn answers_that_cannot_be_used_are_refused() {
    check_fault("count", FailureKind::PluginRefused, "gave 2 outcomes for 3 messages");
    check_fault("utf8", FailureKind::PluginRefused, "utf-8");
    check_fault("header", FailureKind::PluginRefused, "a\\r\\nb");
    check_fault("pointer", FailureKind::PluginRefused, "cannot be used");
}

#[test]
fn a_flood_of_log_lines_does_not_hurt() {
    let mut instance = hostile().open().unwrap();
    assert_eq!(ask(&mut *instance, "log").unwrap(), Outcome::Pass);
}

#[test]
fn memory_of_an_instance_lives_until_it_is_dropped() {
    let stage = hostile();
    let mut instance = stage.open().unwrap();
    for seen in 1..4 {
        assert_eq!(ask(&mut *instance, "seen").unwrap(), Outcome::Replace(seen.to_string().into()));
    }
    assert!(instance.memory_bytes() >= 1 << 16);
    assert_eq!(ask(&mut *stage.open().unwrap(), "seen").unwrap(), Outcome::Replace("1".into()));
}

fn check_start(mode: &str, kind: FailureKind, part: &str) {
    let fault = stage_of(&guests::hostile(), &format!(r#"{{"mode":"{mode}"}}"#)).err().unwrap();
    assert_eq!(fault.kind, kind, "{fault}");
    assert!(fault.text.contains(part), "{fault}");
}

#[test]
fn a_plugin_that_does_not_start_is_refused() {
    check_start("init-fails", FailureKind::PluginRefused, "refused its configuration: line one\\nline two");
    check_start("init-loops", FailureKind::PluginDeadline, "did not start within its limit of 500 ms");
    check_start("init-traps", FailureKind::PluginTrap, "trap in init");
    check_start("init-eats", FailureKind::PluginMemory, "more memory");
}

#[test]
fn the_embedded_plant_decodes() {
    let stage = stage_of(embedded::PLANT, "").unwrap();
    let outcome = ask(&mut *stage.open().unwrap(), "nonsense").unwrap();
    assert_eq!(outcome, Outcome::Fail("the payload has 8 bytes, a reading has 30".into()));
    assert!(stage_of(embedded::PLANT, r#"{"x":1}"#).err().unwrap().text.contains("keep_idle"));
}

#[test]
fn a_trusted_plugin_runs_without_time_limit() {
    let plugin = support::engine().load("guest", &guests::hostile(), true, support::LIMITS).unwrap();
    let stage = plugin.stage("rule", String::new()).unwrap();
    let mut instance = stage.open().unwrap();
    assert_eq!(ask(&mut *instance, "replace a").unwrap(), Outcome::Replace("a".into()));
    assert_eq!(ask(&mut *instance, "trap").unwrap_err().kind, FailureKind::PluginTrap);
}

#[test]
fn a_guest_with_wasi_finds_nothing_there_and_cannot_wait_for_ever() {
    if !guests::can_build(guests::WASI) {
        eprintln!("left out: the toolchain has no target {}", guests::WASI);
        return;
    }
    let stage = stage_of(&guests::built("tests/guests/hostile", guests::WASI), "").unwrap();
    assert_eq!(ask(&mut *stage.open().unwrap(), "replace a").unwrap(), Outcome::Replace("a".into()));
    let fault = ask(&mut *stage.open().unwrap(), "sleep").unwrap_err();
    assert_eq!(fault.kind, FailureKind::PluginDeadline, "{fault}");
    let fault = ask(&mut *stage.open().unwrap(), "trap").unwrap_err();
    assert_eq!(fault.kind, FailureKind::PluginTrap, "{fault}");
}
