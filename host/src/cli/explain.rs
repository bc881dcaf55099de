//! `tidegate explain`: what `run` would do with a topic, by the code that `run` uses.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::today::Today;
use super::{ConfigPaths, Exit, Format, complain, print};
use crate::ack::Failure;
use crate::config::{Config, OnError};
use crate::message::{Message, Qos, Record, SubscriptionIds};
use crate::pipeline::chain::{self, Listener};
use crate::pipeline::instances::Instances;
use crate::pipeline::records;
use crate::pipeline::route::{Leg, Route};
use crate::router::{RuleSet, RuleStage, Snapshot};
use crate::seam::Outcome;
use crate::topic::{KafkaTopics, TopicName};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigPaths,
    /// The MQTT topic of the message.
    topic: String,
    /// The payload: the text itself, @FILE, or - for standard input. Without it no plugin is called.
    payload: Option<String>,
    /// Ask this source only.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// The answer, as `--format json` prints it.
#[derive(Serialize)]
struct Answer {
    topic: String,
    matches: Vec<Matched>,
}

#[derive(Serialize)]
struct Matched {
    rule: String,
    source: String,
    captures: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stages: Option<Vec<Stage>>,
    records: Vec<Produced>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Stage {
    plugin: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Produced {
    kafka: String,
    topic: String,
    key: Value,
    headers: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

/// Exit 0 also where nothing matches; 2 where MQTT forbids the topic.
pub fn explain(arguments: &Arguments) -> Exit {
    let topic = match TopicName::parse(Bytes::from(arguments.topic.clone())) {
        Ok(topic) => topic,
        Err(error) => {
            eprintln!("tidegate: `{}` is not a topic that MQTT allows: {error}", arguments.topic.escape_debug());
            return Exit::CouldNotRun;
        }
    };
    let payload = match arguments.payload.as_deref().map(read_payload).transpose() {
        Ok(payload) => payload,
        Err(error) => {
            complain(&error);
            return Exit::CouldNotRun;
        }
    };
    match prepare(arguments) {
        Ok((config, snapshot, topics)) => {
            let explained = Explainer { config: &config, topics: &topics, topic, payload };
            show(arguments.format, &explained.answer(&snapshot, arguments.source.as_deref()))
        }
        Err(exit) => exit,
    }
}

fn prepare(arguments: &Arguments) -> Result<(Config, Snapshot, Vec<Arc<KafkaTopics>>), Exit> {
    let config = arguments.config.load()?;
    if let Some(name) = arguments.source.as_ref().filter(|name| config.sources.iter().all(|known| known.name != **name))
    {
        eprintln!("tidegate: there is no source `{name}`");
        return Err(Exit::CouldNotRun);
    }
    let Today { snapshot, topics } = Today::of(&config)?;
    Ok((config, snapshot, topics))
}

fn read_payload(argument: &str) -> std::io::Result<Bytes> {
    match argument.strip_prefix('@') {
        Some(file) => std::fs::read(file).map(Bytes::from),
        None if argument == "-" => {
            let mut payload = Vec::new();
            std::io::stdin().lock().read_to_end(&mut payload).map(|_| payload.into())
        }
        None => Ok(Bytes::from(argument.to_owned())),
    }
}

struct Explainer<'a> {
    config: &'a Config,
    topics: &'a [Arc<KafkaTopics>],
    topic: TopicName,
    payload: Option<Bytes>,
}

impl Explainer<'_> {
    fn answer(&self, snapshot: &Snapshot, source: Option<&str>) -> Answer {
        let asked = snapshot.sources.iter().filter(|set| source.is_none_or(|name| *set.source == *name));
        Answer { topic: self.topic.as_str().into(), matches: asked.flat_map(|set| self.matches(set)).collect() }
    }

    fn matches(&self, set: &RuleSet) -> Vec<Matched> {
        let route = Route::find(set, &self.topic, self.topics, &foldhash::fast::RandomState::default());
        let found = set.matching(self.topic.as_str());
        let captures = |pattern: usize, leg: &Leg| {
            let captures = leg.rule.from[pattern].captures(self.topic.as_str());
            captures.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        route.legs.iter().zip(found).map(|(leg, found)| self.matched(leg, captures(found.pattern, leg), set)).collect()
    }

    fn matched(&self, leg: &Leg, captures: BTreeMap<String, String>, set: &RuleSet) -> Matched {
        let mut heard = Heard::default();
        let produced = match self.payload {
            Some(_) => self.with_payload(leg, &mut heard),
            None => self.records(leg, &self.message(), None, None),
        };
        let failed = |failure: Failure| (Vec::new(), on_failure(leg.rule.on_error), Some(failure.error));
        let (records, verdict, error) = match produced {
            Ok(records) if records.is_empty() => (records, "discard", None),
            Ok(records) => (records, "send", None),
            Err(failure) => failed(failure),
        };
        Matched {
            rule: leg.rule.name.to_string(),
            source: set.source.to_string(),
            captures,
            stages: self.payload.is_some().then_some(heard.stages),
            records: records.iter().map(|record| self.produced(record)).collect(),
            verdict,
            error,
        }
    }

    fn with_payload(&self, leg: &Leg, heard: &mut Heard) -> Result<Vec<Record>, Failure> {
        let message = self.message();
        let carried = chain::carry(&leg.rule, &[&message], &mut Instances::new(0), heard);
        if let Some((_, failure)) = carried.failures.into_iter().next() {
            return Err(failure);
        }
        let mut records = Vec::new();
        for draft in carried.drafts {
            records.extend(self.records(leg, &message, draft.payload.as_ref(), draft.said.as_deref())?);
        }
        Ok(records)
    }

    fn records(
        &self,
        leg: &Leg,
        message: &Message,
        payload: Option<&Bytes>,
        said: Option<&chain::Said>,
    ) -> Result<Vec<Record>, Failure> {
        let record = |bound| records::record(bound, message, payload.cloned(), said, self.topics);
        leg.destinations.iter().map(record).collect()
    }

    fn message(&self) -> Message {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Message {
            topic: self.topic.clone(),
            payload: self.payload.clone().unwrap_or_default(),
            qos: Qos::AtLeastOnce,
            retain: false,
            received_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            properties: None,
            subscriptions: SubscriptionIds::None,
        }
    }

    fn produced(&self, record: &Record) -> Produced {
        let mut headers = BTreeMap::new();
        record.headers.each(|name, value| {
            headers.insert(name.to_owned(), text(value));
        });
        Produced {
            kafka: self.config.clusters[usize::from(record.topic.cluster.0)].name.clone(),
            topic: record.topic.name().into(),
            key: record.key.as_deref().map_or(Value::Null, text),
            headers,
            payload: self.payload.as_ref().map(|_| record.payload.as_deref().map_or(Value::Null, text)),
        }
    }
}

fn on_failure(on_error: OnError) -> &'static str {
    match on_error {
        OnError::DeadLetter => "dead-letter",
        OnError::Hold => "hold",
        OnError::Drop => "discard",
    }
}

/// A string where the bytes are UTF-8, else base64.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

#[derive(Default)]
struct Heard {
    stages: Vec<Stage>,
}

impl Listener for Heard {
    fn answered(&mut self, stage: &RuleStage, answer: Result<&Outcome, &Failure>) {
        let (outcome, error) = match answer {
            Ok(Outcome::Pass) => ("pass", None),
            Ok(Outcome::Drop) => ("drop", None),
            Ok(Outcome::Replace(_)) => ("replace", None),
            Ok(Outcome::Emit(_)) => ("emit", None),
            Ok(Outcome::Fail(error)) => ("fail", Some(error.clone())),
            Err(failure) => ("fail", Some(failure.error.clone())),
        };
        self.stages.push(Stage { plugin: stage.stage.name().into(), outcome, error });
    }
}

fn show(format: Format, answer: &Answer) -> Exit {
    match format {
        Format::Json => print(&format!("{}\n", json!(answer))),
        Format::Human => print(&human(answer)),
    }
}

fn human(answer: &Answer) -> String {
    let mut text = match answer.matches.len() {
        0 => format!("{}: no rule matches; the message is acknowledged and counted\n", answer.topic),
        1 => format!("{}: 1 rule\n", answer.topic),
        count => format!("{}: {count} rules\n", answer.topic),
    };
    for matched in &answer.matches {
        text.push_str(&format!("\nrule {} (source {})  {}\n", matched.rule, matched.source, matched.verdict));
        for (name, value) in &matched.captures {
            text.push_str(&format!("  {{{name}}} = {value}\n"));
        }
        for stage in matched.stages.iter().flatten() {
            let error = stage.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            text.push_str(&format!("  plugin {}  {}{error}\n", stage.plugin, stage.outcome));
        }
        if let Some(error) = &matched.error {
            text.push_str(&format!("  {error}\n"));
        }
        for record in &matched.records {
            text.push_str(&format!("  -> {} / {}  key {}\n", record.kafka, record.topic, record.key));
            for (name, value) in &record.headers {
                text.push_str(&format!("     {name}: {value}\n"));
            }
            if let Some(payload) = &record.payload {
                text.push_str(&format!("     {payload}\n"));
            }
        }
    }
    text
}
