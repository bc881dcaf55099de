//! Rules change while messages flow: nothing lost, nothing inverted, no reconnect, no needless SUBSCRIBE.

use std::time::{Duration, Instant};

use tidegate_tests::process::Signal;
use tidegate_tests::read::Record;

use super::{Bed, PATIENCE};

/// The copy rule with a header that tells the version, and in odd versions a second rule.
fn version(number: usize) -> String {
    let second = "[[rule]]\nname = \"second\"\nfrom = [\"b/#\"]\nto = { topic = \"u\" }\n";
    format!(
        "[[rule]]\nname = \"copy\"\nfrom = [\"a/#\"]\nto = {{ topic = \"t\", headers = {{ version = \"{number}\" }} }}\n{}",
        if number % 2 == 1 { second } else { "" }
    )
}

fn bed() -> Bed {
    Bed::start(&[("t", 1), ("u", 1)], "", "", &version(0))
}

/// Asks for a reload that succeeds; the folder watch may have been faster.
fn take(bed: &Bed) {
    let answer = bed.bridge.reload();
    assert!(["swapped", "unchanged"].contains(&answer["outcome"].as_str().unwrap_or_default()), "{answer:#}");
}

/// Generation as the metrics tell it.
fn generation(bed: &Bed) -> f64 {
    bed.bridge.metric("tidegate_config_generation", &[])
}

#[test]
fn reloads_under_load_lose_and_invert_nothing() {
    let bed = bed();
    let before = generation(&bed);
    let mut sent = 0;
    for number in 1..=40 {
        for _ in 0..100 {
            sent += 1;
            bed.broker.publish("a/x", sent.to_string().as_bytes(), 1, sent);
        }
        bed.bridge.write("rules.d/rules.toml", &version(number));
        take(&bed);
    }
    assert_eq!(bed.wait_pubacks(1, sent.into()), (1..=sent).collect::<Vec<_>>());
    let records = bed.records(&["t"]);
    let payloads: Vec<_> = records.iter().map(Record::payload_text).collect();
    assert_eq!(payloads, (1..=sent).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(bed.broker.connections(), 1);
    let asked = bed
        .broker
        .subscribes()
        .iter()
        .flat_map(|(_, asked)| asked.filters.clone())
        .filter(|(filter, _)| filter == "a/#")
        .count();
    assert_eq!(asked, 1, "the unchanged filter was subscribed to again");
    assert!(
        (generation(&bed) - before - 40.0).abs() < 0.1,
        "40 changes, generation {} to {}",
        before,
        generation(&bed)
    );
}

#[test]
fn a_broken_file_changes_nothing_and_is_told_everywhere() {
    let bed = bed();
    let before = generation(&bed);
    bed.bridge.write("rules.d/rules.toml", "[[rule]]\nname = \"copy\"\nfrom = [\"a/#/b\"]\nto = { topic = \"t\" }\n");
    let answer = bed.bridge.reload();
    assert_eq!(answer["outcome"], "rejected");
    assert_eq!(answer["problems"][0]["line"], 3, "{answer:#}");
    assert!(bed.bridge.metric("tidegate_config_last_reload_successful", &[]) < 0.5);
    assert!((generation(&bed) - before).abs() < 0.1);
    assert!(bed.bridge.status().to_string().contains("rejected"), "{:#}", bed.bridge.status());
    assert!(bed.bridge.log().contains("rules.toml"), "{}", bed.bridge.log());
    bed.publish_ids([1]);
    bed.wait_pubacks(1, 1);
    assert_eq!(bed.records(&["t"])[0].header("version").as_deref(), Some("0"));
    bed.bridge.write("rules.d/rules.toml", &version(2));
    assert_ne!(bed.bridge.reload()["outcome"], "rejected");
    assert!(bed.bridge.metric("tidegate_config_last_reload_successful", &[]) > 0.5);
}

#[test]
fn a_new_filter_is_subscribed_and_an_old_one_given_up() {
    let bed = bed();
    bed.bridge.write("rules.d/rules.toml", &version(1));
    take(&bed);
    bed.broker.wait_subscribed("b/#", PATIENCE);
    bed.broker.publish("b/x", b"new", 1, 1);
    bed.wait_pubacks(1, 1);
    assert_eq!(bed.payloads("u"), ["new"]);
    bed.bridge.write("rules.d/rules.toml", &version(2));
    take(&bed);
    bed.broker.wait("UNSUBSCRIBE of b/#", PATIENCE, |log| {
        log.iter().any(|seen| {
            format!("{:?}", seen.event).contains("Unsubscribe") && format!("{:?}", seen.event).contains("b/#")
        })
    });
}

#[test]
fn the_watch_sees_a_renamed_file() {
    let bed = bed();
    let before = generation(&bed);
    let asked = Instant::now();
    bed.bridge.write("rules.d/rules.toml", &version(2));
    bed.bridge.wait_metric("tidegate_config_generation", &[], PATIENCE, |now| now > before);
    assert!(asked.elapsed() < Duration::from_secs(3), "the watch took {:?}", asked.elapsed());
}

#[test]
fn sighup_reloads() {
    let mut bed = bed();
    let before = generation(&bed);
    bed.bridge.write("rules.d/rules.toml", &version(2));
    bed.bridge.signal(Signal::HangUp);
    bed.bridge.wait_metric("tidegate_config_generation", &[], PATIENCE, |now| now > before);
    assert!(bed.bridge.process().is_running());
}

#[test]
fn what_did_not_change_is_unchanged() {
    let bed = bed();
    assert_eq!(bed.bridge.reload()["outcome"], "unchanged");
}
