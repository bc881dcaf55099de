//! Runs the cases of a plugin: each on an instance of its own, so that no case depends on another.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::compare::differs;
use crate::config::cases::{Case, Cases, Expect};
use crate::message::Properties;
use crate::seam::{Outcome, Stage, StageFault, StageMessage};
use crate::wasm::Plugin;

/// The name under which cases appear in the plugin's log lines.
const RULE: &str = "cases";

/// What came of one case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// Place in `Cases::cases`.
    pub case: usize,
    /// What the plugin answered; absent after a fault.
    pub got: Option<&'static str>,
    /// How the answer differs from what is expected; `None` where it does not.
    pub failure: Option<String>,
    pub took: Duration,
}

/// Runs all cases, in order. Each call is bounded by the plugin's own limits.
#[must_use]
pub fn run(plugin: &Arc<Plugin>, cases: &Cases) -> Vec<CaseReport> {
    // Guests may block in WASI, which must not happen on a thread of an async runtime.
    let ran = thread::scope(|scope| scope.spawn(|| run_here(plugin, cases)).join());
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The failures in one line, for those who need no report; `None` where all is well.
#[must_use]
pub fn summary(cases: &Cases, reports: &[CaseReport]) -> Option<String> {
    let failed: Vec<_> = reports.iter().filter_map(|report| Some((report, report.failure.as_ref()?))).collect();
    let (first, why) = failed.first()?;
    let case = &cases.cases[first.case];
    let place = format!("{}:{}", case.place.file, case.place.line);
    Some(format!("fails {} of its {} cases; `{}` ({place}): {why}", failed.len(), reports.len(), case.name))
}

/// The name of an outcome in cases files and reports.
#[must_use]
pub fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Drop => "drop",
        Outcome::Replace(_) => "replace",
        Outcome::Emit(_) => "emit",
        Outcome::Fail(_) => "fail",
    }
}

/// The name of what a case expects.
#[must_use]
pub fn kind_expected(expect: &Expect) -> &'static str {
    match expect {
        Expect::Pass => "pass",
        Expect::Drop => "drop",
        Expect::Replace(_) => "replace",
        Expect::Emit(_) => "emit",
        Expect::Fail(_) => "fail",
    }
}

fn run_here(plugin: &Arc<Plugin>, cases: &Cases) -> Vec<CaseReport> {
    let mut stages = Stages { plugin, ready: Vec::new() };
    let report = |(place, case): (usize, &Case)| {
        let began = Instant::now();
        let answer = stages.of(&case.config).and_then(|stage| answer(stage.as_ref(), case).map_err(|fault| fault.text));
        let took = began.elapsed();
        match answer {
            Ok(outcome) => {
                CaseReport { case: place, got: Some(kind_of(&outcome)), failure: differs(&case.expect, &outcome), took }
            }
            Err(text) => CaseReport { case: place, got: None, failure: Some(text), took },
        }
    };
    cases.cases.iter().enumerate().map(report).collect()
}

type Started = Result<Arc<dyn Stage>, String>;

/// The plugin by configuration: most files have one.
struct Stages<'p> {
    plugin: &'p Arc<Plugin>,
    /// Configuration, and the stage or why there is none.
    ready: Vec<(String, Started)>,
}

impl Stages<'_> {
    fn of(&mut self, config: &str) -> Started {
        if let Some((_, stage)) = self.ready.iter().find(|(known, _)| known == config) {
            return stage.clone();
        }
        let stage = self.plugin.stage(RULE, config.into()).map_err(|fault| fault.text);
        self.ready.push((config.into(), stage.clone()));
        stage
    }
}

fn answer(stage: &dyn Stage, case: &Case) -> Result<Outcome, StageFault> {
    let mut instance = stage.open()?;
    let properties = case.properties.clone().map(Arc::new);
    for payload in &case.before {
        instance.process(&[message(case, payload, properties.as_ref())])?;
    }
    let mut outcomes = instance.process(&[message(case, &case.payload, properties.as_ref())])?;
    // As many outcomes as messages: the instance has checked it.
    Ok(outcomes.swap_remove(0))
}

fn message<'a>(case: &'a Case, payload: &'a [u8], properties: Option<&'a Arc<Properties>>) -> StageMessage<'a> {
    StageMessage {
        topic: &case.topic,
        payload,
        received_ms: case.received_ms,
        qos: case.qos,
        retain: case.retain,
        properties,
    }
}
