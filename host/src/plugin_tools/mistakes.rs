//! What authors get wrong, and what they are told: which plugin, what, and what to do.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::advice::Trouble;
use super::component;
use crate::config::{PluginLimits, StateLimits};
use crate::message::Qos;
use crate::seam::StageMessage;
use crate::wasm::{Engine, embedded};

const LIMITS: PluginLimits = PluginLimits {
    memory_bytes: 16 << 20,
    call: Duration::from_millis(100),
    init: Duration::from_millis(200),
    output_bytes: 1 << 20,
    file_bytes: 1 << 20,
    log_lines_per_s: 10,
    records_max: 1_000,
    compile: Duration::from_secs(30),
    recycle_bytes: 16 << 20,
    failures_max: u32::MAX,
    rest_max: Duration::from_secs(1),
    state: StateLimits { keys_max: 1_000, key_bytes_max: 1_000, value_bytes_max: 1_000, bytes_max: 1 << 20 },
    metrics_max: 10,
};
/// Makes `init` succeed: the tag at the address 0 says so.
const STARTS: &str = "i32.const 0";
/// Leaves one outcome for each message: the tags from address 512 on are all `pass`.
const PASSES: &str = "(i32.store (i32.const 16) (i32.const 512)) (i32.store (i32.const 20) (local.get 1)) i32.const 16";
const PANICS: &str = "unreachable";
const SPINS: &str = "(loop $on (br $on)) unreachable";
const INIT: &str = "tidegate:plugin/transform@0.1.0#init";
const PROCESS: &str = "tidegate:plugin/transform@0.1.0#process";

/// A core module with these exports and bodies; `more` stands in front.
fn core(more: &str, init: (&str, &str), process: (&str, &str)) -> Vec<u8> {
    let text = format!(
        r#"(module {more}
          (memory (export "memory") 1)
          (global $next (mut i32) (i32.const 8192))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
          (data (i32.const 256) "not ready\ff")
          (func (export "{}") (param i32 i32) (result i32) {})
          (func (export "{}") (param i32 i32) (result i32) {}))"#,
        init.0, init.1, process.0, process.1
    );
    wat::parse_str(text).unwrap()
}

fn plugin(init: &str, process: &str) -> Vec<u8> {
    component::make(&core("", (INIT, init), (PROCESS, process)), None, "plugin").unwrap()
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {text})")).unwrap()
}

/// The identity plugin with `from` replaced everywhere by `to`, which is as long.
fn altered(from: &str, to: &str) -> Vec<u8> {
    let mut bytes = embedded::IDENTITY.to_vec();
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(from.len() == to.len() && !places.is_empty(), "{from}");
    places.iter().for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to.as_bytes()));
    bytes
}

fn engine() -> &'static Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().unwrap())
}

/// What the author is told: at the load, at the start, or at the first message.
fn trouble(bytes: &[u8]) -> Trouble {
    let plugin = match engine().load("mine", bytes, false, LIMITS) {
        Ok(plugin) => plugin,
        Err(error) => return Trouble::of_load("mine", &error),
    };
    let stage = match plugin.stage("rule", r#"{"unit":"K"}"#.into()) {
        Ok(stage) => stage,
        Err(fault) => return Trouble::of_fault(&fault),
    };
    let message = StageMessage {
        topic: "t",
        payload: b"x",
        received_ms: 0,
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: None,
    };
    let answer = stage.open().and_then(|mut instance| instance.process(&[message]));
    Trouble::of_fault(&answer.expect_err("this plugin is wrong"))
}

fn check(mistake: &str, bytes: &[u8], code: &str, message: &str) {
    let told = trouble(bytes);
    assert_eq!(told.code, code, "{mistake}: {told:?}");
    assert!(told.message.contains(message) && told.message.contains("plugin `mine`"), "{mistake}: {told:?}");
    assert!(told.help.is_some() && !told.message.contains('\n'), "{mistake}: {told:?}");
}

#[test]
fn a_file_that_is_no_plugin_is_told_apart() {
    const TRANSFORM: &str = r#"(instance $none) (export "tidegate:plugin/transform@0.1.0" (instance $none))"#;
    let truncated = &embedded::IDENTITY[..embedded::IDENTITY.len() / 2];
    check("a script", b"#!/bin/sh\necho", "not-wasm", "not WebAssembly");
    check("an empty file", b"", "not-wasm", "not WebAssembly");
    check("the compiler's output as it is", &core("", (INIT, STARTS), (PROCESS, PASSES)), "core-module", "core");
    check("half a file", truncated, "damaged", "damaged");
    check("a huge file", &vec![0; (1 << 20) + 1], "too-large", "1048577 bytes");
    check("a component of another kind", &component(""), "no-transform", "`tidegate:plugin/transform`");
    check("a misspelt export", &altered("plugin/transform@", "plugin/transfarm@"), "no-transform", "does not export");
    check("another contract", &altered("transform@0.1.0", "transform@0.2.0"), "other-contract", "contract 0.2.0");
    check("an unknown import", &altered("plugin/log@", "plugin/lug@"), "unknown-import", "`tidegate:plugin/lug@0.1.0`");
    let http = component(&format!(r#"(import "wasi:http/types@0.2.6" (instance)) {TRANSFORM}"#));
    check("a plugin that calls out", &http, "unknown-import", "`wasi:http/types@0.2.6`");
    check("an interface without functions", &component(TRANSFORM), "other-types", "contract 0.1.0");
    check("a changed record", &altered("received-ms", "received-us"), "other-types", "other types");
}

#[test]
fn a_plugin_that_does_not_start_says_why() {
    const REFUSES: &str = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 256)) \
                           (i32.store (i32.const 8) (i32.const 9)) i32.const 0";
    check("a panic in init", &plugin(PANICS, PASSES), "trapped", "trapped");
    check("an endless init", &plugin(SPINS, PASSES), "deadline", "200 ms");
    check("a bad configuration", &plugin(REFUSES, PASSES), "config-refused", "not ready");
    let greedy = "(if (i32.eq (memory.grow (i32.const 4000)) (i32.const -1)) (then unreachable)) i32.const 0";
    check("more memory than allowed", &plugin(greedy, PASSES), "memory", "16777216 bytes");
}

#[test]
fn a_plugin_that_answers_wrongly_says_how() {
    let answers = |more: &str, count: &str| {
        format!("{more} (i32.store (i32.const 16) (i32.const 512)) (i32.store (i32.const 20) {count}) i32.const 16")
    };
    let one = |more: &str| plugin(STARTS, &answers(more, "(i32.const 1)"));
    let none = plugin(STARTS, &answers("", "(i32.const 0)"));
    let two = plugin(STARTS, &answers("", "(i32.const 2)"));
    check("a forgotten outcome", &none, "outcome-count", "gave 0 outcomes for 1");
    check("one outcome too many", &two, "outcome-count", "gave 2 outcomes for 1");
    check("a trap", &plugin(STARTS, PANICS), "trapped", "trapped");
    check("an endless loop", &plugin(STARTS, SPINS), "deadline", "100 ms");
    let nine = one("(i32.store8 (i32.const 512) (i32.const 9))");
    check("an outcome that is none", &nine, "bad-answer", "cannot be used");
    let no_text = "(i32.store8 (i32.const 512) (i32.const 4)) (i32.store (i32.const 516) (i32.const 256)) \
                   (i32.store (i32.const 520) (i32.const 10))";
    check("a reason that is no UTF-8", &one(no_text), "bad-answer", "cannot be used");
    let nowhere = "(i32.store8 (i32.const 512) (i32.const 2)) (i32.store (i32.const 516) (i32.const 60000)) \
                   (i32.store (i32.const 520) (i32.const 60000))";
    check("a payload outside its memory", &one(nowhere), "bad-answer", "cannot be used");
}

#[test]
fn what_cannot_become_a_component_is_named() {
    let check = |mistake: &str, core: &[u8], part: &str| {
        let told = component::make(core, None, "plugin").expect_err(mistake);
        assert!(told.contains(part), "{mistake}: {told}");
    };
    check("no process", &core("", (INIT, STARTS), ("process", PASSES)), "process");
    check("no init", &core("", ("init", STARTS), (PROCESS, PASSES)), "init");
    let import = r#"(import "env" "fopen" (func (param i32 i32) (result i32)))"#;
    check("a function from nowhere", &core(import, (INIT, STARTS), (PROCESS, PASSES)), "env");
    let no_memory = wat::parse_str("(module)").unwrap();
    check("a module without anything", &no_memory, "transform");
    check("no module at all", b"nonsense", "");
}
