//! R: configurations that change, well or badly, while messages flow.

use std::time::{Duration, Instant};

use super::figures::{Figures, Limit};
use super::kafka_rows::USUAL;
use super::scene::{Plan, RULES, Scene};
use super::{Row, Trial};
use crate::process::wait_until;

pub(super) const ROWS: &[Row] = &[
    Row { id: "R1", fault: "broken configurations", load: USUAL, needs: &[], run: broken },
    Row { id: "R2", fault: "nine good rules and a bad one", load: USUAL, needs: &[], run: partly_valid },
    Row { id: "R3", fault: "reload storm, rules and plugins by turns", load: "5,000 msg/s", needs: &[], run: storm },
    Row {
        id: "R4",
        fault: "reloads during an outage of Kafka, and at once",
        load: USUAL,
        needs: &[],
        run: reload_in_trouble,
    },
    Row { id: "R5", fault: "a rule removed with messages in flight", load: USUAL, needs: &[], run: removed_rule },
    Row { id: "R6", fault: "a filter replaced by another", load: USUAL, needs: &[], run: changed_filter },
];

const BAD: [&str; 12] = [
    "[[rule",
    "[[rule]]\nname = 1\n",
    "[[rule]]\nname = \"x\"\n",
    "[[rule]]\nname = \"x\"\nfrom = [\"a/#/b\"]\nto = { topic = \"all\" }\n",
    "[[rule]]\nname = \"x\"\nfrom = [\"a\"]\nto = { topic = \"{nobody}\" }\n",
    "[[rule]]\nname = \"x\"\nfrom = [\"a\"]\nto = { topic = \"all\" }\nvia = [\"nobody\"]\n",
    "[[rule]]\nname = \"x\"\nfrom = [\"a\"]\nto = { topic = \"all\", kafka = \"nobody\" }\n",
    "[[rule]]\nname = \"x\"\nsource = \"nobody\"\nfrom = [\"a\"]\nto = { topic = \"all\" }\n",
    "[[rule]]\nname = \"copy\"\nfrom = [\"a\"]\nto = { topic = \"all\" }\n[[rule]]\nname = \"copy\"\nfrom = [\"b\"]\nto = { topic = \"all\" }\n",
    "[[rule]]\nname = \"x\"\nfrom = [\"a\"]\nto = { topic = \"all\" }\nunknown = 1\n",
    "[[rule]]\nname = \"x\"\nfrom = [\"a\"]\nqos = 3\nto = { topic = \"all\" }\n",
    "[[rule]]\nname = \"x\"\nfrom = [\"a\"]\nto = { topic = \"..\" }\n",
];

fn broken(_: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    let generation = scene.bridge.metric("tidegate_config_generation", &[]);
    let (mut slowest, mut refused, mut placed) = (0.0_f64, 0_u32, 0_u32);
    for text in BAD {
        scene.bridge.write("rules.d/rules.toml", text);
        let asked = Instant::now();
        let answer = scene.bridge.reload();
        slowest = slowest.max(asked.elapsed().as_secs_f64() * 1_000.0);
        refused += u32::from(answer["outcome"] == "rejected");
        placed += u32::from(answer["problems"][0]["line"].as_u64().is_some());
    }
    let told = scene.bridge.metric("tidegate_config_last_reload_successful", &[]);
    let changed = scene.bridge.metric("tidegate_config_generation", &[]) - generation;
    scene.bridge.write("rules.d/rules.toml", RULES);
    let _taken = scene.bridge.reload();
    scene.heal();
    let mut figures = scene.judge();
    let all = BAD.len() as f64;
    figures.measure("broken files", all, "", Limit::Free);
    figures.measure("refused", f64::from(refused), "", Limit::AtLeast(all));
    figures.measure("told with a line", f64::from(placed), "", Limit::AtLeast(all));
    figures.measure("slowest answer", slowest, "ms", Limit::AtMost(500.0));
    figures.measure("told as successful", told, "", Limit::AtMost(0.0));
    figures.measure("generations meanwhile", changed, "", Limit::AtMost(0.0));
    figures
}

fn partly_valid(_: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    let good =
        |number: u32| format!("[[rule]]\nname = \"r{number}\"\nfrom = [\"r{number}/#\"]\nto = {{ topic = \"all\" }}\n");
    let mut text: String = (0..9).map(good).collect();
    text.push_str("[[rule]]\nname = \"bad\"\nfrom = [\"#/x\"]\nto = { topic = \"all\" }\n");
    scene.bridge.write("rules.d/rules.toml", &text);
    let refused = scene.bridge.reload()["outcome"] == "rejected";
    scene.go_on(1.0);
    let status = scene.bridge.status().to_string();
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("refused", f64::from(u8::from(refused)), "", Limit::AtLeast(1.0));
    let taken = (0..9).filter(|number| status.contains(&format!("\"r{number}\""))).count();
    figures.measure("rules taken", taken as f64, "", Limit::AtMost(0.0));
    figures
}

/// Odd versions have a rule more; every third reload also touches the plugin file.
fn storm(trial: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan { rate: Some(5_000), ..Plan::usual() });
    let (count, started) = (trial.scaled(1_000_u32, 10_000), Instant::now());
    let plugin = scene.bridge.path("plugins.d/identity.wasm");
    let bytes = std::fs::read(&plugin).expect("the plugin is there");
    let (mut refused, mut settled_bytes) = (0_u32, 0);
    for number in 1..=count {
        let extra = "[[rule]]\nname = \"extra\"\nfrom = [\"other/#\"]\nto = { topic = \"all\" }\n";
        let text = format!("{RULES}\n# {number}\n{}", if number % 2 == 1 { extra } else { "" });
        if number % 3 == 0 {
            std::fs::write(plugin.with_extension("new~"), padded(&bytes, number)).expect("the folder can be written");
            std::fs::rename(plugin.with_extension("new~"), &plugin).expect("the file can be put in place");
        }
        scene.bridge.write("rules.d/rules.toml", &text);
        refused += u32::from(scene.bridge.reload()["outcome"] == "rejected");
        if number == count / 10 {
            settled_bytes = scene.bridge.process().memory_bytes().unwrap_or(0);
        }
        std::thread::sleep((Duration::from_millis(10) * number).saturating_sub(started.elapsed()));
    }
    let took = started.elapsed().as_secs_f64();
    let grown = scene.bridge.process().memory_bytes().unwrap_or(0) as f64 / settled_bytes.max(1) as f64;
    scene.heal();
    let connections = scene.session.connections();
    let mut figures = scene.judge();
    // Two sets of rules and plugins live side by side while one takes over from the other.
    figures.window_bytes += 64 << 20;
    figures.measure("reloads", f64::from(count), "", Limit::Free);
    figures.measure("in", took, "s", Limit::Free);
    figures.measure("refused", f64::from(refused), "", Limit::AtMost(0.0));
    figures.measure(
        "memory, end to a tenth of the way",
        100.0 * (grown - 1.0),
        "% more",
        Limit::AtMost(trial.scaled(25.0, 5.0)),
    );
    figures.measure("MQTT connections", connections as f64, "", Limit::AtMost(1.0));
    figures
}

/// The same component with a custom section that makes its digest another one.
fn padded(component: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = component.to_vec();
    // Section 0, six bytes: a name of one byte, then the number.
    bytes.extend([0, 6, 1, b'n']);
    bytes.extend(number.to_le_bytes());
    bytes
}

fn version(number: u32) -> String {
    format!("{RULES}\n[[rule]]\nname = \"v{number}\"\nfrom = [\"v{number}/#\"]\nto = {{ topic = \"all\" }}\n")
}

/// The newest wins, whatever came at once.
fn reload_in_trouble(_: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    scene.mock.down();
    scene.go_on(1.5);
    for number in 0..20 {
        scene.bridge.write("rules.d/rules.toml", &version(number));
        if number % 4 == 0 {
            std::thread::scope(|scope| {
                (0..4).for_each(|_| drop(scope.spawn(|| scene.bridge.reload())));
            });
        }
    }
    let answer = scene.bridge.reload();
    assert_ne!(answer["outcome"], "rejected", "{answer:#}");
    let newest = wait_until(Duration::from_secs(5), || scene.bridge.status().to_string().contains("\"v19\""));
    let older = scene.bridge.status().to_string().contains("\"v18\"");
    scene.mock.up();
    scene.heal();
    let (acked, up) = (scene.session.acked(), Instant::now());
    wait_until(Duration::from_secs(60), || scene.session.acked() > acked);
    let flows = up.elapsed().as_secs_f64();
    let mut figures = scene.judge();
    figures.measure("acknowledged again after", flows, "s", Limit::AtMost(10.0));
    figures.measure("the newest is in use", f64::from(u8::from(newest)), "", Limit::AtLeast(1.0));
    figures.measure("an older one too", f64::from(u8::from(older)), "", Limit::AtMost(0.0));
    figures
}

/// What is in flight ends under the rule that it began with; then the rule comes back.
fn removed_rule(_: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    scene.mock.delay(Duration::from_secs(1));
    scene.go_on(1.2);
    let without = RULES.replace("\"plant/probe\"", "\"plant/probe\", \"plant/+/never\"");
    scene.bridge.write("rules.d/rules.toml", &without.replace("name = \"copy\"", "name = \"copy-again\""));
    let answer = scene.bridge.reload();
    scene.go_on(1.2);
    scene.mock.delay(Duration::ZERO);
    scene.heal();
    let gone = !scene.bridge.status().to_string().contains("\"copy\"");
    let mut figures = scene.judge();
    figures.measure("taken", f64::from(u8::from(answer["outcome"] == "swapped")), "", Limit::AtLeast(1.0));
    figures.measure("the old rule is gone", f64::from(u8::from(gone)), "", Limit::AtLeast(1.0));
    figures
}

/// The session delivers whatever is subscribed, so a gap would show as messages that no rule matched.
fn changed_filter(_: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan::usual());
    for round in 0..10 {
        let text = if round % 2 == 0 { RULES.replace("plant/+/status", "plant/{m}/status") } else { RULES.to_owned() };
        let text = if round % 2 == 0 { text.replace("plant/{machine}/temp", "+/{machine}/temp") } else { text };
        scene.bridge.write("rules.d/rules.toml", &text);
        let answer = scene.bridge.reload();
        assert_ne!(answer["outcome"], "rejected", "{answer:#}");
        scene.go_on(0.3);
    }
    scene.heal();
    let unrouted = scene.bridge.metric("tidegate_messages_unrouted_total", &[]);
    let connections = scene.session.connections();
    let mut figures = scene.judge();
    figures.measure("messages without a rule", unrouted, "", Limit::AtMost(0.0));
    figures.measure("MQTT connections", connections as f64, "", Limit::AtMost(1.0));
    figures
}
