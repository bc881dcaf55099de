//! The body of `GET /api/v1/status`.
//!
//! Invariant: no field can hold a secret.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bridge::ReloadOutcome;
use crate::config::{Problem, Severity};

/// What the bridge is and does at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    pub version: &'static str,
    pub generation: u64,
    /// `None` before the first reload; the start is none.
    pub last_reload: Option<LastReload>,
    pub sources: Vec<SourceStatus>,
    pub clusters: Vec<ClusterStatus>,
    pub rules: Vec<RuleStatus>,
    pub plugins: Vec<PluginStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastReload {
    pub outcome: ReloadOutcome,
    /// RFC 3339.
    pub time: String,
    pub problems: Vec<ProblemView>,
}

/// One `[mqtt.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceStatus {
    pub name: String,
    pub connected: bool,
    /// The broker of the connection, or the one tried last.
    pub url: String,
    pub subscribed: bool,
    pub window: u64,
    pub in_flight: u64,
    pub received: u64,
    pub acknowledged: u64,
    pub abandoned: u64,
    pub unrouted: u64,
    pub dropped: u64,
    pub last_error: Option<String>,
    /// What the broker does not give although the delivery promise rests on it, one sentence each.
    pub hollow: Vec<String>,
    /// Filters that the broker would not subscribe, with its reason.
    pub refused_filters: Vec<RefusedFilter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedFilter {
    pub filter: String,
    pub reason: String,
}

/// One `[kafka.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    pub name: String,
    pub connected: bool,
    /// Records that wait for a topic that is missing or may not be written.
    pub held: u64,
    /// Records handed to the producer and not settled.
    pub queued: u64,
    pub last_error: Option<String>,
}

/// One `[[rule]]` that is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleStatus {
    pub name: String,
    pub source: String,
    pub from: Vec<String>,
    pub plugins: Vec<String>,
    /// Records that Kafka acknowledged.
    pub produced: u64,
    pub filtered: u64,
    /// By reason.
    pub dead_lettered: BTreeMap<String, u64>,
}

/// One plugin that is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PluginStatus {
    pub name: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// The rules that use it.
    pub rules: Vec<String>,
    pub calls: u64,
    /// Calls that went wrong, by kind.
    pub failures: BTreeMap<String, u64>,
    pub memory_bytes: u64,
}

/// A `Problem` as JSON shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemView {
    pub severity: &'static str,
    pub code: &'static str,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub key: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<&Problem> for ProblemView {
    fn from(problem: &Problem) -> Self {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = problem.place.clone();
        Self {
            severity,
            code: problem.code,
            file: place.file,
            line: place.line,
            column: place.column,
            key: place.key,
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;

    #[test]
    fn a_problem_looks_like_that_of_check() {
        let place = Place { file: "a/b.toml".into(), line: 3, column: 8, key: "rule[2].to[0].topic".into() };
        let problem = Problem {
            severity: Severity::Error,
            code: "bad-topic",
            place,
            message: "no".into(),
            help: None,
            excerpt: None,
        };
        let expected = concat!(
            r#"{"severity":"error","code":"bad-topic","file":"a/b.toml","line":3,"column":8,"#,
            r#""key":"rule[2].to[0].topic","message":"no"}"#
        );
        assert_eq!(serde_json::to_string(&ProblemView::from(&problem)).unwrap(), expected);
    }
}
