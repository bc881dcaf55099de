//! What of a new configuration a running process can take over. Pure.

use super::snapshots::general;
use crate::config::{ClusterConfig, Config, Problem, SourceConfig};

/// The settings that have changed and that only a restart can bring in: connections, not rules. Secrets are not among
/// them.
#[must_use]
pub fn needs_restart(old: &Config, new: &Config) -> Vec<Problem> {
    let mut changed = Vec::new();
    let mut compare = |key: &str, same: bool| {
        if !same {
            changed.push(restart(key));
        }
    };
    compare("mqtt", names(&old.sources, |source| &source.name) == names(&new.sources, |source| &source.name));
    compare("kafka", names(&old.clusters, |cluster| &cluster.name) == names(&new.clusters, |cluster| &cluster.name));
    for (old, new) in old.sources.iter().zip(&new.sources) {
        compare(&format!("mqtt.{}", old.name), without_secrets(old) == without_secrets(new));
    }
    for (old, new) in old.clusters.iter().zip(&new.clusters) {
        compare(&format!("kafka.{}", old.name), cluster_without_secrets(old) == cluster_without_secrets(new));
    }
    compare("admin", old.admin == new.admin);
    compare("plugins.lanes", old.plugins.lanes == new.plugins.lanes);
    compare("shutdown", old.shutdown == new.shutdown);
    changed
}

fn restart(key: &str) -> Problem {
    let mut problem = general("needs-restart", format!("`{key}` has changed, which a running bridge cannot take over"));
    problem.place.key = key.into();
    problem.help = Some("restart the bridge, or undo the change to reload the rest".into());
    problem
}

fn names<T>(all: &[T], name: impl Fn(&T) -> &String) -> Vec<&String> {
    all.iter().map(name).collect()
}

fn without_secrets(source: &SourceConfig) -> SourceConfig {
    SourceConfig { password: None, username: None, ..source.clone() }
}

fn cluster_without_secrets(cluster: &ClusterConfig) -> ClusterConfig {
    let mut cluster = cluster.clone();
    if let Some(sasl) = &mut cluster.sasl {
        sasl.password = crate::config::Secret::new(String::new());
    }
    cluster
}
