//! `dlq replay`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Desk, Where, Which, cannot_run, plain};
use crate::cli::today::Today;
use crate::cli::{Exit, Format, print};
use crate::config::Config;
use crate::dlq::{Entry, Fate, Letter, Replayer};
use crate::kafka::transactions::Transactions;
use crate::topic::{ClusterNo, KafkaTopics};

/// Letters in one transaction.
const BATCH_LETTERS_MAX: usize = 1_000;
/// With a rate, so many transactions a second.
const BATCHES_PER_S: u32 = 10;
/// Most letters whose fate is told one by one.
const TOLD_MAX: usize = 1_000;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    which: Which,
    /// Send them through this rule instead of the one that failed.
    #[arg(long, value_name = "RULE")]
    through: Option<String>,
    /// Most letters a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Tell what would become of them and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to print what became of them.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What became of all letters.
#[derive(Default)]
struct Tally {
    sent: u64,
    records: u64,
    filtered: u64,
    stay: u64,
    told: Vec<(Letter, Fate)>,
}

impl Tally {
    fn add(&mut self, letters: Vec<Letter>, fates: Vec<Fate>, all: bool) {
        for (letter, fate) in letters.into_iter().zip(fates) {
            match &fate {
                Fate::Sent(topics) => {
                    self.sent += 1;
                    self.records += topics.len() as u64;
                }
                Fate::Filtered => self.filtered += 1,
                Fate::Stays(_) => self.stay += 1,
            }
            if (all || matches!(fate, Fate::Stays(_))) && self.told.len() < TOLD_MAX {
                self.told.push((letter, fate));
            }
        }
    }
}

pub(super) fn replay(arguments: &Arguments) -> Exit {
    match prepare(arguments).and_then(|(config, today)| run(arguments, &config, &today)) {
        Ok(tally) => tell(&tally, arguments),
        Err(exit) => exit,
    }
}

fn prepare(arguments: &Arguments) -> Result<(Config, Today), Exit> {
    let config = arguments.at.config.load()?;
    let today = Today::of(&config)?;
    if let Some(rule) = &arguments.through
        && today.snapshot.rule(rule).is_none()
    {
        eprintln!("tidegate: there is no rule `{rule}`");
        return Err(Exit::CouldNotRun);
    }
    Ok((config, today))
}

fn run(arguments: &Arguments, config: &Config, today: &Today) -> Result<Tally, Exit> {
    let desk = Desk::of(config, &arguments.at)?;
    let names = KafkaTopics::new(ClusterNo(u16::try_from(desk.place).unwrap_or(u16::MAX)), u32::MAX);
    let home = names.intern(&desk.topic).map_err(|error| cannot_run(&error))?;
    // Before the marks are read: whoever else replays is stopped, and what it wrote last is seen.
    let writer = (!arguments.dry_run)
        .then(|| Transactions::open(desk.cluster, &format!("tidegate-dlq-{}", desk.topic), desk.timeout))
        .transpose()
        .map_err(|error| cannot_run(&error))?;
    let marked = desk.marked().map_err(|error| cannot_run(&error))?;
    let filter = arguments.which.filter();
    let topics: &[Arc<KafkaTopics>] = &today.topics;
    let mut work = Work {
        replayer: Replayer::new(config, &today.snapshot, topics, home, arguments.through.clone()),
        writer,
        pace: Pace::new(arguments.rate),
        tally: Tally::default(),
        batch: Vec::new(),
    };
    let mut scan = desk.scan().map_err(|error| cannot_run(&error))?;
    while let Some(found) = scan.next_record().map_err(|error| cannot_run(&error))? {
        if let Entry::Letter(letter) = Entry::read(found)
            && !marked.contains(&letter.place)
            && filter.takes(&letter)
        {
            work.take(*letter)?;
        }
    }
    work.finish()
}

struct Work<'a> {
    replayer: Replayer<'a>,
    /// None writes nothing.
    writer: Option<Transactions>,
    pace: Pace,
    tally: Tally,
    batch: Vec<Letter>,
}

impl Work<'_> {
    fn take(&mut self, letter: Letter) -> Result<(), Exit> {
        self.batch.push(letter);
        if self.batch.len() >= self.pace.batch() { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Exit> {
        let letters = std::mem::take(&mut self.batch);
        let fates = match &self.writer {
            Some(writer) => self.replayer.replay(&letters, writer).map_err(|error| cannot_run(&error))?,
            None => self.replayer.rehearse(&letters),
        };
        let count = letters.len();
        self.tally.add(letters, fates, self.writer.is_none());
        self.pace.done(count);
        Ok(())
    }

    fn finish(mut self) -> Result<Tally, Exit> {
        self.send()?;
        Ok(self.tally)
    }
}

/// Keeps to the rate and shows progress to whoever watches.
struct Pace {
    rate: Option<u32>,
    started: Instant,
    done: u64,
    watched: bool,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { rate, started: Instant::now(), done: 0, watched: std::io::stderr().is_terminal() }
    }

    /// Letters at once.
    fn batch(&self) -> usize {
        let of_rate = self.rate.map(|rate| (rate / BATCHES_PER_S).max(1) as usize);
        of_rate.map_or(BATCH_LETTERS_MAX, |letters| letters.min(BATCH_LETTERS_MAX))
    }

    fn done(&mut self, letters: usize) {
        self.done += letters as u64;
        if self.watched {
            eprint!("\r{} letters", self.done);
        }
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(self.done as f64 / f64::from(rate));
            thread::sleep(due.saturating_sub(self.started.elapsed()));
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if self.watched {
            eprintln!();
        }
    }
}

fn tell(tally: &Tally, arguments: &Arguments) -> Exit {
    let text = match arguments.format {
        Format::Json => format!("{}\n", as_json(tally, arguments.dry_run)),
        Format::Human => human(tally, arguments.dry_run),
    };
    match print(&text) {
        Exit::Fine if tally.stay > 0 => Exit::FoundProblems,
        exit => exit,
    }
}

fn as_json(tally: &Tally, dry_run: bool) -> Value {
    let told = |(letter, fate): &(Letter, Fate)| {
        let (fate, topics, error) = match fate {
            Fate::Sent(topics) => ("sent", topics.clone(), None),
            Fate::Filtered => ("filtered", Vec::new(), None),
            Fate::Stays(why) => ("stays", Vec::new(), Some(why)),
        };
        json!({ "place": letter.place.to_string(), "rule": letter.rule, "fate": fate, "topics": topics, "error": error })
    };
    let Tally { sent, records, filtered, stay, told: letters } = tally;
    let letters: Vec<Value> = letters.iter().map(told).collect();
    json!({ "dry_run": dry_run, "sent": sent, "records": records, "filtered": filtered, "stay": stay, "letters": letters })
}

fn human(tally: &Tally, dry_run: bool) -> String {
    let mut text = String::new();
    for (letter, fate) in &tally.told {
        let fate = match fate {
            Fate::Sent(topics) => format!("to {}", topics.join(", ")),
            Fate::Filtered => "filtered out".into(),
            Fate::Stays(why) => format!("stays: {}", plain(why)),
        };
        text.push_str(&format!("{:<12} {}  {fate}\n", letter.place.to_string(), plain(&letter.rule)));
    }
    let Tally { sent, records, filtered, stay, .. } = tally;
    let (went, wrote) = if dry_run { ("would go", "would be written") } else { ("went", "written") };
    text.push_str(&format!(
        "{} letters {went}: {records} records {wrote}, {filtered} letters filtered out; {stay} stay\n",
        sent + filtered
    ));
    text
}
