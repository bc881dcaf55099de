//! Builds snapshots: from a checked configuration and the plugins of the folder to rules that can run.

use std::collections::HashMap;
use std::sync::Arc;

use super::builtin;
use super::shelf::{Look, Shelf};
use super::tables::{LoadedTables, TableSet};
use crate::ack::RuleNo;
use crate::config::{Config, DestinationConfig, Problem, RuleConfig, Severity, ViaConfig};
use crate::meters::Meters;
use crate::router::subscriptions::Plan;
use crate::router::{Destination, Order, Rule, RuleSet, RuleStage, Snapshot};
use crate::seam::Backchannel;
use crate::topic::{ClusterNo, KafkaTopics};
use crate::wasm::Outside;

/// Makes one snapshot after the other for the life of the process.
pub struct Builder {
    shelf: Shelf,
    numbers: HashMap<String, RuleNo>,
    topics: Vec<Arc<KafkaTopics>>,
    meters: Arc<Meters>,
    /// By source, the way back to its broker; empty where nothing runs.
    backs: Vec<Arc<dyn Backchannel>>,
    tables: Arc<TableSet>,
}

/// A snapshot and the plugins that it was made of.
pub struct Built {
    pub snapshot: Snapshot,
    /// Plugin name to digest.
    pub digests: HashMap<String, String>,
    /// What the lookup files held, to be taken over together with the snapshot.
    pub tables: LoadedTables,
}

impl Builder {
    #[must_use]
    pub fn new(config: &Config, shelf: Shelf, meters: Arc<Meters>) -> Self {
        let topics = |(place, cluster): (usize, &crate::config::ClusterConfig)| {
            let no = ClusterNo(u16::try_from(place).unwrap_or(u16::MAX));
            Arc::new(KafkaTopics::new(no, cluster.topics_max))
        };
        let topics = config.clusters.iter().enumerate().map(topics).collect();
        Self { shelf, numbers: HashMap::new(), topics, meters, backs: Vec::new(), tables: Arc::default() }
    }

    /// Lets plugins publish, by source.
    pub fn lend(&mut self, backs: Vec<Arc<dyn Backchannel>>) {
        self.backs = backs;
    }

    /// What plugins look into.
    #[must_use]
    pub fn tables(&self) -> &Arc<TableSet> {
        &self.tables
    }

    /// The topics of each cluster, shared with the data path.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<KafkaTopics>> {
        self.topics.clone()
    }

    /// Builds the snapshot that follows `before`.
    ///
    /// # Errors
    /// All plugins that cannot be used and all rules beyond the limits.
    pub fn build(&mut self, config: &Config, before: Option<&Snapshot>) -> Result<Built, Vec<Problem>> {
        let Self { shelf, numbers, topics, meters, backs, tables } = self;
        let mut look = shelf.look(&config.plugins);
        let (loaded, mut problems) = tables.load(&config.lookups);
        let mut by_source: Vec<Vec<Arc<Rule>>> = config.sources.iter().map(|_| Vec::new()).collect();
        for wanted in &config.rules {
            match number(numbers, &wanted.name).map_err(|problem| vec![problem]).and_then(|no| {
                let wanted = equipped(wanted, &look, &config.sources[wanted.source].name);
                rule(&wanted, no, &mut look, meters, &outside(backs, tables, &wanted))
            }) {
                Ok(rule) => by_source[wanted.source].push(Arc::new(rule)),
                Err(found) => problems.extend(found),
            }
        }
        let digests = look.digests();
        look.finish();
        let dead_letter = config.dead_letter.as_ref().map(|to| topics[to.cluster].intern(&to.topic));
        let dead_letter = dead_letter.transpose().unwrap_or_else(|cause| {
            problems.push(general("dead-letter-topic", format!("the dead-letter topic cannot be used: {cause}")));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let no_plan = Plan::default();
        let set = |(place, rules): (usize, Vec<Arc<Rule>>)| {
            let plan = before.map_or(&no_plan, |before| before.sources[place].plan());
            Arc::new(RuleSet::new(config.sources[place].name.as_str().into(), rules, plan))
        };
        let sources = by_source.into_iter().enumerate().map(set).collect();
        let generation = before.map_or(0, |before| before.generation) + 1;
        Ok(Built { snapshot: Snapshot { generation, sources, dead_letter }, digests, tables: loaded })
    }

    /// Plugin files that no rule uses and that would not load.
    pub fn broken_unused(&mut self, config: &Config) -> Vec<Problem> {
        let mut look = self.shelf.look(&config.plugins);
        for rule in &config.rules {
            for via in &rule.via {
                let _told_by_build = look.stage(&rule.name, via, &Outside::default());
            }
        }
        let warning = |(path, error): (std::path::PathBuf, String)| Problem {
            severity: Severity::Warning,
            place: crate::config::Place { file: path.display().to_string(), line: 1, column: 1, key: String::new() },
            ..general("plugin-unusable", format!("{error}; no rule uses it"))
        };
        look.unused().into_iter().map(warning).collect()
    }
}

fn number(numbers: &mut HashMap<String, RuleNo>, name: &str) -> Result<RuleNo, Problem> {
    if let Some(known) = numbers.get(name) {
        return Ok(*known);
    }
    let no = RuleNo::new(numbers.len()).ok_or_else(|| {
        general("too-many-rules", format!("more than {} different rule names since the start", RuleNo::COUNT_MAX))
    })?;
    numbers.insert(name.into(), no);
    Ok(no)
}

/// The rule with all that its built-in plugins are given by themselves.
fn equipped(rule: &RuleConfig, look: &Look<'_>, source: &str) -> RuleConfig {
    let equip = |via: &ViaConfig| match look.is_built_in(&via.plugin) {
        true => builtin::equipped(via, source),
        false => via.clone(),
    };
    RuleConfig { via: rule.via.iter().map(equip).collect(), ..rule.clone() }
}

/// What plugins of a rule may be lent.
fn outside(backs: &[Arc<dyn Backchannel>], tables: &Arc<TableSet>, rule: &RuleConfig) -> Outside {
    Outside { back: backs.get(rule.source).cloned(), tables: Some(tables.clone()), ..Outside::default() }
}

fn rule(
    config: &RuleConfig,
    no: RuleNo,
    look: &mut Look<'_>,
    meters: &Meters,
    outside: &Outside,
) -> Result<Rule, Vec<Problem>> {
    let meters = meters.rule(no, &config.name);
    let mut stages = Vec::new();
    let mut problems = Vec::new();
    for via in &config.via {
        let counted = meters.plugins.entry(via.plugin.clone()).or_default().clone();
        match look.stage(&config.name, via, &Outside { meters: counted.clone(), ..outside.clone() }) {
            Ok(stage) => stages.push(RuleStage { stage, meters: counted }),
            Err(problem) => problems.push(problem),
        }
    }
    let order = order(config, &stages).unwrap_or_else(|problem| {
        problems.push(problem);
        Order::Topic
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Rule {
        no,
        name: config.name.as_str().into(),
        from: config.from.clone(),
        qos: config.qos,
        stages,
        order,
        to: config.to.iter().map(destination).collect(),
        on_error: config.on_error,
        meters,
    })
}

/// As the rule says, else as its plugins do, else the topic.
fn order(config: &RuleConfig, stages: &[RuleStage]) -> Result<Order, Problem> {
    if let Some(template) = &config.order {
        return Ok(Order::Template(template.clone()));
    }
    let mut asked = stages.iter().zip(&config.via).map(|(stage, via)| {
        let levels = stage.stage.wishes().order;
        let in_front = builtin::levels_in_front(via);
        (stage.stage.name(), levels.into_iter().map(|level| level.saturating_add(in_front)).collect::<Vec<_>>())
    });
    let Some((first, levels)) = asked.find(|(_, levels)| !levels.is_empty()) else { return Ok(Order::Topic) };
    if let Some((other, _)) = asked.find(|(_, other)| !other.is_empty() && *other != levels) {
        let place = config.via.first().map(|via| via.place.clone()).unwrap_or_default();
        let message = format!("the plugins `{first}` and `{other}` ask for different order keys");
        let help = Some("say which with `order = \"{NAME}\"` in the rule, from the captures of its filters".into());
        return Err(Problem { place, help, ..general("order-conflict", message) });
    }
    Ok(Order::Levels(levels))
}

fn destination(config: &DestinationConfig) -> Destination {
    Destination {
        cluster: ClusterNo(u16::try_from(config.cluster).unwrap_or(u16::MAX)),
        topic: config.topic.clone(),
        key: config.key.clone(),
        headers: config.headers.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect(),
    }
}

/// A problem of the whole configuration rather than of a line.
#[must_use]
pub fn general(code: &'static str, message: String) -> Problem {
    Problem {
        severity: Severity::Error,
        code,
        place: crate::config::Place::default(),
        message,
        help: None,
        excerpt: None,
    }
}
