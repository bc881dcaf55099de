//! A plugin that misbehaves hurts its own message and no other.

use tidegate_tests::guests::component;
use tidegate_tests::read::Record;

use super::{Bed, DEAD_LETTERS, PATIENCE};

const RULES: &str = "[[rule]]\nname = \"strange\"\nfrom = [\"a/#\"]\nvia = [\"hostile\"]\nto = { topic = \"t\" }\n";
const LIMITS: &str = "[plugin.hostile]\nlimits = { memory = \"32MiB\", call = \"100ms\", output = \"16MiB\" }\n";

fn bed() -> Bed {
    let tables = format!("{DEAD_LETTERS}{LIMITS}");
    let mut bed = Bed::prepared(&[("t", 1), ("dlq", 1)], "", &tables, RULES);
    bed.bridge.add_plugin("hostile", &component("hostile"));
    bed.bridge.start();
    bed
}

/// Sends `count` messages of which every `every`th is `evil`: exactly those must end as dead letters, each with
/// `reason`, and all others arrive in order.
fn check(evil: &str, reason: &str, count: u16, every: u16) {
    let bed = bed();
    let is_evil = |id: &u16| id.is_multiple_of(every);
    for id in 1..=count {
        let payload = if is_evil(&id) { format!("{evil} {id}") } else { id.to_string() };
        bed.broker.publish(&format!("a/{}", id % 3), payload.as_bytes(), 1, id);
    }
    assert_eq!(bed.wait_pubacks(1, count.into()), (1..=count).collect::<Vec<_>>(), "{evil}");
    for lane in 0..3 {
        let good = (1..=count).filter(|id| id % 3 == lane && !is_evil(id)).map(|id| id.to_string());
        let key = format!("a/{lane}");
        let records = bed.records(&["t"]);
        let found = records.iter().filter(|record| record.key_text().as_deref() == Some(&key));
        assert_eq!(found.map(Record::payload_text).collect::<Vec<_>>(), good.collect::<Vec<_>>(), "{evil}");
    }
    check_letters(&bed, evil, reason, count, every);
}

fn check_letters(bed: &Bed, evil: &str, reason: &str, count: u16, every: u16) {
    let letters = bed.records(&["dlq"]);
    let mut found: Vec<_> = letters.iter().map(Record::payload_text).collect();
    let mut wanted: Vec<_> =
        (1..=count).filter(|id| id.is_multiple_of(every)).map(|id| format!("{evil} {id}")).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "the dead letters of {evil}");
    for letter in &letters {
        let header = |name: &str| letter.header(name).unwrap_or_default();
        assert_eq!(header("dlq.reason"), reason, "{evil}: {}", header("dlq.error"));
        assert_eq!((header("dlq.plugin").as_str(), header("dlq.rule").as_str()), ("hostile", "strange"), "{evil}");
        assert_eq!(header("dlq.plugin.sha256").len(), 64, "{evil}");
    }
    assert!(bed.bridge.metric("tidegate_messages_dead_lettered_total", &[("rule", "strange")]) > 0.5);
}

#[test]
fn a_trap_costs_one_message() {
    check("trap", "plugin-trap", 2_000, 500);
}

#[test]
fn an_endless_loop_costs_one_message() {
    check("loop", "plugin-deadline", 300, 100);
}

#[test]
fn eaten_memory_costs_one_message() {
    check("memory", "plugin-memory", 300, 100);
}

#[test]
fn too_much_output_costs_one_message() {
    check("output", "plugin-output", 300, 100);
}

#[test]
fn a_used_up_stack_costs_one_message() {
    check("stack", "plugin-trap", 300, 100);
}

#[test]
fn a_refusal_is_kept_with_its_words() {
    let bed = bed();
    bed.broker.publish("a/x", b"fail not today", 1, 1);
    bed.broker.publish("a/x", b"drop this", 1, 2);
    bed.broker.publish("a/x", b"replace other", 1, 3);
    bed.wait_pubacks(1, 3);
    assert_eq!(bed.payloads("t"), ["other"]);
    let letters = bed.records(&["dlq"]);
    assert_eq!(letters.len(), 1);
    let error = letters[0].header("dlq.error").unwrap_or_default();
    assert!(error.contains("not today"), "{error}");
    bed.bridge.wait_metric("tidegate_messages_filtered_total", &[("rule", "strange")], PATIENCE, |count| count > 0.5);
}

#[test]
fn a_plugin_that_does_not_start_is_refused_by_check_and_by_reload() {
    let bed = bed();
    let configured = |mode: &str| {
        let via = format!("via = [{{ plugin = \"hostile\", config = {{ mode = \"{mode}\" }} }}]");
        RULES.replace("via = [\"hostile\"]", &via)
    };
    for mode in ["init-fails", "init-traps", "init-loops", "init-eats"] {
        bed.bridge.write("rules.d/rules.toml", &configured(mode));
        let answer = bed.bridge.reload();
        assert_eq!(answer["outcome"], "rejected", "{mode}: {answer:#}");
    }
    bed.broker.publish("a/x", b"still here", 1, 5);
    bed.wait_pubacks(1, 1);
    assert_eq!(bed.payloads("t"), ["still here"]);
}
