//! The metrics page: all meters of the process as OpenMetrics 1.0 text.
//!
//! Invariant: the samples of one family stand together, no series stands twice, and the order is the same on every page.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::families::{self as f, Family, Kind};
use super::log_queue;
use super::process::ProcessFigures;
use crate::ack::FailureKind;
use crate::meters::{BUCKETS_US, ClusterMeters, Histogram, Meter, Meters, PluginMeters, RuleMeters, SourceMeters};

/// `Content-Type` of the page.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole page for the running process.
#[must_use]
pub fn page(meters: &Meters) -> String {
    encode(meters, env!("CARGO_PKG_VERSION"), &ProcessFigures::read(), log_queue::lines_dropped())
}

fn encode(meters: &Meters, version: &str, process: &ProcessFigures, log_lines_dropped: u64) -> String {
    let mut page = Page { text: String::with_capacity(16 * 1024) };
    page.family(&f::BUILD);
    page.sample(&f::BUILD, &[("version", version)], 1);
    config(&mut page, meters);
    sources(&mut page, meters.sources.get().map_or(&[], Vec::as_slice));
    let rules = rules_in_order(meters);
    produced(&mut page, meters);
    rule_counts(&mut page, &rules);
    plugins(&mut page, &rules);
    clusters(&mut page, meters.clusters.get().map_or(&[], Vec::as_slice));
    page.family(&f::LOG_LINES_DROPPED);
    page.sample(&f::LOG_LINES_DROPPED, &[], log_lines_dropped);
    process_figures(&mut page, process);
    page.text.push_str("# EOF\n");
    page.text
}

fn config(page: &mut Page, meters: &Meters) {
    for (family, meter) in [
        (&f::CONFIG_GENERATION, &meters.config.generation),
        (&f::CONFIG_LAST_RELOAD_SUCCESSFUL, &meters.config.last_reload_successful),
        (&f::CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP, &meters.config.last_success_s),
    ] {
        page.family(family);
        page.sample(family, &[], meter.get());
    }
}

fn sources(page: &mut Page, sources: &[Arc<SourceMeters>]) {
    let mut each = |family: &Family, meter: fn(&SourceMeters) -> &Meter| {
        page.family(family);
        for source in sources {
            page.sample(family, &[("source", &source.name)], meter(source).get());
        }
    };
    each(&f::MQTT_CONNECTED, |source| &source.connected);
    each(&f::MQTT_CONNECTS, |source| &source.connects);
    each(&f::MQTT_SESSIONS_LOST, |source| &source.sessions_lost);
    each(&f::MQTT_PROTOCOL_ERRORS, |source| &source.protocol_errors);
    each(&f::MESSAGES_RECEIVED, |source| &source.received);
    each(&f::MESSAGES_RECEIVED_SIZE, |source| &source.received_bytes);
    each(&f::MESSAGES_ACKNOWLEDGED, |source| &source.acknowledged);
    each(&f::MESSAGES_ABANDONED, |source| &source.abandoned);
    each(&f::MESSAGES_UNROUTED, |source| &source.unrouted);
    each(&f::MESSAGES_REJOINED, |source| &source.rejoined);
    each(&f::INFLIGHT_MESSAGES, |source| &source.in_flight);
    each(&f::WINDOW_SIZE, |source| &source.window);
    page.family(&f::MESSAGES_DROPPED);
    for source in sources {
        for (reason, meter) in [("on-error", &source.dropped_by_rule), ("qos-0", &source.dropped_qos_0)] {
            page.sample(&f::MESSAGES_DROPPED, &[("source", &source.name), ("reason", reason)], meter.get());
        }
    }
}

fn rules_in_order(meters: &Meters) -> Vec<Arc<RuleMeters>> {
    let rules: BTreeMap<_, _> = meters.rules.iter().map(|rule| (*rule.key(), rule.value().clone())).collect();
    rules.into_values().collect()
}

/// Topics of one name on two clusters share a series, since the cluster is no label.
fn produced(page: &mut Page, meters: &Meters) {
    let mut records = BTreeMap::<_, u64>::new();
    for series in &meters.produced {
        *records.entry((series.key().rule, series.topic.clone())).or_default() += series.records.get();
    }
    page.family(&f::RECORDS_PRODUCED);
    for ((rule, topic), count) in records {
        if let Some(name) = meters.rules.get(&rule).map(|rule| rule.name.clone()) {
            page.sample(&f::RECORDS_PRODUCED, &[("rule", &name), ("topic", &topic)], count);
        }
    }
}

fn rule_counts(page: &mut Page, rules: &[Arc<RuleMeters>]) {
    page.family(&f::MESSAGES_FILTERED);
    for rule in rules {
        page.sample(&f::MESSAGES_FILTERED, &[("rule", &rule.name)], rule.filtered.get());
    }
    page.family(&f::MESSAGES_DEAD_LETTERED);
    for rule in rules {
        let counts: BTreeMap<_, _> = rule.dead_lettered.iter().map(|count| (*count.key(), *count.value())).collect();
        for (kind, count) in counts {
            page.sample(&f::MESSAGES_DEAD_LETTERED, &[("rule", &rule.name), ("reason", kind.code())], count);
        }
    }
    page.family(&f::DELIVERY);
    for rule in rules {
        page.histogram(&f::DELIVERY, &[("rule", &rule.name)], &rule.delivery);
    }
}

type RulePlugin = (Arc<RuleMeters>, String, Arc<PluginMeters>);

fn plugins(page: &mut Page, rules: &[Arc<RuleMeters>]) {
    let plugins: Vec<RulePlugin> = rules.iter().flat_map(plugins_of).collect();
    page.family(&f::PLUGIN_CALL);
    for (rule, name, plugin) in &plugins {
        page.histogram(&f::PLUGIN_CALL, &[("rule", &rule.name), ("plugin", name)], &plugin.call);
    }
    page.family(&f::PLUGIN_FAILURES);
    for (rule, name, plugin) in &plugins {
        for (kind, count) in failures(plugin) {
            let labels = [("rule", rule.name.as_str()), ("plugin", name), ("kind", kind)];
            page.sample(&f::PLUGIN_FAILURES, &labels, count);
        }
    }
    page.family(&f::PLUGIN_MEMORY);
    for (rule, name, plugin) in &plugins {
        let bytes: u64 = plugin.memory_bytes.iter().map(|lane| *lane.value()).sum();
        page.sample(&f::PLUGIN_MEMORY, &[("rule", &rule.name), ("plugin", name)], bytes);
    }
    own_figures(page, &plugins);
}

/// What plugins count and measure themselves, in the order of the names.
fn own_figures(page: &mut Page, plugins: &[RulePlugin]) {
    page.family(&f::PLUGIN_COUNTER);
    for (rule, plugin, meters) in plugins {
        let counters: BTreeMap<_, _> = meters.counters.iter().map(|one| (one.key().clone(), *one.value())).collect();
        for (name, count) in counters {
            page.sample(&f::PLUGIN_COUNTER, &[("rule", &rule.name), ("plugin", plugin), ("name", &name)], count);
        }
    }
    page.family(&f::PLUGIN_GAUGE);
    for (rule, plugin, meters) in plugins {
        let gauges: BTreeMap<_, _> = meters.gauges.iter().map(|one| (one.key().clone(), *one.value())).collect();
        for (name, value) in gauges {
            page.sample(&f::PLUGIN_GAUGE, &[("rule", &rule.name), ("plugin", plugin), ("name", &name)], value);
        }
    }
}

fn plugins_of(rule: &Arc<RuleMeters>) -> Vec<RulePlugin> {
    let each = |plugin: dashmap::mapref::multiple::RefMulti<'_, String, Arc<PluginMeters>>| {
        (rule.clone(), plugin.key().clone(), plugin.value().clone())
    };
    let mut plugins: Vec<RulePlugin> = rule.plugins.iter().map(each).collect();
    plugins.sort_by(|one, other| one.1.cmp(&other.1));
    plugins
}

/// All kinds that a call can fail with, those that never happened at 0, so that a rate is defined from the start.
fn failures(plugin: &PluginMeters) -> [(&'static str, u64); 5] {
    let mut counts = [("trap", 0), ("deadline", 0), ("memory", 0), ("output", 0), ("refused", 0)];
    for failed in &plugin.failures {
        let word = failure_word(*failed.key());
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| Some(*known) == word) {
            *count += *failed.value();
        }
    }
    counts
}

/// The value of the label `kind`; `None` for what is no failure of a call.
fn failure_word(kind: FailureKind) -> Option<&'static str> {
    match kind {
        FailureKind::PluginTrap => Some("trap"),
        FailureKind::PluginDeadline => Some("deadline"),
        FailureKind::PluginMemory => Some("memory"),
        FailureKind::PluginOutput => Some("output"),
        FailureKind::PluginRefused => Some("refused"),
        FailureKind::PluginFailed
        | FailureKind::BadTopic
        | FailureKind::TooManyTopics
        | FailureKind::TooLarge
        | FailureKind::TopicRefused
        | FailureKind::KafkaRejected => None,
    }
}

fn clusters(page: &mut Page, clusters: &[Arc<ClusterMeters>]) {
    let mut each = |family: &Family, meter: fn(&ClusterMeters) -> &Meter| {
        page.family(family);
        for cluster in clusters {
            page.sample(family, &[("cluster", &cluster.name)], meter(cluster).get());
        }
    };
    each(&f::KAFKA_CONNECTED, |cluster| &cluster.connected);
    each(&f::KAFKA_HELD_RECORDS, |cluster| &cluster.held);
    each(&f::KAFKA_QUEUED_RECORDS, |cluster| &cluster.queued);
    each(&f::KAFKA_PRODUCERS_RECREATED, |cluster| &cluster.recreated);
}

fn process_figures(page: &mut Page, process: &ProcessFigures) {
    page.family(&f::PROCESS_CPU);
    if let Some(seconds) = process.cpu_seconds {
        page.sample(&f::PROCESS_CPU, &[], seconds);
    }
    for (family, figure) in
        [(&f::PROCESS_RESIDENT_MEMORY, process.resident_bytes), (&f::PROCESS_OPEN_FDS, process.open_fds)]
    {
        page.family(family);
        if let Some(figure) = figure {
            page.sample(family, &[], figure);
        }
    }
}

type Labels<'a> = [(&'a str, &'a str)];

struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, family: &Family) {
        let Family { name, kind, help } = family;
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.word()));
        if let Some(unit) = family.unit() {
            self.put(format_args!("# UNIT {name} {unit}\n"));
        }
    }

    fn sample(&mut self, family: &Family, labels: &Labels<'_>, value: impl fmt::Display) {
        let ending = match family.kind {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Histogram => "",
            Kind::Info => "_info",
        };
        self.put(format_args!("{}{ending}{} {value}\n", family.name, LabelSet { labels, le: None }));
    }

    fn histogram(&mut self, family: &Family, labels: &Labels<'_>, histogram: &Histogram) {
        let (counts, sum_us) = histogram.read();
        let mut so_far = 0;
        for (place, count) in counts.into_iter().enumerate() {
            so_far += count;
            let le = BUCKETS_US.get(place).map_or_else(|| "+Inf".into(), |bound_us| seconds(*bound_us));
            let labels = LabelSet { labels, le: Some(&le) };
            self.put(format_args!("{}_bucket{labels} {so_far}\n", family.name));
        }
        let labels = LabelSet { labels, le: None };
        self.put(format_args!("{}_count{labels} {so_far}\n", family.name));
        self.put(format_args!("{}_sum{labels} {}\n", family.name, seconds(sum_us)));
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("writing to a String never fails");
    }
}

/// Microseconds as seconds, always with a decimal point: `0.00005`, `1.0`.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.into() }
}

struct LabelSet<'a> {
    labels: &'a Labels<'a>,
    le: Option<&'a str>,
}

impl fmt::Display for LabelSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let le = self.le.map(|le| ("le", le));
        for (place, (name, value)) in self.labels.iter().copied().chain(le).enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            write!(f, "{before}{name}=\"")?;
            escape(f, value)?;
            f.write_char('"')?;
        }
        let is_empty = self.labels.is_empty() && self.le.is_none();
        if is_empty { Ok(()) } else { f.write_char('}') }
    }
}

/// OpenMetrics 1.0, section "Escaping": backslash, quote and line feed.
fn escape(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    for character in value.chars() {
        match character {
            '\\' => f.write_str("\\\\")?,
            '"' => f.write_str("\\\"")?,
            '\n' => f.write_str("\\n")?,
            other => f.write_char(other)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
