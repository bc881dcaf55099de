//! Reload: build beside, check whole, swap whole. A failed reload changes nothing.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::plan;
use super::reading;
use super::snapshots::{Builder, Built};
use crate::config::{Config, Problem, Severity, SourceConfig};
use crate::kafka::Producer;
use crate::meters::Meters;
use crate::router::Snapshot;
use crate::seam::Subscription;

/// What a reload came to.
#[derive(Clone, Debug)]
pub enum ReloadOutcome {
    /// Nothing that matters has changed.
    Unchanged,
    /// The new rules, plugins and secrets are live.
    Swapped,
    /// The old ones stay, for these reasons.
    Rejected(Vec<Problem>),
}

/// The last reload, for those who ask.
#[derive(Clone, Debug)]
pub struct LastReload {
    pub outcome: ReloadOutcome,
    pub at: SystemTime,
    pub generation: u64,
}

/// What a reload reaches in the running process.
pub struct Reach {
    pub live: Arc<ArcSwap<Snapshot>>,
    /// By source.
    pub settings: Vec<watch::Sender<Arc<SourceConfig>>>,
    /// By source.
    pub subscriptions: Vec<watch::Sender<Arc<[Subscription]>>>,
    /// By cluster.
    pub producers: Vec<Arc<Producer>>,
    pub meters: Arc<Meters>,
}

/// Carries out reloads, one at a time.
pub struct Reloader {
    paths: Vec<PathBuf>,
    inner: Mutex<Inner>,
    last: Mutex<LastReload>,
    reach: Reach,
}

struct Inner {
    builder: Builder,
    config: Config,
    digests: HashMap<String, String>,
    /// The files and folders whose change may mend or break the configuration.
    watched: Vec<PathBuf>,
}

impl Reloader {
    /// Start-up was the first reload: `built` is live already.
    #[must_use]
    pub fn new(
        paths: Vec<PathBuf>,
        builder: Builder,
        config: Config,
        digests: HashMap<String, String>,
        reach: Reach,
    ) -> Self {
        let last = LastReload { outcome: ReloadOutcome::Swapped, at: SystemTime::now(), generation: 1 };
        told(&reach.meters, &last);
        Self {
            paths,
            inner: Mutex::new(Inner { builder, watched: config.watched.clone(), config, digests }),
            last: Mutex::new(last),
            reach,
        }
    }

    /// Reads everything anew and swaps it in if all of it is good. Waits for a reload under way.
    pub fn reload(&self) -> LastReload {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match reading::read(&self.paths) {
            Ok(loaded) => {
                inner.watched = loaded.watched;
                match loaded.config {
                    Some(next) => self.take(&mut inner, next),
                    None => ReloadOutcome::Rejected(loaded.problems),
                }
            }
            Err(error) => ReloadOutcome::Rejected(vec![super::snapshots::general("missing", error.to_string())]),
        };
        drop(inner);
        self.conclude(outcome)
    }

    /// The files and folders whose change means a reload.
    #[must_use]
    pub fn watched(&self) -> Vec<PathBuf> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).watched.clone()
    }

    #[must_use]
    pub fn last(&self) -> LastReload {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, inner: &mut Inner, next: Config) -> ReloadOutcome {
        let fixed = plan::needs_restart(&inner.config, &next);
        if !fixed.is_empty() {
            return ReloadOutcome::Rejected(fixed);
        }
        let before = self.reach.live.load_full();
        let Built { snapshot, digests, tables } = match inner.builder.build(&next, Some(&before)) {
            Ok(built) => built,
            Err(problems) => return ReloadOutcome::Rejected(problems),
        };
        let tables_changed = inner.builder.tables().take_over(tables);
        if next == inner.config && digests == inner.digests && !tables_changed {
            return ReloadOutcome::Unchanged;
        }
        self.swap(snapshot, &next);
        inner.config = next;
        inner.digests = digests;
        ReloadOutcome::Swapped
    }

    /// Nothing here can fail: after the first line the new snapshot is what arriving messages meet.
    fn swap(&self, snapshot: Snapshot, next: &Config) {
        let subscriptions: Vec<Arc<[Subscription]>> =
            snapshot.sources.iter().map(|set| set.plan().wanted.as_slice().into()).collect();
        self.reach.live.store(Arc::new(snapshot));
        for (sender, wanted) in self.reach.subscriptions.iter().zip(subscriptions) {
            sender.send_if_modified(|held| {
                *held != wanted && {
                    *held = wanted;
                    true
                }
            });
        }
        for (sender, source) in self.reach.settings.iter().zip(&next.sources) {
            sender.send_if_modified(|held| {
                **held != *source && {
                    *held = Arc::new(source.clone());
                    true
                }
            });
        }
        for (producer, cluster) in self.reach.producers.iter().zip(&next.clusters) {
            producer.update_credentials(cluster);
        }
    }

    fn conclude(&self, outcome: ReloadOutcome) -> LastReload {
        let generation = self.reach.live.load().generation;
        let last = LastReload { outcome, at: SystemTime::now(), generation };
        match &last.outcome {
            ReloadOutcome::Unchanged => info!(generation, "nothing to reload"),
            ReloadOutcome::Swapped => info!(generation, "reloaded"),
            ReloadOutcome::Rejected(problems) => tell_rejected(problems, generation),
        }
        told(&self.reach.meters, &last);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last.clone();
        last
    }
}

fn tell_rejected(problems: &[Problem], generation: u64) {
    error!(problems = problems.len(), generation, "reload rejected, the rules stay as they are");
    for problem in problems.iter().filter(|problem| problem.severity == Severity::Error) {
        let place = &problem.place;
        warn!(
            file = %place.file, line = place.line, key = %place.key, code = problem.code, message = %problem.message,
            "a problem of the rejected reload"
        );
    }
}

fn told(meters: &Meters, last: &LastReload) {
    let config = &meters.config;
    config.generation.set(last.generation);
    match last.outcome {
        ReloadOutcome::Rejected(_) => config.last_reload_successful.set(0),
        ReloadOutcome::Swapped | ReloadOutcome::Unchanged => {
            config.last_reload_successful.set(1);
            config.last_success_s.set(last.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        }
    }
}
