//! The running copies of plugins that one lane owns.

use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::ack::FailureKind;
use crate::router::RuleStage;
use crate::seam::{Emission, Instance, Occasion, Outcome, Stage, StageFault, StageMessage};

/// One instance per stage, opened when first needed and thrown away after any fault.
pub struct Instances {
    /// The lane's number, for the memory gauge.
    lane: usize,
    running: Vec<Running>,
}

struct Running {
    stage: Weak<dyn Stage>,
    instance: Box<dyn Instance>,
}

impl Instances {
    #[must_use]
    pub fn new(lane: usize) -> Self {
        Self { lane, running: Vec::new() }
    }

    /// Calls the stage's instance, which is opened where there is none.
    ///
    /// # Errors
    /// A fault of the call or of the start. The instance is gone then; the next call starts a new one.
    pub fn process(&mut self, stage: &RuleStage, batch: &[StageMessage<'_>]) -> Result<Vec<Outcome>, StageFault> {
        let place = self.place_of(&stage.stage).inspect_err(|fault| count(stage, fault))?;
        let started = Instant::now();
        let answer = self.running[place].instance.process(batch);
        stage.meters.call.observe(started.elapsed());
        match answer {
            Ok(outcomes) if outcomes.len() == batch.len() => {
                let memory_bytes = self.running[place].instance.memory_bytes() as u64;
                stage.meters.memory_bytes.insert(self.lane, memory_bytes);
                self.renew(place, stage);
                Ok(outcomes)
            }
            Ok(outcomes) => Err(self.discard(place, stage, wrong_count(batch.len(), outcomes.len()))),
            Err(fault) => Err(self.discard(place, stage, fault)),
        }
    }

    /// Calls the stage's instance without a message.
    ///
    /// # Errors
    /// As `process`, and what the plugin itself says.
    pub fn occur(&mut self, stage: &RuleStage, occasion: Occasion) -> Result<Vec<Emission>, StageFault> {
        let place = self.place_of(&stage.stage).inspect_err(|fault| count(stage, fault))?;
        let started = Instant::now();
        let answer = self.running[place].instance.occur(occasion);
        stage.meters.call.observe(started.elapsed());
        match answer {
            Ok(Ok(emissions)) => Ok(emissions),
            Ok(Err(text)) => {
                let fault = StageFault { kind: FailureKind::PluginRefused, text, cause: None };
                count(stage, &fault);
                Err(fault)
            }
            Err(fault) => Err(self.discard(place, stage, fault)),
        }
    }

    /// Drops the instances of stages that no rule has any more.
    pub fn sweep(&mut self) {
        self.running.retain(|running| running.stage.strong_count() > 0);
    }

    fn place_of(&mut self, stage: &Arc<dyn Stage>) -> Result<usize, StageFault> {
        let is_this = |running: &Running| std::ptr::addr_eq(running.stage.as_ptr(), Arc::as_ptr(stage));
        if let Some(place) = self.running.iter().position(is_this) {
            return Ok(place);
        }
        let instance = stage.open_in(self.lane)?;
        self.running.push(Running { stage: Arc::downgrade(stage), instance });
        Ok(self.running.len() - 1)
    }

    /// Puts a new instance in the place of one that has grown too much. Where none can be had, the old one goes on.
    fn renew(&mut self, place: usize, stage: &RuleStage) {
        if !self.running[place].instance.is_worn() {
            return;
        }
        match stage.stage.open_in(self.lane) {
            Ok(instance) => self.running[place].instance = instance,
            Err(fault) => count(stage, &fault),
        }
    }

    fn discard(&mut self, place: usize, stage: &RuleStage, fault: StageFault) -> StageFault {
        self.running.swap_remove(place);
        count(stage, &fault);
        fault
    }
}

fn count(stage: &RuleStage, fault: &StageFault) {
    *stage.meters.failures.entry(fault.kind).or_default() += 1;
}

fn wrong_count(asked: usize, answered: usize) -> StageFault {
    StageFault {
        kind: FailureKind::PluginRefused,
        text: format!("the plugin gave {answered} outcomes for {asked} messages"),
        cause: None,
    }
}
