//! The running bridge as the admin interface sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::reload::{LastReload, ReloadOutcome, Reloader};
use crate::admin::bridge::{self as answer, ClusterReadiness, SourceReadiness};
use crate::admin::status::{self as view, ProblemView};
use crate::admin::{Bridge, Readiness, ReloadReply, Status};
use crate::kafka::Producer;
use crate::meters::{Meters, RuleMeters, SourceMeters};
use crate::mqtt;
use crate::pipeline::records::rfc3339;
use crate::router::{Rule, Snapshot};
use crate::telemetry::openmetrics;

/// What there is to tell about a bridge; outlives nothing of it and holds nothing up.
pub struct Overview {
    pub sources: Vec<SourceView>,
    pub clusters: Vec<ClusterView>,
    pub live: Arc<ArcSwap<Snapshot>>,
    pub meters: Arc<Meters>,
    pub reloader: Arc<Reloader>,
}

/// One source, from outside.
pub struct SourceView {
    pub name: String,
    /// The broker tried first.
    pub url: String,
    pub status: Arc<mqtt::Status>,
    pub meters: Arc<SourceMeters>,
}

/// One cluster, from outside.
pub struct ClusterView {
    pub name: String,
    pub producer: Arc<Producer>,
}

impl Bridge for Overview {
    fn readiness(&self) -> Readiness {
        let source = |source: &SourceView| {
            let standing = source.status.read();
            let connected = standing.connected.is_some();
            SourceReadiness { name: source.name.clone(), connected, subscribed: standing.is_ready() }
        };
        let cluster = |cluster: &ClusterView| ClusterReadiness {
            name: cluster.name.clone(),
            answered: cluster.producer.status().answered,
        };
        Readiness {
            sources: self.sources.iter().map(source).collect(),
            clusters: self.clusters.iter().map(cluster).collect(),
        }
    }

    fn status(&self) -> Status {
        let snapshot = self.live.load();
        let last = self.reloader.last();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            generation: snapshot.generation,
            last_reload: Some(view::LastReload {
                outcome: outcome(&last.outcome),
                time: rfc3339(last.at),
                problems: problems(&last.outcome),
            }),
            sources: self.sources.iter().map(source_status).collect(),
            clusters: self
                .clusters
                .iter()
                .enumerate()
                .map(|(place, cluster)| self.cluster_status(place, cluster))
                .collect(),
            rules: snapshot
                .sources
                .iter()
                .flat_map(|set| set.rules().iter().map(|rule| self.rule_status(&set.source, rule)))
                .collect(),
            plugins: plugins(&snapshot),
        }
    }

    fn metrics(&self) -> String {
        openmetrics::page(&self.meters)
    }

    fn reload(&self) -> ReloadReply {
        let LastReload { outcome: came_to, generation, .. } = self.reloader.reload();
        ReloadReply { outcome: outcome(&came_to), generation, problems: problems(&came_to) }
    }
}

impl Overview {
    fn cluster_status(&self, place: usize, cluster: &ClusterView) -> view::ClusterStatus {
        let status = cluster.producer.status();
        let meters = self.meters.clusters.get().and_then(|clusters| clusters.get(place));
        view::ClusterStatus {
            name: cluster.name.clone(),
            connected: status.connected,
            held: meters.map_or(0, |meters| meters.held.get()),
            queued: meters.map_or(0, |meters| meters.queued.get()),
            last_error: status.last_error,
        }
    }

    fn rule_status(&self, source: &str, rule: &Rule) -> view::RuleStatus {
        let produced = self.meters.produced.iter().filter(|series| series.key().rule == rule.no);
        view::RuleStatus {
            name: rule.name.to_string(),
            source: source.into(),
            from: rule.from.iter().map(ToString::to_string).collect(),
            plugins: rule.stages.iter().map(|stage| stage.stage.name().to_owned()).collect(),
            produced: produced.map(|series| series.records.get()).sum(),
            filtered: rule.meters.filtered.get(),
            dead_lettered: dead_lettered(&rule.meters),
        }
    }
}

fn source_status(source: &SourceView) -> view::SourceStatus {
    let (standing, meters) = (source.status.read(), &source.meters);
    let refused = |refused: &mqtt::Refused| view::RefusedFilter {
        filter: refused.filter.to_string(),
        reason: refused.text.to_string(),
    };
    view::SourceStatus {
        name: source.name.clone(),
        connected: standing.connected.is_some(),
        subscribed: standing.is_ready(),
        window: meters.window.get(),
        in_flight: meters.in_flight.get(),
        received: meters.received.get(),
        acknowledged: meters.acknowledged.get(),
        abandoned: meters.abandoned.get(),
        unrouted: meters.unrouted.get(),
        dropped: meters.dropped_by_rule.get() + meters.dropped_qos_0.get(),
        refused_filters: standing.refused.iter().map(refused).collect(),
        hollow: standing.hollow,
        last_error: standing.last_error,
        url: standing.connected.unwrap_or_else(|| source.url.clone()),
    }
}

fn dead_lettered(meters: &RuleMeters) -> BTreeMap<String, u64> {
    meters.dead_lettered.iter().map(|entry| (entry.key().code().to_owned(), *entry.value())).collect()
}

/// The plugins in use, each once with the rules that use it.
fn plugins(snapshot: &Snapshot) -> Vec<view::PluginStatus> {
    let mut plugins: BTreeMap<(String, String), view::PluginStatus> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for rule in snapshot.rules() {
        for stage in &rule.stages {
            let (name, sha256) = (stage.stage.name().to_owned(), stage.stage.sha256().to_owned());
            let known = plugins.entry((name.clone(), sha256.clone())).or_insert_with(|| view::PluginStatus {
                name: name.clone(),
                sha256,
                ..view::PluginStatus::default()
            });
            if !counted.insert((rule.no, name)) {
                continue;
            }
            known.rules.push(rule.name.to_string());
            known.calls += stage.meters.call.read().0.iter().sum::<u64>();
            known.memory_bytes += stage.meters.memory_bytes.iter().map(|entry| *entry.value()).sum::<u64>();
            for failure in &stage.meters.failures {
                *known.failures.entry(failure.key().code().to_owned()).or_default() += *failure.value();
            }
        }
    }
    plugins.into_values().collect()
}

fn outcome(outcome: &ReloadOutcome) -> answer::ReloadOutcome {
    match outcome {
        ReloadOutcome::Unchanged => answer::ReloadOutcome::Unchanged,
        ReloadOutcome::Swapped => answer::ReloadOutcome::Swapped,
        ReloadOutcome::Rejected(_) => answer::ReloadOutcome::Rejected,
    }
}

fn problems(outcome: &ReloadOutcome) -> Vec<ProblemView> {
    match outcome {
        ReloadOutcome::Unchanged | ReloadOutcome::Swapped => Vec::new(),
        ReloadOutcome::Rejected(problems) => problems.iter().map(ProblemView::from).collect(),
    }
}
