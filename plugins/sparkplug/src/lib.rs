//! Sparkplug B as a plugin: gives the messages, the time and the connection to the engine of `core`, and its effects to
//! Tidegate. `README.md` has the options and what comes out.

mod effects;
mod memory;
mod settings;

use std::time::Duration;

use tidegate_guest_sdk::{
    Batch, Connection, Describe, Description, Emission, Link, Message, Moment, Outcome, Timer, Transform, export,
};
use tidegate_sparkplug::engine::{Arrival, Engine, Verdict};

use effects::Effects;
use settings::Settings;

/// How often held messages, reorder windows and rebirths that wait are looked after.
const TICK: Duration = Duration::from_millis(200);

struct Sparkplug {
    engine: Engine,
    /// Names the source in records and in memory.
    broker: String,
    effects: Effects,
    /// What an earlier instance of this lane has kept was taken over.
    took_over: bool,
}

impl Transform for Sparkplug {
    fn new(config: &str) -> Result<Self, String> {
        let Settings { broker, options } = Settings::parse(config)?;
        let effects = Effects::new(&options);
        let engine = Engine::new(options).map_err(|problems| problems.join("; "))?;
        Ok(Self { engine, broker, effects, took_over: false })
    }

    fn process(&mut self, message: Message<'_>) -> Outcome {
        let outcome = self.take(message);
        self.engine.export(&mut self.effects);
        outcome
    }

    /// Memory is written once for all: it takes effect together with the answer.
    fn process_batch(&mut self, batch: Batch<'_>) -> Vec<Outcome> {
        let outcomes = batch.iter().map(|message| self.take(message)).collect();
        self.engine.export(&mut self.effects);
        outcomes
    }
}

impl Sparkplug {
    fn take(&mut self, message: Message<'_>) -> Outcome {
        let arrival = Arrival {
            broker: &self.broker,
            topic: message.topic(),
            payload: message.payload(),
            received_ms: message.received_ms(),
            retain: message.is_retained(),
        };
        self.effects.begin(message.topic());
        let verdict = self.engine.message(&arrival, &mut self.effects);
        let outputs = self.effects.take_outputs();
        match verdict {
            Verdict::Foreign => Outcome::Pass,
            Verdict::Handled => Outcome::Emit(outputs),
            Verdict::Failed(failure) => Outcome::Fail(failure.to_string()),
        }
    }

    /// Meets the nodes that this lane has kept in memory, so that what they hold can run out before they speak.
    fn take_over(&mut self) {
        if !self.took_over {
            self.took_over = true;
            for key in memory::nodes() {
                self.engine.import(&key, &mut self.effects);
            }
        }
    }

    fn emissions(&mut self, lead: bool) -> Vec<Emission> {
        self.engine.export(&mut self.effects);
        self.effects.take_emissions(lead)
    }
}

impl Describe for Sparkplug {
    fn describe() -> Description {
        Description {
            name: "sparkplug".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            about: "Sparkplug B host: births remembered, metrics decoded, order and liveness watched.".into(),
            // Group and edge node: one counter runs over all messages of a node and its devices.
            order: vec![1, 3],
            config_schema: None,
            grants: vec!["state".into(), "publish".into()],
        }
    }
}

impl Timer for Sparkplug {
    fn interval(&self) -> Duration {
        TICK
    }

    fn tick(&mut self, moment: Moment) -> Result<Vec<Emission>, String> {
        self.take_over();
        self.engine.tick(moment.now_ms, &mut self.effects);
        Ok(self.emissions(moment.lead))
    }
}

impl Connection for Sparkplug {
    fn changed(&mut self, link: Link, moment: Moment) -> Result<Vec<Emission>, String> {
        self.take_over();
        match link {
            Link::Up { .. } => self.engine.connected(&self.broker, moment.now_ms, &mut self.effects),
            Link::Down => self.engine.disconnected(&self.broker, moment.now_ms, &mut self.effects),
        }
        Ok(self.emissions(moment.lead))
    }
}

export!(Sparkplug: Describe, Timer, Connection);

#[cfg(test)]
mod tests;
