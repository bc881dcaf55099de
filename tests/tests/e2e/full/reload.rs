//! Reloads under load on real servers.

use std::thread;
use std::time::{Duration, Instant};

use tidegate_tests::tier::scaled;

use super::{PATIENCE, Plan, Plant, RULES};

/// Odd versions have one rule more, on a filter of its own.
fn version(number: u32) -> String {
    let extra = "[[rule]]\nname = \"extra\"\nfrom = [\"other/#\"]\nto = { topic = \"archive\" }\n";
    format!("{RULES}\n# version {number}\n{}", if number % 2 == 1 { extra } else { "" })
}

#[test]
#[ignore = "needs real servers"]
fn reloads_at_5000_messages_a_second() {
    let reloads: u32 = scaled(125, 500);
    let mut plant = Plant::start(Plan::default());
    // 500 reloads in 60 s: one every 120 ms.
    let seconds = reloads * 12 / 100;
    let mut load = plant.load((seconds + 3) * 5_000);
    load.rate = Some(5_000);
    let publishing = load.clone().start();
    publishing.wait_acked(5_000, PATIENCE);
    let before = plant.bridge.metrics();
    let started = Instant::now();
    for number in 1..=reloads {
        let broken = number % 25 == 0;
        let text = if broken { "[[rule]]\nname = \"x\"\n".to_owned() } else { version(number) };
        plant.bridge.write("rules.d/rules.toml", &text);
        let answer = plant.bridge.reload();
        assert_eq!(answer["outcome"] == "rejected", broken, "{answer:#}");
        thread::sleep((Duration::from_millis(120) * number).saturating_sub(started.elapsed()));
    }
    println!("{reloads} reloads in {:?}", started.elapsed());
    let (_, verdict) = plant.judge(&load, publishing);
    verdict.assert_clean(0);
    let same = |name: &str| {
        let (then, now) = (before.sum(name, &[]), plant.bridge.metric(name, &[]));
        assert!((then - now).abs() < 0.5, "{name} was {then} and is {now}");
    };
    same("tidegate_mqtt_connects_total");
    assert!(plant.bridge.metric("tidegate_config_generation", &[]) >= f64::from(reloads) * 0.9);
    plant.assert_accounts();
}
