//! Sends letters through the rules of today and marks those that went.

use std::sync::Arc;

use bytes::Bytes;

use super::letter::Letter;
use crate::config::Config;
use crate::kafka::transactions::{Entry, TransactionError, Transactions};
use crate::message::{Headers, Message, Record};
use crate::pipeline::chain::{self, Draft, Nobody};
use crate::pipeline::instances::Instances;
use crate::pipeline::records;
use crate::pipeline::route::{Leg, Route, RouteCache};
use crate::router::Snapshot;
use crate::topic::{ClusterNo, KafkaTopic, KafkaTopics, TopicName};

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its records, by topic.
    Sent(Vec<String>),
    /// The rule of today filters it out.
    Filtered,
    /// It stays a letter, and why.
    Stays(String),
}

/// The rules of today, for letters.
pub struct Replayer<'a> {
    config: &'a Config,
    snapshot: &'a Snapshot,
    topics: &'a [Arc<KafkaTopics>],
    /// The dead-letter topic.
    home: KafkaTopic,
    /// Another rule than the one that failed.
    through: Option<String>,
    routes: Vec<RouteCache>,
    instances: Instances,
    hashing: foldhash::fast::RandomState,
}

/// A letter on its way.
struct Job<'l> {
    letter: &'l Letter,
    state: State,
}

enum State {
    Ready { message: Message, leg: Arc<Leg> },
    Made { topic: TopicName, records: Vec<Record> },
    Over(String),
}

impl<'a> Replayer<'a> {
    /// For the dead-letter topic `home`. With `through` all letters go through that rule.
    #[must_use]
    pub fn new(
        config: &'a Config,
        snapshot: &'a Snapshot,
        topics: &'a [Arc<KafkaTopics>],
        home: KafkaTopic,
        through: Option<String>,
    ) -> Self {
        let routes = snapshot.sources.iter().map(|_| RouteCache::new()).collect();
        let (instances, hashing) = (Instances::new(0), foldhash::fast::RandomState::default());
        Self { config, snapshot, topics, home, through, routes, instances, hashing }
    }

    /// What would become of the letters, in order. Nothing is written.
    pub fn rehearse(&mut self, letters: &[Letter]) -> Vec<Fate> {
        self.carry(letters).iter().map(fate).collect()
    }

    /// Writes the records of the letters, and the mark of each with them, in one transaction; where the cluster
    /// refuses one, in one for each letter, so that only the guilty one stays.
    ///
    /// # Errors
    /// Where the work cannot go on. What was written before stands.
    pub fn replay(&mut self, letters: &[Letter], to: &Transactions) -> Result<Vec<Fate>, TransactionError> {
        let mut jobs = self.carry(letters);
        match self.write(&jobs, to) {
            Ok(()) => {}
            Err(TransactionError::Refused(_)) => {
                for job in &mut jobs {
                    if let Err(error) = self.write(std::slice::from_ref(job), to) {
                        let TransactionError::Refused(cause) = error else { return Err(error) };
                        job.state = State::Over(format!("Kafka refuses its record: {cause}"));
                    }
                }
            }
            Err(error) => return Err(error),
        }
        Ok(jobs.iter().map(fate).collect())
    }

    fn write(&self, jobs: &[Job<'_>], to: &Transactions) -> Result<(), TransactionError> {
        let made = |job: &'_ Job<'_>| match &job.state {
            State::Made { topic, .. } => Some(self.mark(job.letter, topic.clone())),
            State::Ready { .. } | State::Over(_) => None,
        };
        let marks: Vec<Option<Record>> = jobs.iter().map(made).collect();
        let mut entries = Vec::new();
        for (job, mark) in jobs.iter().zip(&marks) {
            if let State::Made { records, .. } = &job.state {
                entries.extend(records.iter().map(|record| Entry { record, partition: None }));
            }
            let partition = Some(job.letter.place.partition);
            entries.extend(mark.iter().map(|record| Entry { record, partition }));
        }
        if entries.is_empty() { Ok(()) } else { to.write(&entries) }
    }

    /// Not a tombstone: the topic may be compacted, and the letters of a key are not to go with one mark.
    fn mark(&self, letter: &Letter, topic: TopicName) -> Record {
        Record {
            topic: self.home.clone(),
            key: letter.key.clone().map(Bytes::from),
            payload: Some(Bytes::from(format!("{{\"replayed\":\"{}\"}}", letter.place))),
            headers: Headers { topic, properties: None, rule: Arc::from([]), own: vec![letter.place.mark()] },
            timestamp_ms: records::now_ms(),
        }
    }

    fn carry<'l>(&mut self, letters: &'l [Letter]) -> Vec<Job<'l>> {
        let mut jobs: Vec<Job<'l>> = letters.iter().map(|letter| self.job(letter)).collect();
        for first in 0..jobs.len() {
            let State::Ready { leg, .. } = &jobs[first].state else { continue };
            let rule = leg.rule.clone();
            let is_same =
                |job: &Job<'_>| matches!(&job.state, State::Ready { leg, .. } if Arc::ptr_eq(&leg.rule, &rule));
            let places: Vec<usize> = (first..jobs.len()).filter(|place| is_same(&jobs[*place])).collect();
            self.carry_rule(&mut jobs, &places);
        }
        jobs
    }

    fn job<'l>(&mut self, letter: &'l Letter) -> Job<'l> {
        let state = match self.find(letter) {
            Ok((message, leg)) => State::Ready { message, leg },
            Err(why) => State::Over(why),
        };
        Job { letter, state }
    }

    fn find(&mut self, letter: &Letter) -> Result<(Message, Arc<Leg>), String> {
        let message = letter.message()?;
        let wanted = self.through.as_deref().unwrap_or(&letter.rule);
        let rule = self.snapshot.rule(wanted).ok_or_else(|| format!("there is no rule `{wanted}` any more"))?.clone();
        for (set, routes) in self.snapshot.sources.iter().zip(&mut self.routes) {
            let route = routes.get(&message, |topic| Route::find(set, topic, self.topics, &self.hashing));
            if let Some(leg) = route.legs.iter().find(|leg| Arc::ptr_eq(&leg.rule, &rule)) {
                return Ok((message, leg.clone()));
            }
        }
        Err(format!("the rule `{wanted}` does not match `{}` any more", message.topic))
    }

    /// Carries the jobs at `places`, all of one rule, in order.
    fn carry_rule(&mut self, jobs: &mut [Job<'_>], places: &[usize]) {
        for places in places.chunks(chain::BATCH_MESSAGES_MAX) {
            let ready: Vec<(Message, Arc<Leg>)> = places.iter().filter_map(|place| jobs[*place].state.take()).collect();
            let Some(rule) = ready.first().map(|(_, leg)| leg.rule.clone()) else { continue };
            let messages: Vec<&Message> = ready.iter().map(|(message, _)| message).collect();
            let carried = chain::carry(&rule, &messages, &mut self.instances, &mut Nobody);
            let mut made: Vec<Result<Vec<Record>, String>> = ready.iter().map(|_| Ok(Vec::new())).collect();
            for draft in &carried.drafts {
                let drawn = self.draw_up(draft, &ready[draft.of], jobs[places[draft.of]].letter);
                let of = &mut made[draft.of];
                *of = std::mem::replace(of, Ok(Vec::new())).and_then(|mut records| {
                    records.extend(drawn?);
                    Ok(records)
                });
            }
            for (of, failure) in carried.failures {
                made[of] = Err(failure.error);
            }
            for ((place, (message, _)), made) in places.iter().zip(ready).zip(made) {
                let made = made.map(|records| State::Made { topic: message.topic, records });
                jobs[*place].state = made.unwrap_or_else(State::Over);
            }
        }
    }

    /// The records of a draft, one for each destination, each with the place that it came from.
    fn draw_up(&self, draft: &Draft, ready: &(Message, Arc<Leg>), letter: &Letter) -> Result<Vec<Record>, String> {
        let (message, leg) = ready;
        let record = |bound| {
            let record = records::record(bound, message, draft.payload.clone(), draft.said.as_deref(), self.topics);
            let mut record = self.at_home(record.map_err(|failure| failure.error)?)?;
            record.headers.own.push(letter.place.origin());
            Ok(record)
        };
        leg.destinations.iter().map(record).collect()
    }

    /// A transaction does not reach beyond its cluster.
    fn at_home(&self, record: Record) -> Result<Record, String> {
        if record.topic.cluster == self.home.cluster {
            return Ok(record);
        }
        let name = |cluster: ClusterNo| &self.config.clusters[usize::from(cluster.0)].name;
        let (there, home) = (name(record.topic.cluster), name(self.home.cluster));
        Err(format!("its rule writes to the cluster `{there}`; letters can be replayed within `{home}` only"))
    }
}

impl State {
    fn take(&mut self) -> Option<(Message, Arc<Leg>)> {
        match std::mem::replace(self, Self::Over(String::new())) {
            Self::Ready { message, leg } => Some((message, leg)),
            other @ (Self::Made { .. } | Self::Over(_)) => {
                *self = other;
                None
            }
        }
    }
}

fn fate(job: &Job<'_>) -> Fate {
    match &job.state {
        State::Made { records, .. } if records.is_empty() => Fate::Filtered,
        State::Made { records, .. } => {
            Fate::Sent(records.iter().map(|record| record.topic.name().to_owned()).collect())
        }
        State::Over(why) => Fate::Stays(why.clone()),
        State::Ready { .. } => Fate::Stays("it was not carried".into()),
    }
}
