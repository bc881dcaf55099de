//! `dlq list` and `dlq show`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{Desk, Where, Which, brief, cannot_run, plain, text};
use crate::cli::{Exit, Format, print};
use crate::dlq::{Entry, Filter, Letter, Place};
use crate::kafka::scan::ScanError;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    which: Which,
    /// Those too that were replayed.
    #[arg(long)]
    all: bool,
    /// Most letters to list; all are counted.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(clap::Args)]
pub struct ShowArguments {
    #[command(flatten)]
    at: Where,
    /// PARTITION:OFFSET, as `list` shows it.
    place: Place,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What a listing found.
#[derive(Default)]
struct Listed {
    letters: Vec<(Letter, bool)>,
    total: u64,
}

pub(super) fn list(arguments: &Arguments) -> Exit {
    let config = match arguments.at.config.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let desk = match Desk::of(&config, &arguments.at) {
        Ok(desk) => desk,
        Err(exit) => return exit,
    };
    match find(&desk, &arguments.which.filter(), arguments) {
        Ok(listed) => tell(&listed, &desk.topic, arguments.format),
        Err(error) => cannot_run(&error),
    }
}

fn find(desk: &Desk<'_>, filter: &Filter, arguments: &Arguments) -> Result<Listed, ScanError> {
    let marked: HashSet<Place> = desk.marked()?;
    let mut listed = Listed::default();
    let mut scan = desk.scan()?;
    while let Some(found) = scan.next_record()? {
        let Entry::Letter(letter) = Entry::read(found) else { continue };
        let replayed = marked.contains(&letter.place);
        if (replayed && !arguments.all) || !filter.takes(&letter) {
            continue;
        }
        listed.total += 1;
        if listed.letters.len() < arguments.limit {
            listed.letters.push((*letter, replayed));
        }
    }
    Ok(listed)
}

fn tell(listed: &Listed, topic: &str, format: Format) -> Exit {
    match format {
        Format::Json => {
            let letters: Vec<Value> =
                listed.letters.iter().map(|(letter, replayed)| brief(letter, *replayed)).collect();
            print(&format!("{}\n", json!({ "topic": topic, "total": listed.total, "letters": letters })))
        }
        Format::Human => print(&human(listed, topic)),
    }
}

fn human(listed: &Listed, topic: &str) -> String {
    let mut lines = String::new();
    for (letter, replayed) in &listed.letters {
        let key = letter.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let again = if *replayed { "  (replayed)" } else { "" };
        let Letter { place, time, rule, reason, error, .. } = letter;
        lines.push_str(&format!(
            "{:<12} {time}  {}  {}  {}{again}\n",
            place.to_string(),
            plain(rule),
            plain(reason),
            plain(&key)
        ));
        if !error.is_empty() {
            lines.push_str(&format!("{:<12} {}\n", "", plain(error)));
        }
    }
    let rest = listed.total - listed.letters.len() as u64;
    let more = if rest > 0 { format!(", {rest} of them not shown (--limit)") } else { String::new() };
    lines.push_str(&format!("{} letters in {topic}{more}\n", listed.total));
    lines
}

pub(super) fn show(arguments: &ShowArguments) -> Exit {
    let config = match arguments.at.config.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let desk = match Desk::of(&config, &arguments.at) {
        Ok(desk) => desk,
        Err(exit) => return exit,
    };
    match look_up(&desk, arguments.place) {
        Ok(Some((letter, replayed))) => display(&letter, replayed, arguments.format),
        Ok(None) => {
            eprintln!("tidegate: there is no letter at {} in {}", arguments.place, desk.topic);
            Exit::FoundProblems
        }
        Err(error) => cannot_run(&error),
    }
}

fn look_up(desk: &Desk<'_>, place: Place) -> Result<Option<(Letter, bool)>, ScanError> {
    let (mut wanted, mut replayed) = (None, false);
    let mut scan = desk.scan()?;
    while let Some(found) = scan.next_record()? {
        match Entry::read(found) {
            Entry::Letter(letter) if letter.place == place => wanted = Some(*letter),
            Entry::Mark(marked) if marked == place => replayed = true,
            Entry::Letter(_) | Entry::Mark(_) | Entry::Foreign => {}
        }
    }
    Ok(wanted.map(|letter| (letter, replayed)))
}

fn display(letter: &Letter, replayed: bool, format: Format) -> Exit {
    let payload = letter.payload.as_deref().map_or(Value::Null, text);
    match format {
        Format::Json => {
            let headers: Map<String, Value> =
                letter.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
            let mut whole = brief(letter, replayed);
            whole["headers"] = Value::Object(headers);
            whole["payload"] = payload;
            print(&format!("{whole}\n"))
        }
        Format::Human => {
            let mut lines = format!("{}{}\n", letter.place, if replayed { "  (replayed)" } else { "" });
            for (name, value) in &letter.headers {
                lines.push_str(&format!("  {}: {}\n", plain(name), plain(&String::from_utf8_lossy(value))));
            }
            lines.push_str(&format!("\n{payload}\n"));
            print(&lines)
        }
    }
}
