//! What a rule grants a plugin, shown with a component that uses all of it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tidegate::ack::FailureKind;
use tidegate::config::{Grant, Grants, LookupGrant, PluginLimits, PublishGrant, StateLimits};
use tidegate::meters::PluginMeters;
use tidegate::seam::{Backchannel, Instance, Occasion, Outcome, Outgoing, Output, Stage, StageFault, Tables};
use tidegate::topic::TopicFilter;
use tidegate::wasm::{Outside, Plugin};

use crate::guests;
use crate::support::{LIMITS, ask, batch, engine};

/// The guest, compiled once for these limits.
fn plugin(limits: PluginLimits) -> Arc<Plugin> {
    static PLUGIN: OnceLock<Arc<Plugin>> = OnceLock::new();
    let load =
        || engine().load("services", &guests::built("tests/guests/services", guests::BARE), false, limits).unwrap();
    match limits == LIMITS {
        true => PLUGIN.get_or_init(load).clone(),
        false => load(),
    }
}

/// A stage of a rule of its own, so that tests do not share state.
fn stage(rule: &str, config: &str) -> Arc<dyn Stage> {
    stage_with(rule, config, &Outside::default())
}

fn stage_with(rule: &str, config: &str, outside: &Outside) -> Arc<dyn Stage> {
    plugin(LIMITS).stage_granted(rule, config.into(), &Grants::all(), outside).unwrap()
}

fn check(instance: &mut dyn Instance, command: &str, answer: &str) {
    let outcome = ask(instance, command).unwrap();
    assert_eq!(outcome, Outcome::Replace(Bytes::copy_from_slice(answer.as_bytes())), "{command}");
}

fn refusal(instance: &mut dyn Instance, command: &str) -> String {
    match ask(instance, command).unwrap() {
        Outcome::Fail(reason) => reason,
        other => panic!("{command}: {other:?}"),
    }
}

#[test]
fn a_plugin_tells_what_it_is_and_what_it_asks_for() {
    let plugin = plugin(LIMITS);
    assert_eq!(plugin.contract(), "0.1.0");
    assert_eq!(plugin.asks(), Grant::ALL);
    let said = plugin.description().unwrap();
    assert_eq!((said.name.as_str(), said.version.as_str(), said.order.as_slice()), ("services", "1.2.3", &[1, 3][..]));
    assert_eq!(said.about, "Uses what it is lent.\\u{1b}[31m");
    assert!(plugin.imports().iter().any(|name| name == "tidegate:plugin/state@0.1.0"));
}

#[test]
fn a_plugin_imports_only_what_it_uses() {
    let plugin = engine().load("identity", &guests::identity(), false, LIMITS).unwrap();
    assert_eq!(plugin.asks(), []);
    assert_eq!(plugin.description(), None);
}

#[test]
fn what_is_not_granted_is_refused() {
    let refused = |grants: &Grants| plugin(LIMITS).stage_granted("r", String::new(), grants, &Outside::default()).err();
    let nothing = refused(&Grants::default()).unwrap();
    assert_eq!(nothing.kind, FailureKind::PluginRefused);
    assert_eq!(nothing.text, "plugin `services` uses `state`, which the rule does not grant");
    let no_clock = refused(&Grants { clock: false, ..Grants::all() }).unwrap();
    assert!(no_clock.text.contains("`clock`"), "{no_clock}");
    assert!(refused(&Grants::all()).is_none());
}

#[test]
fn a_component_of_the_first_contract_keeps_running() {
    let old = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/contract-0.1.0.wasm")).unwrap();
    let plugin = engine().load("old", &old, false, LIMITS).unwrap();
    assert_eq!((plugin.contract(), plugin.asks()), ("0.1.0", &[][..]));
    let mut instance = plugin.stage("rule", String::new()).unwrap().open().unwrap();
    let outcomes = instance.process(&batch(&["x", "drop", "replace abc", "fail why", "emit 2"])).unwrap();
    assert_eq!(
        outcomes[..4],
        [Outcome::Pass, Outcome::Drop, Outcome::Replace("abc".into()), Outcome::Fail("why".into())]
    );
    assert!(matches!(&outcomes[4], Outcome::Emit(outputs) if outputs.len() == 2));
    assert!(matches!(ask(&mut *instance, "echo").unwrap(), Outcome::Emit(outputs) if outputs[0].headers.len() == 4));
}

#[test]
fn state_outlives_instances_and_reloads() {
    let first = stage("outlives", "");
    let mut instance = first.open().unwrap();
    ask(&mut *instance, "set a 1").unwrap();
    ask(&mut *instance, "set b 2").unwrap();
    drop(instance);
    check(&mut *first.open().unwrap(), "get a", "1");
    let after_reload = stage("outlives", r#"{"other":1}"#);
    drop(first);
    let mut instance = after_reload.open_in(1).unwrap();
    check(&mut *instance, "get b c", "2 none");
    check(&mut *instance, "keys ", "a b");
    ask(&mut *instance, "delete a").unwrap();
    check(&mut *instance, "keys ", "b");
    check(&mut *stage("another", "").open().unwrap(), "get b", "none");
}

#[test]
fn a_call_that_fails_leaves_no_change() {
    let stage = stage("fails", "");
    let mut instance = stage.open().unwrap();
    let fault = instance.process(&batch(&["set a 1", "get a", "set-trap b 2"])).unwrap_err();
    assert_eq!(fault.kind, FailureKind::PluginTrap);
    let mut next = stage.open().unwrap();
    check(&mut *next, "get a b", "none none");
    let outcomes = next.process(&batch(&["set a 1", "get a"])).unwrap();
    assert_eq!(outcomes, [Outcome::Pass, Outcome::Replace("1".into())]);
}

#[test]
fn what_init_changes_counts_for_running_instances_only() {
    let stage = stage("init", r#"{"mode":"init-state"}"#);
    let (mut one, mut other) = (stage.open().unwrap(), stage.open_in(1).unwrap());
    check(&mut *one, "get starts", "2");
    check(&mut *other, "get starts", "2");
}

#[test]
fn comparing_and_setting_loses_no_update_between_lanes() {
    let stage = stage("swap", "");
    let add_hundred = |lane| {
        let mut instance = stage.open_in(lane).unwrap();
        for _ in 0..100 {
            loop {
                let Outcome::Replace(now) = ask(&mut *instance, "get n").unwrap() else { panic!("no answer") };
                let now = String::from_utf8(now.to_vec()).unwrap();
                let next = now.parse::<u32>().unwrap_or(0) + 1;
                match ask(&mut *instance, &format!("swap n {now} {next}")).unwrap() {
                    Outcome::Replace(answer) if answer == "true" => break,
                    Outcome::Replace(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    };
    std::thread::scope(|scope| (0..3).for_each(|lane| drop(scope.spawn(move || add_hundred(lane)))));
    check(&mut *stage.open().unwrap(), "get n", "300");
}

#[test]
fn state_is_bounded_and_listed_in_pages() {
    let state = StateLimits { keys_max: 2500, ..LIMITS.state };
    let plugin = plugin(PluginLimits { state, ..LIMITS });
    let stage = plugin.stage_granted("bounded", String::new(), &Grants::all(), &Outside::default()).unwrap();
    let mut instance = stage.open().unwrap();
    check(&mut *instance, "fill 2500", "2500");
    assert_eq!(refusal(&mut *instance, "set one-more x"), "the plugin's state is full");
    assert_eq!(refusal(&mut *instance, &format!("set {} x", "k".repeat(2000))), "the key is empty or too long");
}

#[test]
fn figures_stand_under_their_names() {
    let meters = Arc::new(PluginMeters::default());
    let stage = stage_with("figures", "", &Outside { meters: meters.clone(), ..Outside::default() });
    let mut instance = stage.open().unwrap();
    for command in ["count seen", "count seen", "gauge level 0.5"] {
        ask(&mut *instance, command).unwrap();
    }
    assert_eq!(meters.counters.get("seen").map(|count| *count), Some(2));
    assert_eq!(meters.gauges.get("level").map(|value| *value), Some(0.5));
}

#[test]
fn the_clock_goes() {
    let mut instance = stage("clock", "").open().unwrap();
    let mut read = |command: &str| match ask(&mut *instance, command).unwrap() {
        Outcome::Replace(answer) => String::from_utf8(answer.to_vec()).unwrap().parse::<u64>().unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(read("now") > 1_700_000_000_000);
    assert!(read("monotonic") <= read("monotonic"));
}

/// Keeps what is published.
#[derive(Default)]
struct Kept(Mutex<Vec<Outgoing>>);

impl Backchannel for Kept {
    fn is_linked(&self) -> bool {
        true
    }

    fn has_room(&self) -> bool {
        true
    }

    fn message_bytes_max(&self) -> usize {
        10
    }

    fn publish(&self, messages: &mut Vec<Outgoing>) {
        self.0.lock().unwrap().append(messages);
    }
}

#[test]
fn messages_leave_with_the_answer_of_their_call() {
    let kept = Arc::new(Kept::default());
    let outside = Outside { back: Some(kept.clone()), ..Outside::default() };
    let topics = vec![TopicFilter::parse("cmd/+").unwrap()];
    let grants = Grants { publish: Some(PublishGrant { topics, per_s_max: 1000 }), ..Grants::all() };
    let stage = plugin(LIMITS).stage_granted("publish", String::new(), &grants, &outside).unwrap();
    let mut instance = stage.open().unwrap();
    assert_eq!(ask(&mut *instance, "publish cmd/a on").unwrap(), Outcome::Pass);
    assert_eq!(refusal(&mut *instance, "publish other/a on"), "the rule does not grant the topic");
    assert_eq!(refusal(&mut *instance, "publish cmd/a 0123456789"), "the message is larger than the broker takes");
    ask(&mut *instance, "publish-trap cmd/b on").unwrap_err();
    let published: Vec<_> = kept.0.lock().unwrap().iter().map(|message| message.topic.as_str().to_owned()).collect();
    assert_eq!(published, ["cmd/a"]);
}

/// One table.
struct Machines;

impl Tables for Machines {
    fn row(&self, table: &str, key: &str) -> Option<Option<Bytes>> {
        (table == "machines").then(|| (key == "7").then(|| Bytes::from_static(br#"{"line":"l1"}"#)))
    }

    fn field(&self, table: &str, key: &str, column: &str) -> Option<Option<String>> {
        (table == "machines").then(|| (key == "7" && column == "line").then(|| "l1".to_owned()))
    }
}

#[test]
fn tables_are_looked_into_as_granted() {
    let outside = Outside { tables: Some(Arc::new(Machines)), ..Outside::default() };
    let mut instance = stage_with("lookup", "", &outside).open().unwrap();
    check(&mut *instance, "row machines 7", r#"{"line":"l1"}"#);
    check(&mut *instance, "row machines 8", "none");
    check(&mut *instance, "field machines 7 line", "l1");
    assert!(refusal(&mut *instance, "row persons 7").contains("no such table"));
    let grants = Grants { lookup: Some(LookupGrant::Tables(vec!["persons".into()])), ..Grants::all() };
    let stage = plugin(LIMITS).stage_granted("lookup", String::new(), &grants, &outside).unwrap();
    assert!(refusal(&mut *stage.open().unwrap(), "row machines 7").contains("no such table"));
}

#[test]
fn a_tick_gives_out_what_its_lane_holds() {
    let stage = stage("tick", r#"{"tick":50}"#);
    let wishes = stage.wishes();
    assert_eq!((wishes.tick, wishes.order.as_slice()), (Some(Duration::from_millis(50)), &[1, 3][..]));
    assert!(wishes.hears_connection && wishes.keeps_state);
    let (mut one, mut other) = (stage.open().unwrap(), stage.open_in(1).unwrap());
    for command in ["add 2", "add 3"] {
        ask(&mut *one, command).unwrap();
    }
    assert_eq!(other.occur(Occasion::Tick).unwrap(), Ok(Vec::new()));
    let emissions = one.occur(Occasion::Tick).unwrap().unwrap();
    let payloads: Vec<_> =
        emissions.iter().map(|emission| (emission.about.as_deref(), emission.output.payload.as_deref())).collect();
    assert_eq!(payloads, [(Some("site/ulm/l1/temp"), Some(&b"window 5"[..]))]);
    assert_eq!(one.occur(Occasion::Tick).unwrap(), Ok(Vec::new()));
}

#[test]
fn news_of_the_connection_are_heard_in_each_lane() {
    let stage = stage("link", "");
    let (mut one, mut other) = (stage.open().unwrap(), stage.open_in(1).unwrap());
    let heard = |instance: &mut dyn Instance, occasion| {
        let Output { key, payload, .. } = instance.occur(occasion).unwrap().unwrap().remove(0).output;
        [key, payload].map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap()).join(" ")
    };
    assert_eq!(heard(&mut *one, Occasion::Linked { resumed: true }), "lead up again");
    assert_eq!(heard(&mut *other, Occasion::Linked { resumed: false }), "other up");
    assert_eq!(heard(&mut *one, Occasion::Lost), "lead down");
}

#[test]
fn records_of_a_call_are_bounded() {
    let limits = PluginLimits { records_max: 3, ..LIMITS };
    let hostile = engine().load("guest", &guests::hostile(), false, limits).unwrap();
    let mut instance = hostile.stage("rule", String::new()).unwrap().open().unwrap();
    assert_eq!(instance.process(&batch(&["emit 2", "x", "drop"])).unwrap().len(), 3);
    let fault = instance.process(&batch(&["emit 2", "x", "x"])).unwrap_err();
    assert_eq!((fault.kind, fault.text.contains("3 records")), (FailureKind::PluginOutput, true), "{fault}");
}

#[test]
fn a_plugin_that_fails_again_and_again_rests() {
    let limits = PluginLimits { failures_max: 3, rest_max: Duration::from_secs(600), ..LIMITS };
    let stage =
        engine().load("guest", &guests::hostile(), false, limits).unwrap().stage("rule", String::new()).unwrap();
    let fail =
        || -> StageFault { stage.open().and_then(|mut instance| ask(&mut *instance, "trap").map(drop)).unwrap_err() };
    assert_eq!([fail(), fail(), fail()].map(|fault| fault.kind), [FailureKind::PluginTrap; 3]);
    let resting = fail();
    assert!(resting.text.contains("rests for"), "{resting}");
}

#[test]
fn an_instance_that_has_grown_is_worn() {
    let limits = PluginLimits { recycle_bytes: 8 << 20, ..LIMITS };
    let stage = plugin(limits).stage_granted("worn", String::new(), &Grants::all(), &Outside::default()).unwrap();
    let mut instance = stage.open().unwrap();
    ask(&mut *instance, "grow 1").unwrap();
    assert!(!instance.is_worn());
    ask(&mut *instance, "grow 20").unwrap();
    assert!(instance.is_worn());
    assert!(!stage.open().unwrap().is_worn());
}

#[test]
fn compiling_has_a_time() {
    let limits = PluginLimits { compile: Duration::from_nanos(1), ..LIMITS };
    let refused = engine().load("guest", &guests::hostile(), false, limits).err().unwrap();
    assert!(refused.to_string().contains("compiling it takes longer"), "{refused}");
}
