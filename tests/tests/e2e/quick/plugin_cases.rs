//! The cases beside a plugin are run before it is taken; the commands for authors, by their exit codes.

use std::process::{Command, Output};

use serde_json::Value;
use tidegate_tests::guests::component;
use tidegate_tests::places::tidegate;

use super::Bed;

const RULE: &str = r#"
[[rule]]
name = "copy"
from = ["a/#"]
via = ["identity"]
to = { topic = "t" }
"#;
const FITS: &str = "[[case]]\nname = \"all goes on\"\npayload = 'x'\nexpect = \"pass\"\n";
const FAILS: &str = "[[case]]\nname = \"nothing goes on\"\npayload = 'x'\nexpect = \"drop\"\n";

#[test]
fn a_plugin_whose_cases_fail_is_not_taken() {
    let mut bed = Bed::prepared(&[("t", 1)], "", "", RULE);
    bed.bridge.add_plugin("identity", &component("identity"));
    bed.bridge.write("plugins.d/identity.cases.toml", FITS);
    bed.bridge.start();
    bed.bridge.write("plugins.d/identity.cases.toml", FAILS);
    let refused = bed.bridge.reload();
    assert_eq!(refused["outcome"], "rejected", "{refused:#}");
    let message = refused["problems"][0]["message"].as_str().unwrap();
    for part in
        ["`identity`", "1 of its 1 cases", "nothing goes on", "identity.cases.toml:1", "expected drop, got pass"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    bed.publish_ids(1..=1);
    bed.wait_pubacks(1, 1);
    assert_eq!(bed.payloads("t"), ["1"], "the old plugin goes on");
    bed.bridge.write("plugins.d/identity.cases.toml", FITS);
    assert_eq!(bed.bridge.reload()["outcome"], "unchanged");
}

fn plugin(arguments: &[&str]) -> Output {
    Command::new(tidegate()).arg("plugin").args(arguments).output().expect("the program starts")
}

fn check_exit(arguments: &[&str], code: i32, told: &str) {
    let output = plugin(arguments);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(told), "{arguments:?}: {text}");
}

#[test]
fn the_commands_for_authors_tell_by_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::copy(component("identity"), folder.path().join("identity.wasm")).unwrap();
    std::fs::write(folder.path().join("script.wasm"), "#!/bin/sh\n").unwrap();
    std::fs::write(folder.path().join("fits.toml"), FITS).unwrap();
    std::fs::write(folder.path().join("fails.toml"), FAILS).unwrap();
    std::fs::write(folder.path().join("broken.toml"), "[[case]]\nnme = \"x\"\nexpect = \"pas\"\n").unwrap();
    let (identity, script) = (path("identity.wasm"), path("script.wasm"));
    check_exit(&["check", &identity], 0, "fine");
    check_exit(&["check", &script], 1, "not-wasm");
    check_exit(&["check", &path("gone.wasm")], 2, "gone.wasm");
    check_exit(&["inspect", &identity], 0, "tidegate:plugin/transform@0.1.0");
    check_exit(&["inspect", &script], 1, "not-wasm");
    check_exit(&["test", &identity], 2, "no cases");
    check_exit(&["test", &identity, "--cases", &path("fits.toml")], 0, "1 passed, 0 failed");
    check_exit(&["test", &identity, "--cases", &path("fails.toml")], 1, "expected drop, got pass");
    check_exit(&["test", &identity, "--cases", &path("broken.toml")], 1, "did you mean `name`?");
    check_exit(&["bench", &identity, "--messages", "1000", "--min-rate", "1"], 0, "messages a second");
    check_exit(&["bench", &identity, "--messages", "1000", "--batch", "1", "--min-rate", "1e15"], 1, "less than");
    check_exit(&["new", "--lang", "rust", &path("No Name")], 2, "cannot be the name");
    check_exit(&["new", "--lang", "zig", &path("fresh")], 0, "tidegate plugin build");
    check_exit(&["new", "--lang", "zig", &path("fresh")], 2, "not empty");
    check_exit(&["build", folder.path().to_str().unwrap()], 2, "plugin.toml");
}

#[test]
fn programs_get_one_document_each() {
    let identity = component("identity").display().to_string();
    let json = |arguments: &[&str]| -> Value {
        let output = plugin(&[arguments, &["--format", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    };
    let inspected = json(&["inspect", &identity]);
    assert_eq!(inspected["contract"], "0.1.0");
    assert_eq!(inspected["limits"]["memory_bytes"], 64 << 20);
    assert_eq!(json(&["check", &identity])["problems"], Value::Array(Vec::new()));
    let bench = json(&["bench", &identity, "--messages", "1000", "--batch", "16"]);
    assert_eq!((&bench["batches"][0]["batch"], &bench["passed"]), (&Value::from(16), &Value::from(true)));
    assert!(bench["messages_per_second"].as_f64().unwrap() > 0.0, "{bench:#}");
}
