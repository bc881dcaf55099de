//! Runs a batch of messages of one rule through its chain of plugins.
//!
//! Each message ends as records, as filtered, or as failed; a message of which any record fails has failed whole. What
//! one stage gives is fed to the next as messages; a tombstone has no payload to feed, so it passes by.

use std::sync::Arc;

use bytes::Bytes;

use super::instances::Instances;
use crate::ack::{FailedPlugin, Failure, FailureKind};
use crate::message::{Header, Message};
use crate::router::{Rule, RuleStage};
use crate::seam::{Outcome, Output, Stage, StageFault, StageMessage};

/// Most messages in one call of a plugin.
pub const BATCH_MESSAGES_MAX: usize = 64;
/// Most payload bytes in one call of a plugin, unless one message alone has more.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// A record on its way through the chain.
#[derive(Debug)]
pub struct Draft {
    /// Place of its message in the batch.
    pub of: usize,
    /// `None` is a tombstone.
    pub payload: Option<Bytes>,
    /// What plugins said of it beyond the payload; usually nothing.
    pub said: Option<Box<Said>>,
}

/// What plugins said of a record; what they left out is as the rule says.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub topic: Option<String>,
    pub key: Option<Bytes>,
    pub headers: Vec<Header>,
    pub timestamp_ms: Option<u64>,
}

/// What became of a batch: the drafts in message order, and the messages that failed.
pub struct Carried {
    pub drafts: Vec<Draft>,
    /// By place in the batch.
    pub failures: Vec<(usize, Failure)>,
}

/// Is told what each stage answered; `explain` listens.
pub trait Listener {
    fn answered(&mut self, stage: &RuleStage, answer: Result<&Outcome, &Failure>);
}

/// Listens to nothing.
pub struct Nobody;

impl Listener for Nobody {
    fn answered(&mut self, _: &RuleStage, _: Result<&Outcome, &Failure>) {}
}

/// Carries `messages`, all of `rule`, through its stages.
pub fn carry(rule: &Rule, messages: &[&Message], instances: &mut Instances, listener: &mut dyn Listener) -> Carried {
    let draft = |(of, message): (usize, &&Message)| Draft { of, payload: Some(message.payload.clone()), said: None };
    carry_on(rule, 0, messages, messages.iter().enumerate().map(draft).collect(), instances, listener)
}

/// Carries drafts of `messages` through the stages of `rule` from the one at `first` on.
pub fn carry_on(
    rule: &Rule,
    first: usize,
    messages: &[&Message],
    mut drafts: Vec<Draft>,
    instances: &mut Instances,
    listener: &mut dyn Listener,
) -> Carried {
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    for (place, stage) in rule.stages.iter().enumerate().skip(first) {
        let mut pass = Pass { stage, place, messages, instances, listener, next: Vec::with_capacity(drafts.len()) };
        pass.run(drafts, &mut failures);
        drafts = pass.next;
        if !failures.is_empty() {
            drafts.retain(|draft| !failures.iter().any(|(of, _)| *of == draft.of));
        }
    }
    Carried { drafts, failures }
}

/// One stage at work on one batch.
struct Pass<'a> {
    stage: &'a RuleStage,
    place: usize,
    messages: &'a [&'a Message],
    instances: &'a mut Instances,
    listener: &'a mut dyn Listener,
    next: Vec<Draft>,
}

impl Pass<'_> {
    fn run(&mut self, drafts: Vec<Draft>, failures: &mut Vec<(usize, Failure)>) {
        let mut drafts = drafts.into_iter().peekable();
        let mut batch: Vec<Draft> = Vec::with_capacity(BATCH_MESSAGES_MAX);
        let mut batch_bytes = 0;
        while let Some(draft) = drafts.next() {
            match draft.payload.as_ref().map(Bytes::len) {
                Some(bytes) => {
                    batch_bytes += bytes;
                    batch.push(draft);
                }
                None if batch.is_empty() => self.next.push(draft),
                None => {
                    self.call(&mut batch, failures);
                    batch_bytes = 0;
                    self.next.push(draft);
                }
            }
            let next_bytes = drafts.peek().and_then(|next| next.payload.as_ref()).map_or(0, Bytes::len);
            if batch.len() >= BATCH_MESSAGES_MAX || batch_bytes + next_bytes > BATCH_BYTES_MAX {
                self.call(&mut batch, failures);
                batch_bytes = 0;
            }
        }
        self.call(&mut batch, failures);
    }

    /// One call of the plugin; where it goes wrong, one call per message, so that only the poisonous one fails.
    fn call(&mut self, batch: &mut Vec<Draft>, failures: &mut Vec<(usize, Failure)>) {
        if batch.is_empty() {
            return;
        }
        match self.instances.process(self.stage, &inputs(self.messages, batch)) {
            Ok(outcomes) => {
                for (draft, outcome) in batch.drain(..).zip(outcomes) {
                    self.take(draft, outcome, failures);
                }
            }
            Err(fault) if batch.len() == 1 => {
                let failure = self.failure_of(&fault);
                self.listener.answered(self.stage, Err(&failure));
                failures.extend(batch.drain(..).map(|draft| (draft.of, failure.clone())));
            }
            Err(_) => {
                for draft in batch.drain(..) {
                    self.call(&mut vec![draft], failures);
                }
            }
        }
    }

    fn take(&mut self, draft: Draft, outcome: Outcome, failures: &mut Vec<(usize, Failure)>) {
        self.listener.answered(self.stage, Ok(&outcome));
        match outcome {
            Outcome::Pass => self.next.push(draft),
            Outcome::Drop => {}
            Outcome::Replace(payload) => self.next.push(Draft { payload: Some(payload), ..draft }),
            Outcome::Emit(outputs) => self.next.extend(outputs.into_iter().map(|output| emitted(&draft, output))),
            Outcome::Fail(error) => {
                let failure = Failure { kind: FailureKind::PluginFailed, error, plugin: Some(self.failed_plugin()) };
                failures.push((draft.of, failure));
            }
        }
    }

    fn failure_of(&self, fault: &StageFault) -> Failure {
        Failure { kind: fault.kind, error: fault.to_string(), plugin: Some(self.failed_plugin()) }
    }

    fn failed_plugin(&self) -> FailedPlugin {
        let stage: &Arc<dyn Stage> = &self.stage.stage;
        FailedPlugin {
            name: stage.name().into(),
            sha256: stage.sha256().into(),
            stage: u32::try_from(self.place).unwrap_or(u32::MAX),
        }
    }
}

fn inputs<'d>(messages: &'d [&'d Message], batch: &'d [Draft]) -> Vec<StageMessage<'d>> {
    let input = |draft: &'d Draft| {
        let message = messages[draft.of];
        StageMessage {
            topic: message.topic.as_str(),
            payload: draft.payload.as_deref().unwrap_or_default(),
            received_ms: message.received_ms,
            qos: message.qos,
            retain: message.retain,
            properties: message.properties.as_ref(),
        }
    };
    batch.iter().map(input).collect()
}

/// What an output leaves out stays as earlier stages said it.
pub fn emitted(draft: &Draft, output: Output) -> Draft {
    let mut said = draft.said.as_deref().cloned().unwrap_or_default();
    said.topic = output.topic.or(said.topic);
    said.key = output.key.or(said.key);
    said.timestamp_ms = output.timestamp_ms.or(said.timestamp_ms);
    for (name, value) in output.headers {
        said.headers.retain(|header| *header.name != *name);
        said.headers.push(Header { name: name.into(), value });
    }
    Draft { of: draft.of, payload: output.payload, said: Some(Box::new(said)) }
}
