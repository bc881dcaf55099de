//! Plugins in every language whose tools are here: written, built, tried, measured, dropped into a running bridge.

#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tidegate_tests::languages::{LANGUAGES, is_there, search_path};
use tidegate_tests::places::tidegate;
use tidegate_tests::process::wait_until;

use crate::quick::{Bed, COPY};

/// The largest plugin compiles for ten seconds on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(180);

/// `tidegate plugin …` in `folder`; its standard output, where it exits 0.
fn plugin(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(tidegate());
    command.arg("plugin").args(arguments).current_dir(folder).env("PATH", search_path());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tidegate plugin {}: {}\n{told}", arguments.join(" "), output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn rule(language: &str) -> String {
    format!(
        "[[rule]]\nname = \"{language}\"\nfrom = [\"{language}/#\"]\nvia = [\"{language}\"]\nto = {{ topic = \"{language}\" }}\n"
    )
}

/// Writes, builds, tries and measures a plugin named after its language; the answer is a line of the table of costs.
fn make(folder: &Path, language: &str) -> String {
    plugin(folder, &["new", "--lang", language, language]);
    plugin(folder, &["build", language]);
    let file = format!("{language}/{language}.wasm");
    let checked = json(&plugin(folder, &["check", &file, "--format", "json"]));
    assert_eq!(checked["problems"], Value::Array(Vec::new()), "{checked:#}");
    let tested = json(&plugin(folder, &["test", &file, "--format", "json"]));
    assert_eq!((&tested["failed"], tested["passed"].as_u64()), (&Value::from(0), Some(8)), "{tested:#}");
    let inspected = json(&plugin(folder, &["inspect", &file, "--format", "json"]));
    let imports = inspected["imports"].to_string();
    assert!(!imports.contains("wasi:"), "{language} imports WASI: {imports}");
    let bench = json(&plugin(folder, &["bench", &file, "--format", "json", "--min-rate", "1000"]));
    let batches = bench["batches"].as_array().unwrap();
    let ns = |batch: usize, key: &str| batches[batch][key]["median"].as_f64().unwrap_or(f64::NAN);
    format!(
        "| {language} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.0} | {:.2} |",
        bench["bytes"],
        ns(2, "ns_per_message"),
        ns(0, "ns_per_message"),
        ns(2, "identity_ns_per_message"),
        ns(2, "native_ns_per_message"),
        bench["memory_bytes"].as_f64().unwrap() / f64::from(1 << 20),
        bench["compile_ms"].as_f64().unwrap(),
        bench["instantiate_ms"].as_f64().unwrap(),
    )
}

#[test]
#[ignore = "needs the tools of the languages"]
fn every_language_from_nothing_to_a_running_plugin() {
    let languages: Vec<&str> = LANGUAGES
        .iter()
        .filter(|(_, program, arguments)| is_there(program, arguments))
        .map(|(name, ..)| *name)
        .collect();
    let topics: Vec<(&str, i32)> = languages.iter().map(|language| (*language, 1)).collect();
    let bed = Bed::start(&topics, "", "", COPY);
    let folder = tempfile::tempdir().unwrap();
    let (mut rules, mut table) = (COPY.to_owned(), Vec::new());
    for (number, language) in (1_u16..).zip(&languages) {
        table.push(make(folder.path(), language));
        for file in [format!("{language}.cases.toml"), format!("{language}.wasm")] {
            std::fs::copy(folder.path().join(language).join(&file), bed.bridge.path("plugins.d").join(&file)).unwrap();
        }
        rules.push_str(&rule(language));
        bed.bridge.write("rules.d/rules.toml", &rules);
        let topic = format!("{language}/temp");
        let is_subscribed =
            wait_until(PATIENCE, || bed.bridge.metric("tidegate_config_generation", &[]) > f64::from(number));
        assert!(is_subscribed, "{language} is not taken: {:#}", bed.bridge.reload());
        bed.broker.publish(&topic, br#"{"f": 212}"#, 1, number);
        let arrived = wait_until(PATIENCE, || !bed.payloads(language).is_empty());
        assert!(arrived, "nothing came out of {language}");
        let record = json(&bed.payloads(language)[0]);
        assert_eq!(record["c"].as_f64(), Some(100.0), "{language}: {record}");
    }
    println!(
        "| language | bytes | ns, batch 64 | ns, batch 1 | identity ns | native ns | memory MiB | compile ms | start ms |"
    );
    println!("{}", table.join("\n"));
    println!("{} of {} languages", languages.len(), LANGUAGES.len());
}
