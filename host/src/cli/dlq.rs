//! `tidegate dlq`: the dead letters of the configured topic.

mod list;
mod replay;

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ConfigPaths, Exit, complain};
use crate::config::{ClusterConfig, Config, parse_duration};
use crate::dlq::{Entry, Filter, Letter, Place, Time};
use crate::kafka::scan::{Scan, ScanError};

#[derive(clap::Subcommand)]
pub enum Command {
    /// List the letters that were not replayed.
    List(list::Arguments),
    /// Show one letter with its headers and payload.
    Show(list::ShowArguments),
    /// Send letters through the rules of today; each that went is marked and never goes twice.
    Replay(replay::Arguments),
}

/// Where the letters are.
#[derive(clap::Args)]
struct Where {
    #[command(flatten)]
    config: ConfigPaths,
    /// Another topic than that of [dead_letter], in the same cluster.
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// How long the cluster may be silent.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
}

/// Which letters are meant.
#[derive(clap::Args)]
struct Which {
    /// Of this rule.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// With this reason, such as plugin-trap.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// With this key, which is the MQTT topic.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Failed at this time (UTC) or later: 2026-01-31, 2026-01-31T08:15, or 2h for two hours ago.
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// Failed at this time or earlier.
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
}

/// Exit 0; 1 where letters stay that were to be replayed, or the one to show is not there; 2 where it cannot run.
pub fn dlq(command: &Command) -> Exit {
    match command {
        Command::List(arguments) => list::list(arguments),
        Command::Show(arguments) => list::show(arguments),
        Command::Replay(arguments) => replay::replay(arguments),
    }
}

impl Which {
    fn filter(&self) -> Filter {
        let Self { rule, reason, key, since, until } = self;
        Filter {
            rule: rule.clone(),
            reason: reason.clone(),
            key: key.clone(),
            since: since.clone(),
            until: until.clone(),
        }
    }
}

/// The topic of the letters, found in the configuration.
struct Desk<'a> {
    cluster: &'a ClusterConfig,
    /// Place among the clusters.
    place: usize,
    topic: String,
    timeout: Duration,
}

impl<'a> Desk<'a> {
    fn of(config: &'a Config, at: &Where) -> Result<Self, Exit> {
        let Some(configured) = &config.dead_letter else {
            eprintln!("tidegate: the configuration has no [dead_letter]; say there where the letters are");
            return Err(Exit::CouldNotRun);
        };
        let topic = at.topic.clone().unwrap_or_else(|| configured.topic.clone());
        let (place, timeout) = (configured.cluster, at.timeout);
        Ok(Self { cluster: &config.clusters[place], place, topic, timeout })
    }

    fn scan(&self) -> Result<Scan, ScanError> {
        Scan::start(self.cluster, &self.topic, self.timeout)
    }

    /// The places of all letters that were replayed.
    fn marked(&self) -> Result<HashSet<Place>, ScanError> {
        let mut marked = HashSet::new();
        let mut scan = self.scan()?;
        while let Some(found) = scan.next_record()? {
            if let Entry::Mark(place) = Entry::read(found) {
                marked.insert(place);
            }
        }
        Ok(marked)
    }
}

fn cannot_run(error: &dyn std::error::Error) -> Exit {
    complain(error);
    Exit::CouldNotRun
}

/// A letter in a line's worth of JSON.
fn brief(letter: &Letter, replayed: bool) -> Value {
    json!({
        "place": letter.place.to_string(),
        "time": letter.time,
        "rule": letter.rule,
        "reason": letter.reason,
        "error": letter.error,
        "plugin": letter.plugin,
        "key": letter.key.as_deref().map_or(Value::Null, text),
        "bytes": letter.payload.as_ref().map(bytes::Bytes::len),
        "replayed": replayed,
    })
}

/// A string where the bytes are UTF-8, else base64.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// For a terminal: nothing in it moves the cursor.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|found| if found.is_control() { found.escape_default().collect::<Vec<_>>() } else { vec![found] })
        .collect()
}
