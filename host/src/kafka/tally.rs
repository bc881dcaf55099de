//! Collects what one round of delivery reports settles, and files it with one lock per source.

use std::collections::HashMap;
use std::sync::Arc;

use super::live::Live;
use super::state::State;
use crate::ack::{Report, RuleNo, Settlement};
use crate::meters::Produced;
use crate::topic::KafkaTopic;

/// The settlements of one round.
pub(super) struct Tally {
    /// By source.
    reports: Vec<Vec<Report>>,
    counted: Counted,
    /// The series of every rule and topic seen so far.
    series: HashMap<(RuleNo, u32), Arc<Produced>, foldhash::fast::RandomState>,
}

/// Records of one series that are not in its meter yet.
#[derive(Default)]
struct Counted {
    series: Option<((RuleNo, u32), Arc<Produced>)>,
    records: u64,
}

impl Tally {
    pub(super) fn new(sources: usize) -> Self {
        Self {
            reports: (0..sources).map(|_| Vec::new()).collect(),
            counted: Counted::default(),
            series: HashMap::default(),
        }
    }

    /// The record behind `opaque` was delivered to the topic with `topic_id`; `topic` knows its name.
    pub(super) fn delivered(
        &mut self,
        state: &State,
        opaque: u64,
        topic_id: u32,
        topic: impl FnOnce() -> Option<KafkaTopic>,
    ) {
        let Some(token) = state.token(opaque) else { return };
        let key = (token.rule(), topic_id);
        if self.counted.series.as_ref().is_none_or(|(counted, _)| *counted != key) {
            self.change_series(state, key, topic);
        }
        self.counted.records += 1;
        let source = token.desk().source().place();
        if let Some(reports) = self.reports.get_mut(source) {
            reports.push(token.report(Settlement::Delivered));
        } else {
            token.settle(Settlement::Delivered);
        }
    }

    /// Files everything.
    pub(super) fn file(&mut self, state: &State) {
        self.count();
        for (desk, reports) in state.desks.iter().zip(&mut self.reports) {
            desk.file(reports);
        }
    }

    fn change_series(&mut self, state: &State, key: (RuleNo, u32), topic: impl FnOnce() -> Option<KafkaTopic>) {
        self.count();
        let series = match self.series.get(&key) {
            Some(known) => Some(known.clone()),
            None => topic().map(|topic| state.meters.produced(key.0, &topic)),
        };
        if let Some(series) = &series {
            self.series.entry(key).or_insert_with(|| series.clone());
        }
        self.counted.series = series.map(|series| (key, series));
    }

    fn count(&mut self) {
        if let Some((_, series)) = &self.counted.series {
            series.records.add(self.counted.records);
        }
        self.counted.records = 0;
    }
}

/// The topic with `id`, as the producer in use knows it.
pub(super) fn known_topic(live: Option<&Live>, id: u32) -> Option<KafkaTopic> {
    live.and_then(|live| live.topic(id)).map(|topic| topic.topic.clone())
}
