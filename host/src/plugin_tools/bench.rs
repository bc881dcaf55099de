//! What a message costs in a plugin: batches as the bridge makes them, processor time of this thread, in turns with a
//! plugin that forwards everything, so that the noise of the machine meets both.

pub mod inputs;
mod native;
mod spread;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::advice::Trouble;
use super::cases::kind_of;
use super::subject::Subject;
use crate::message::Qos;
use crate::seam::{Instance, Outcome, Stage, StageFault, StageMessage};
use crate::wasm::{Engine, Plugin, embedded};
use inputs::Input;
pub use spread::Spread;

/// Measurements of each contestant and batch size; the median is told.
const TURNS: usize = 31;
/// How long one measurement takes at least, as long as `--messages` does not say otherwise.
const TURN: Duration = Duration::from_millis(8);
/// Messages of a native turn: some milliseconds.
const NATIVE_MESSAGES: u64 = 5_000;
/// Starts of an instance that are measured.
const STARTS: usize = 9;

/// What is to be measured.
pub struct Plan {
    pub inputs: Vec<Input>,
    /// Messages in one call, each size on its own.
    pub batches: Vec<usize>,
    /// Messages in all measurements of one batch size together; `None`: as many as are needed.
    pub messages: Option<u64>,
    /// Given to `init`.
    pub config: String,
}

/// What was measured.
pub struct Measured {
    pub compile: Duration,
    pub instantiate: Duration,
    /// Linear memory at the end.
    pub memory_bytes: usize,
    pub sizes: Vec<Size>,
    /// How often each outcome was given to the inputs.
    pub outcomes: Vec<(&'static str, usize)>,
}

/// One batch size.
pub struct Size {
    pub batch: usize,
    /// Nanoseconds a message.
    pub plugin: Spread,
    pub identity: Spread,
    /// The same transform natively, where the plugin is one of the templates'.
    pub native: Option<Spread>,
    /// Messages that the plugin got.
    pub messages: u64,
}

/// Measures the plugin.
///
/// # Errors
/// Where it cannot be used, or a call of it fails.
pub fn measure(subject: &Subject, engine: &Arc<Engine>, plan: &Plan) -> Result<Measured, Trouble> {
    // Guests may block in WASI, which must not happen on a thread of an async runtime.
    let measured = thread::scope(|scope| scope.spawn(|| measure_here(subject, engine, plan)).join());
    measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn measure_here(subject: &Subject, engine: &Arc<Engine>, plan: &Plan) -> Result<Measured, Trouble> {
    let began = Instant::now();
    let plugin = subject.load(engine)?;
    let compile = began.elapsed();
    let stage = stage(&plugin, &plan.config)?;
    let identity = engine
        .load("identity", embedded::IDENTITY, subject.settings.trusted, subject.settings.limits)
        .map_err(|error| Trouble::of_load("identity", &error))?;
    let mut contest = Contest {
        instantiate: time_starts(stage.as_ref())?,
        plugin: open(stage.as_ref())?,
        identity: open(self::stage(&identity, "")?.as_ref())?,
        inputs: &plan.inputs,
        is_template: false,
    };
    let outcomes = contest.outcomes()?;
    contest.is_template = native::gives(&plan.inputs, &outcomes);
    let sizes = plan.batches.iter().map(|batch| contest.size(*batch, plan.messages)).collect::<Result<_, _>>()?;
    Ok(Measured {
        compile,
        instantiate: contest.instantiate,
        memory_bytes: contest.plugin.memory_bytes(),
        sizes,
        outcomes: counted(&outcomes),
    })
}

fn stage(plugin: &Arc<Plugin>, config: &str) -> Result<Arc<dyn Stage>, Trouble> {
    plugin.stage("bench", config.into()).map_err(|fault| Trouble::of_fault(&fault))
}

fn open(stage: &dyn Stage) -> Result<Box<dyn Instance>, Trouble> {
    stage.open().map_err(|fault| Trouble::of_fault(&fault))
}

/// The median of some starts, `init` included.
fn time_starts(stage: &dyn Stage) -> Result<Duration, Trouble> {
    let start = |_| {
        let began = Instant::now();
        let instance = open(stage)?;
        let took = began.elapsed();
        drop(instance);
        Ok(took)
    };
    let mut starts = (0..STARTS).map(start).collect::<Result<Vec<_>, Trouble>>()?;
    starts.sort_unstable();
    Ok(starts[STARTS / 2])
}

fn counted(outcomes: &[Outcome]) -> Vec<(&'static str, usize)> {
    let kinds = ["pass", "drop", "replace", "emit", "fail"];
    let count = |kind: &'static str| (kind, outcomes.iter().filter(|outcome| kind_of(outcome) == kind).count());
    kinds.map(count).into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Those who are measured in turns.
struct Contest<'p> {
    instantiate: Duration,
    plugin: Box<dyn Instance>,
    identity: Box<dyn Instance>,
    inputs: &'p [Input],
    is_template: bool,
}

impl Contest<'_> {
    /// What the plugin answers to each input.
    fn outcomes(&mut self) -> Result<Vec<Outcome>, Trouble> {
        let mut outcomes = Vec::with_capacity(self.inputs.len());
        for batch in batches(self.inputs, self.inputs.len().min(64)) {
            outcomes.extend(call(self.plugin.as_mut(), &batch)?);
        }
        Ok(outcomes)
    }

    fn size(&mut self, batch: usize, messages: Option<u64>) -> Result<Size, Trouble> {
        let batches = batches(self.inputs, batch);
        let per_turn = batches.iter().map(Vec::len).sum::<usize>() as u64;
        let rounds = |instance: &mut dyn Instance| match messages {
            Some(messages) => Ok(messages.div_ceil(per_turn * TURNS as u64).max(1)),
            None => rounds_for_a_turn(instance, &batches),
        };
        let (of_plugin, of_identity) = (rounds(self.plugin.as_mut())?, rounds(self.identity.as_mut())?);
        let of_native = 1 + NATIVE_MESSAGES / self.inputs.len() as u64;
        let (mut plugin, mut identity, mut native) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            plugin.push(turn(self.plugin.as_mut(), &batches, of_plugin)?);
            identity.push(turn(self.identity.as_mut(), &batches, of_identity)?);
            if self.is_template {
                native.push(native::turn(self.inputs, of_native));
            }
        }
        Ok(Size {
            batch,
            plugin: Spread::of(plugin),
            identity: Spread::of(identity),
            native: self.is_template.then(|| Spread::of(native)),
            messages: of_plugin * per_turn * TURNS as u64,
        })
    }
}

/// The inputs over and over, until they fill whole batches of this size: at least one, at most as many as inputs.
fn batches(inputs: &[Input], size: usize) -> Vec<Vec<StageMessage<'_>>> {
    let count = inputs.len().div_ceil(size);
    let mut all = inputs.iter().cycle();
    (0..count).map(|_| all.by_ref().take(size).map(message).collect()).collect()
}

fn message(input: &Input) -> StageMessage<'_> {
    StageMessage {
        topic: &input.topic,
        payload: &input.payload,
        received_ms: 1_700_000_000_000,
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: None,
    }
}

fn call(instance: &mut dyn Instance, batch: &[StageMessage<'_>]) -> Result<Vec<Outcome>, Trouble> {
    instance.process(batch).map_err(|fault: StageFault| Trouble::of_fault(&fault))
}

/// How often the batches go through until a turn is long enough to measure.
fn rounds_for_a_turn(instance: &mut dyn Instance, batches: &[Vec<StageMessage<'_>>]) -> Result<u64, Trouble> {
    let mut rounds = 1;
    loop {
        let began = processor_time();
        run(instance, batches, rounds)?;
        let took = processor_time() - began;
        if took >= TURN {
            return Ok(rounds);
        }
        rounds *= if took * 8 < TURN { 8 } else { 2 };
    }
}

/// Nanoseconds a message.
fn turn(instance: &mut dyn Instance, batches: &[Vec<StageMessage<'_>>], rounds: u64) -> Result<f64, Trouble> {
    let messages = batches.iter().map(Vec::len).sum::<usize>() as u64 * rounds;
    let began = processor_time();
    run(instance, batches, rounds)?;
    Ok((processor_time() - began).as_nanos() as f64 / messages as f64)
}

fn run(instance: &mut dyn Instance, batches: &[Vec<StageMessage<'_>>], rounds: u64) -> Result<(), Trouble> {
    for _ in 0..rounds {
        for batch in batches {
            std::hint::black_box(call(instance, batch)?);
        }
    }
    Ok(())
}

/// Of this thread: what other programs do on the machine does not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
