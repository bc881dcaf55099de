//! What the admin interface asks of the bridge that it stands for.

use serde::Serialize;

use super::status::{ProblemView, Status};

/// The running bridge as the admin interface sees it.
pub trait Bridge: Send + Sync {
    /// Answers at once.
    fn readiness(&self) -> Readiness;
    /// Answers at once.
    fn status(&self) -> Status;
    /// The metrics page as OpenMetrics text. Answers at once.
    fn metrics(&self) -> String;
    /// Reads the configuration again and takes it or says why not. May block; is called on a thread that may wait, and
    /// possibly by several at a time.
    fn reload(&self) -> ReloadReply;
}

/// Whether messages can flow. The body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub sources: Vec<SourceReadiness>,
    pub clusters: Vec<ClusterReadiness>,
}

impl Readiness {
    /// Every source is subscribed and every cluster has answered.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sources.iter().all(|source| source.subscribed) && self.clusters.iter().all(|cluster| cluster.answered)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceReadiness {
    pub name: String,
    pub connected: bool,
    /// All its subscriptions are confirmed on the connection that stands.
    pub subscribed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterReadiness {
    pub name: String,
    /// A broker of the cluster has told us its metadata.
    pub answered: bool,
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReloadOutcome {
    /// The new configuration is in use.
    Swapped,
    /// Nothing was different.
    Unchanged,
    /// The new configuration has errors; the old one stays in use.
    Rejected,
}

/// The body of `POST /api/v1/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReloadReply {
    pub outcome: ReloadOutcome,
    /// The generation in use after the reload.
    pub generation: u64,
    pub problems: Vec<ProblemView>,
}
