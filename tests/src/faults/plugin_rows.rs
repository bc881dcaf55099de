//! P: plugins that misbehave; 1 % of the messages of one rule make the plugin do it, the other rule must not notice.

use std::sync::Arc;
use std::time::Duration;

use super::figures::{Figures, Limit};
use super::scene::{PAYLOAD_BYTES, Plan, RULES, Scene, expected, topic_of};
use super::{Row, Trial};
use crate::guests::component;
use crate::payload::MessageId;
use crate::verdict::{Content, Expected};

pub(super) const ROWS: &[Row] = &[
    Row { id: "P1", fault: "traps", load: EVIL, needs: &[], run: traps },
    Row { id: "P2", fault: "endless loops", load: RARE, needs: &[], run: loops },
    Row { id: "P3", fault: "memory without end", load: RARE, needs: &[], run: memory },
    Row { id: "P4", fault: "used-up stacks", load: EVIL, needs: &[], run: stacks },
    Row { id: "P5", fault: "too much output", load: RARE, needs: &[], run: output },
    Row { id: "P5-pointer", fault: "output from memory that is not there", load: EVIL, needs: &[], run: pointers },
    Row { id: "P6", fault: "topics that are not UTF-8", load: EVIL, needs: &[], run: not_utf8 },
    Row { id: "P6-header", fault: "header names with line breaks", load: EVIL, needs: &[], run: bad_headers },
    Row { id: "P7", fault: "a flood of log lines", load: RARE, needs: &[], run: log_flood },
    Row {
        id: "P8",
        fault: "plugin files cut off, empty, of another kind",
        load: "2,000 msg/s",
        needs: &[],
        run: broken_files,
    },
    Row {
        id: "D1",
        fault: "1 % of the messages undecodable",
        load: "2,000 msg/s, half through a JSON plugin",
        needs: &[],
        run: poison,
    },
];

const EVIL: &str = "2,000 msg/s, 1 % of a rule's messages evil";
const RARE: &str = "500 msg/s, 1 % of a rule's messages evil";

/// One in a hundred of those for the plugin.
fn is_evil(id: MessageId) -> bool {
    topic_of(id).ends_with("/temp") && (id.sequence / 2 + id.publisher) % 100 == 7
}

const LIMITS: &str = "[plugin.hostile]\nlimits = { memory = \"32MiB\", call = \"50ms\", output = \"16MiB\" }\n";

fn plan(word: &'static str, reason: Option<&'static str>, rate: u32) -> Plan {
    Plan {
        rules: RULES.replace("identity", "hostile"),
        plugins: vec!["hostile"],
        more: format!("{}{LIMITS}", super::scene::DEAD_LETTERS),
        rate: Some(rate),
        payload: Arc::new(move |id| match is_evil(id) {
            true => id.commanded(word, PAYLOAD_BYTES),
            false => id.payload(PAYLOAD_BYTES),
        }),
        expect: Arc::new(move |id, topic| match (is_evil(id), reason) {
            (true, Some(reason)) => vec![Expected::letter("dlq", topic, reason).content(Content::Commanded(word))],
            (true, None) => expected(id, topic).into_iter().map(|one| one.content(Content::Commanded(word))).collect(),
            (false, _) => expected(id, topic),
        }),
        ..Plan::usual()
    }
}

/// `reason`: why the evil ones end as dead letters; `None`: they pass.
fn misbehave(trial: &Trial, word: &'static str, reason: Option<&'static str>, rate: u32) -> Figures {
    let mut scene = Scene::start(&plan(word, reason, rate));
    scene.go_on(trial.scaled(3.0, 30.0));
    scene.heal();
    let letters = scene.bridge.metric("tidegate_messages_dead_lettered_total", &[]);
    let mut figures = scene.judge();
    // Instances of the plugin come and go; each may use its limit.
    figures.window_bytes += 2 * (32 << 20) + (16 << 20);
    if reason.is_some() {
        figures.measure("dead letters", letters, "", Limit::AtLeast(1.0));
    }
    figures
}

fn traps(trial: &Trial) -> Figures {
    misbehave(trial, "trap", Some("plugin-trap"), 2_000)
}

fn loops(trial: &Trial) -> Figures {
    misbehave(trial, "loop", Some("plugin-deadline"), 500)
}

fn memory(trial: &Trial) -> Figures {
    misbehave(trial, "memory", Some("plugin-memory"), 500)
}

fn stacks(trial: &Trial) -> Figures {
    misbehave(trial, "stack", Some("plugin-trap"), 2_000)
}

fn output(trial: &Trial) -> Figures {
    misbehave(trial, "output", Some("plugin-output"), 500)
}

fn pointers(trial: &Trial) -> Figures {
    misbehave(trial, "pointer", Some("plugin-refused"), 2_000)
}

fn not_utf8(trial: &Trial) -> Figures {
    misbehave(trial, "utf8", Some("plugin-refused"), 2_000)
}

fn bad_headers(trial: &Trial) -> Figures {
    misbehave(trial, "header", Some("plugin-refused"), 2_000)
}

fn log_flood(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&plan("log", None, 500));
    let before = scene.bridge.log().len();
    let seconds = trial.scaled(4.0, 20.0);
    scene.go_on(seconds);
    let log = scene.bridge.log();
    let new = log.get(before..).unwrap_or_default();
    let (lines, longest) = (new.lines().count(), new.lines().map(str::len).max().unwrap_or(0));
    let escapes = new.matches('\x1b').count();
    scene.heal();
    let mut figures = scene.judge();
    figures.window_bytes += 2 * (32 << 20);
    figures.measure("log lines", lines as f64 / seconds, "/s", Limit::AtMost(110.0));
    figures.measure("longest line", longest as f64, "B", Limit::AtMost(2_048.0));
    figures.measure("escape characters", escapes as f64, "", Limit::AtMost(0.0));
    figures
}

/// The plugin file cut at every so many bytes, empty, text, a core module: all refused, the old one goes on.
fn broken_files(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    let whole = std::fs::read(component("identity")).expect("the plugin was built");
    let step = (whole.len() / trial.scaled(12, 200)).max(1);
    let cut = (0..whole.len()).step_by(step).map(|length| whole[..length].to_vec());
    let strange = [b"not a component".to_vec(), b"\0asm\x01\0\0\0".to_vec(), b"\0asm\x0d\0\x01\0".to_vec()];
    let path = scene.bridge.path("plugins.d/identity.wasm");
    let (mut tried, mut refused) = (0_u32, 0_u32);
    for bytes in cut.chain(strange) {
        std::fs::write(&path, bytes).expect("the folder can be written");
        let answer = scene.bridge.reload();
        (tried, refused) = (tried + 1, refused + u32::from(answer["outcome"] == "rejected"));
        scene.go_on(0.05);
    }
    std::fs::write(&path, whole).expect("the folder can be written");
    let answer = scene.bridge.reload();
    assert_ne!(answer["outcome"], "rejected", "{answer:#}");
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("files", f64::from(tried), "", Limit::Free);
    figures.measure("refused", f64::from(refused), "", Limit::AtLeast(f64::from(tried)));
    figures
}

/// Undecodable ones are dead-lettered exactly, with what happened; the rest goes on.
fn poison(trial: &Trial) -> Figures {
    let plan = Plan {
        rules: RULES.replace(
            "via = [\"identity\"]",
            "via = [{ plugin = \"json-fields\", config = { add = { site = \"ulm\" } } }]",
        ),
        plugins: vec!["json-fields"],
        payload: Arc::new(|id| match is_evil(id) {
            true => id.commanded("{", PAYLOAD_BYTES),
            false => id.payload(PAYLOAD_BYTES),
        }),
        expect: Arc::new(|id, topic| match is_evil(id) {
            true => vec![Expected::letter("dlq", topic, "plugin-failed").content(Content::Commanded("{"))],
            false if topic.ends_with("/temp") => {
                expected(id, topic).into_iter().map(|one| one.content(Content::Changed)).collect()
            }
            false => expected(id, topic),
        }),
        ..Plan::usual()
    };
    let mut scene = Scene::start(&plan);
    let acked = scene.session.acked();
    let seconds = trial.scaled(4.0, 30.0);
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let rate = (scene.session.acked() - acked) as f64 / seconds;
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("rate", rate, "msg/s", Limit::AtLeast(1_800.0));
    figures
}
