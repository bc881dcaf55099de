//! The fault matrix: what is broken on purpose, and what must hold all the same. `cargo xtask faults` runs it.
//!
//! A row sets its scene, breaks something, heals it, and hands back figures; the figures are judged by the invariants
//! (`figures::Invariant`), never by the row itself. A row that panics is broken too, with the words of the panic.

pub mod absent;
pub mod figures;
pub mod follow;
pub mod gauge;
mod host_rows;
mod kafka_rows;
mod mqtt_rows;
mod needs;
mod plugin_rows;
mod reload_rows;
pub mod report;
pub mod saboteur;
pub mod scene;
pub mod session;
pub mod sweep;
pub mod works;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::payload::Random;
pub use figures::{Figures, Invariant};
pub use needs::Need;

/// How much a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// All rows together in under ten minutes on two cores.
    Quick,
    /// As long as the matrix asks.
    All,
}

/// One run of a row.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    pub seed: u64,
    pub scale: Scale,
    /// Points of the kill sweep, where they are asked for.
    pub points: Option<u64>,
}

impl Trial {
    /// The value of this scale.
    #[must_use]
    pub fn scaled<T>(&self, quick: T, all: T) -> T {
        match self.scale {
            Scale::Quick => quick,
            Scale::All => all,
        }
    }

    /// Chance, the same for every run of this seed.
    #[must_use]
    pub fn random(&self) -> Random {
        Random::new(self.seed)
    }
}

/// A row of the matrix.
#[derive(Clone, Copy)]
pub struct Row {
    pub id: &'static str,
    pub fault: &'static str,
    pub load: &'static str,
    pub needs: &'static [Need],
    run: fn(&Trial) -> Figures,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    Judged(Box<Figures>),
    /// The row could not be carried through.
    Broke(String),
    /// This machine cannot run it.
    Absent(String),
}

/// A row that was run.
#[derive(Clone, Debug)]
pub struct Ran {
    pub id: &'static str,
    pub fault: &'static str,
    pub load: &'static str,
    pub seed: u64,
    pub took: Duration,
    pub outcome: Outcome,
}

impl Ran {
    /// Whether nothing is broken.
    #[must_use]
    pub fn is_green(&self) -> bool {
        match &self.outcome {
            Outcome::Judged(figures) => figures.broken().is_empty(),
            Outcome::Broke(_) => false,
            Outcome::Absent(_) => true,
        }
    }
}

/// All rows, in the order of the matrix.
#[must_use]
pub fn rows() -> Vec<Row> {
    [sweep::ROWS, kafka_rows::ROWS, works::ROWS, mqtt_rows::ROWS, host_rows::ROWS, plugin_rows::ROWS, reload_rows::ROWS]
        .concat()
}

impl Row {
    /// Runs it and judges.
    #[must_use]
    pub fn run(&self, trial: &Trial) -> Ran {
        let started = Instant::now();
        let outcome = match self.needs.iter().find_map(|need| need.missing()) {
            Some(reason) => Outcome::Absent(reason),
            None => match catch_unwind(AssertUnwindSafe(|| (self.run)(trial))) {
                Ok(figures) => Outcome::Judged(Box::new(figures)),
                Err(panic) => Outcome::Broke(words_of(panic.as_ref())),
            },
        };
        Ran { id: self.id, fault: self.fault, load: self.load, seed: trial.seed, took: started.elapsed(), outcome }
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let rows = rows();
        let names: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(names.len(), rows.len());
        assert!(absent::ABSENT.iter().all(|absent| !names.contains(absent.id)), "absent and there");
    }
}
