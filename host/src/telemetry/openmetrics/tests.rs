use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::ack::RuleNo;
use crate::meters::Produced;
use crate::topic::{ClusterNo, KafkaTopics};

fn filled() -> Meters {
    let meters = Meters::default();
    meters.config.generation.set(3);
    meters.config.last_success_s.set(1_700_000_000);
    let source = SourceMeters { name: "plant".into(), ..SourceMeters::default() };
    source.received.add(12);
    source.dropped_qos_0.add(2);
    meters.sources.set(vec![Arc::new(source)]).unwrap();
    let cluster = ClusterMeters { name: "main".into(), ..ClusterMeters::default() };
    cluster.connected.set(1);
    meters.clusters.set(vec![Arc::new(cluster)]).unwrap();
    let rule = meters.rule(RuleNo::new(0).unwrap(), "li\"ne\\1\n");
    rule.filtered.add(4);
    rule.dead_lettered.insert(FailureKind::BadTopic, 5);
    rule.delivery.observe_many(Duration::from_micros(1_500), 2);
    rule.delivery.observe(Duration::from_secs(200));
    let plugin = Arc::new(PluginMeters::default());
    plugin.failures.insert(FailureKind::PluginTrap, 6);
    plugin.failures.insert(FailureKind::PluginFailed, 99);
    plugin.memory_bytes.insert(0, 65_536);
    plugin.memory_bytes.insert(1, 131_072);
    rule.plugins.insert("celsius".into(), plugin);
    meters
}

fn text_of(meters: &Meters) -> String {
    let process = ProcessFigures { cpu_seconds: Some(1.25), resident_bytes: Some(4_096), open_fds: None };
    encode(meters, "1.2.3", &process, 7)
}

#[track_caller]
fn check(lines: &[&str]) {
    let text = text_of(&filled());
    let expected = lines.join("\n") + "\n";
    assert!(text.contains(&expected), "{expected}\nis not in\n{text}");
}

#[test]
fn the_version_is_an_info() {
    check(&[
        "# HELP tidegate_build Version of the running program.",
        "# TYPE tidegate_build info",
        "tidegate_build_info{version=\"1.2.3\"} 1",
    ]);
}

#[test]
fn a_counter_ends_in_total_once() {
    check(&["# TYPE tidegate_messages_received counter", "tidegate_messages_received_total{source=\"plant\"} 12"]);
    check(&[
        "# TYPE process_cpu_seconds counter",
        "# UNIT process_cpu_seconds seconds",
        "process_cpu_seconds_total 1.25",
    ]);
    assert!(!text_of(&filled()).contains("_total_total"));
}

#[test]
fn a_gauge_tells_its_unit() {
    check(&[
        "# TYPE tidegate_config_last_reload_success_timestamp_seconds gauge",
        "# UNIT tidegate_config_last_reload_success_timestamp_seconds seconds",
        "tidegate_config_last_reload_success_timestamp_seconds 1700000000",
    ]);
}

#[test]
fn labels_are_escaped() {
    check(&["tidegate_messages_filtered_total{rule=\"li\\\"ne\\\\1\\n\"} 4"]);
}

#[test]
fn reasons_and_kinds_are_labels() {
    check(&["tidegate_messages_dead_lettered_total{rule=\"li\\\"ne\\\\1\\n\",reason=\"bad-topic\"} 5"]);
    check(&[
        "tidegate_messages_dropped_total{source=\"plant\",reason=\"on-error\"} 0",
        "tidegate_messages_dropped_total{source=\"plant\",reason=\"qos-0\"} 2",
    ]);
}

#[test]
fn a_plugin_shows_every_kind_of_failure_and_nothing_else() {
    let line = |kind: &str, count: u64| {
        let labels = format!("rule=\"li\\\"ne\\\\1\\n\",plugin=\"celsius\",kind=\"{kind}\"");
        format!("tidegate_plugin_failures_total{{{labels}}} {count}")
    };
    let lines: Vec<String> = [("trap", 6), ("deadline", 0), ("memory", 0), ("output", 0), ("refused", 0)]
        .map(|(kind, count)| line(kind, count))
        .into();
    check(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!text_of(&filled()).contains("} 99"));
}

#[test]
fn the_memory_of_all_lanes_is_one_figure() {
    check(&["tidegate_plugin_memory_bytes{rule=\"li\\\"ne\\\\1\\n\",plugin=\"celsius\"} 196608"]);
}

#[test]
fn a_histogram_is_cumulated_and_ends_with_infinity_count_and_sum() {
    let text = text_of(&filled());
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("tidegate_delivery_seconds_")).collect();
    let short = |line: &str| line.replace("rule=\"li\\\"ne\\\\1\\n\"", "R").replace("tidegate_delivery_seconds", "D");
    let lines: Vec<String> = lines.into_iter().map(short).collect();
    assert_eq!(lines.len(), BUCKETS_US.len() + 3);
    assert_eq!(lines[0], "D_bucket{R,le=\"0.00005\"} 0");
    assert_eq!(lines[4..6], ["D_bucket{R,le=\"0.001\"} 0", "D_bucket{R,le=\"0.002\"} 2"]);
    assert_eq!(lines[17..19], ["D_bucket{R,le=\"120.0\"} 2", "D_bucket{R,le=\"+Inf\"} 3"]);
    assert_eq!(lines[19..], ["D_count{R} 3", "D_sum{R} 200.003"]);
}

#[test]
fn one_topic_name_on_two_clusters_is_one_series() {
    let meters = Meters::default();
    let rule = RuleNo::new(0).unwrap();
    meters.rule(rule, "r");
    for cluster in 0..2 {
        let topic = KafkaTopics::new(ClusterNo(cluster), 9).intern("t").unwrap();
        let series: Arc<Produced> = meters.produced(rule, &topic);
        series.records.add(2);
    }
    let text = text_of(&meters);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("tidegate_records_produced_total")).collect();
    assert_eq!(lines, ["tidegate_records_produced_total{rule=\"r\",topic=\"t\"} 4"]);
}

#[test]
fn every_family_of_the_table_is_on_the_page_once_in_its_order() {
    let text = text_of(&filled());
    let typed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let known: HashSet<&str> = f::ALL.iter().map(|family| family.name).collect();
    assert_eq!(typed.iter().copied().collect::<HashSet<_>>(), known);
    assert_eq!(typed.len(), known.len());
}

#[test]
fn the_page_ends_with_its_mark() {
    assert!(text_of(&Meters::default()).ends_with("# EOF\n"));
}

#[test]
fn all_names_of_the_contract_are_there() {
    let text = text_of(&filled());
    let rule = "{rule=\"";
    for start in [
        "tidegate_messages_acknowledged_total{source=\"plant\"} 0",
        "tidegate_messages_abandoned_total{source=\"plant\"} 0",
        "tidegate_messages_unrouted_total{source=\"plant\"} 0",
        "tidegate_inflight_messages{source=\"plant\"} 0",
        "tidegate_window_size{source=\"plant\"} 0",
        "tidegate_mqtt_connected{source=\"plant\"} 0",
        "tidegate_mqtt_connects_total{source=\"plant\"} 0",
        "tidegate_kafka_connected{cluster=\"main\"} 1",
        "tidegate_config_generation 3",
        "tidegate_config_last_reload_successful 0",
        &format!("tidegate_plugin_call_seconds_count{rule}"),
        "# TYPE tidegate_records_produced counter",
    ] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}");
    }
}
