//! Random sessions against what must always hold.

mod common;

use common::*;
use proptest::prelude::*;
use tidegate_sparkplug::options::EnvelopeKind;

#[derive(Clone, Debug)]
enum Step {
    Birth { session: u64 },
    DeviceBirth,
    Data { alias: u64, skip: u64 },
    Death { session: u64 },
    DeviceDeath,
    Lost,
    Restart,
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..3_u64).prop_map(|session| Step::Birth { session }),
        2 => Just(Step::DeviceBirth),
        8 => (0..4_u64, prop_oneof![6 => Just(0_u64), 1 => 1..4_u64, 1 => Just(255)])
            .prop_map(|(alias, skip)| Step::Data { alias, skip }),
        1 => (0..3_u64).prop_map(|session| Step::Death { session }),
        1 => Just(Step::DeviceDeath),
        1 => Just(Step::Lost),
        1 => Just(Step::Restart),
        2 => (0..8_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn options(role: &str, policy: &str, timeout: &str) -> String {
    format!(
        r#"{{"emit":["metric","lifecycle"],"role":"{role}","reorder_policy":"{policy}","reorder_timeout":{timeout},
            "hold_limit":{{"messages":5,"age":"10s"}},"rebirth":{{"jitter":0}}}}"#
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// No name is made up, no sign is wrong, what is held is bounded, an observer is silent, an active host keeps its
    /// interval, and nothing waits for ever.
    #[test]
    fn a_session_keeps_its_promises(
        steps in prop::collection::vec(step(), 1..60),
        active in any::<bool>(),
        policy in prop::sample::select(vec!["hold_and_release", "pass_through_and_flag", "drop_late"]),
        timeout in prop::sample::select(vec!["0", "\"2s\""]),
    ) {
        let options = options(if active { "active" } else { "observer" }, policy, timeout);
        let mut bench = Bench::new(&options);
        let (mut seq, mut requested) = (0_u64, Vec::new());
        for step in steps {
            match step {
                Step::Birth { session } => {
                    seq = 0;
                    bench.send("spBv1.0/G/NBIRTH/E", &nbirth(0, session, vec![named("n", Some(3), 1, V::IntValue(0xFF))]));
                }
                Step::DeviceBirth => {
                    seq += 1;
                    let metrics = (0..3).map(|at| named(&format!("m{at}"), Some(at), 2, V::IntValue(0xFFFF))).collect();
                    bench.send("spBv1.0/G/DBIRTH/E/D", &payload(seq % 256, metrics));
                }
                Step::Data { alias, skip } => {
                    seq += 1 + skip;
                    bench.send("spBv1.0/G/DDATA/E/D", &payload(seq % 256, vec![by_alias(alias, V::IntValue(0xFFFF))]));
                }
                Step::Death { session } => drop(bench.send("spBv1.0/G/NDEATH/E", &ndeath(session))),
                Step::DeviceDeath => {
                    seq += 1;
                    bench.send("spBv1.0/G/DDEATH/E/D", &payload(seq % 256, Vec::new()));
                }
                Step::Lost => {
                    bench.engine.disconnected("plant", bench.now, &mut bench.notes);
                    bench.engine.connected("plant", bench.now, &mut bench.notes);
                }
                Step::Restart => {
                    // The throttle starts over with the process.
                    bench.restart(&options);
                    bench.engine.import("plant/G/E/head#0", &mut bench.notes);
                    requested.clear();
                }
                Step::Wait { ms } => bench.tick(ms),
            }
            let now = bench.now;
            requested.extend(bench.published().into_iter().map(|_| now));
            for record in bench.take(EnvelopeKind::Metric) {
                let name = record["metric"].as_str().expect("a name");
                prop_assert!(["n", "m0", "m1", "m2", "Node Control/Rebirth"].contains(&name), "{name}");
                prop_assert_eq!(&record["value"], &serde_json::json!(-1), "{}", record);
            }
        }
        prop_assert!(active || requested.is_empty());
        prop_assert!(requested.windows(2).all(|pair| pair[1] >= pair[0] + 5_000), "{:?}", requested);
        bench.tick(20_000);
        let counters = bench.engine.counters();
        prop_assert!(counters.held <= counters.released + counters.given_up + 5, "{:?}", counters);
        let held = bench.notes.memory.keys().filter(|key| key.contains("/held/")).count();
        bench.engine.export(&mut bench.notes);
        let left = bench.notes.memory.keys().filter(|key| key.contains("/held/")).count();
        prop_assert!(left == 0, "{left} of {held} held messages are left");
    }
}
