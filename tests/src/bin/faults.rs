//! `cargo xtask faults`: runs rows of the fault matrix and says how they ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidegate_tests::faults::{Outcome, Ran, Row, Scale, Trial, absent, report, rows};
use tidegate_tests::payload::Random;
use tidegate_tests::places::{root, target};

const HELP: &str = "\
cargo xtask faults [OPTION]...

  --quick            every row, short (the default)
  --all              every row as long as the matrix asks
  --row ID           only this row; may be repeated
  --points N         kill points of row B1 (default 60)
  --soak DURATION    rows by chance, one after the other, for so long (30s, 10m, 1h)
  --seed N           the chance of an earlier run
  --list             the rows
  --write-docs       puts the last report into docs/delivery.md

Writes target/faults.json; rows that were not run keep their figures there. Ends with 1 where a row is broken.
";

/// What was asked for.
struct Asked {
    scale: Scale,
    only: Vec<String>,
    points: Option<u64>,
    soak: Option<Duration>,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--list"] => list(),
        ["--write-docs"] => return ended(write_docs()),
        ["--help" | "-h"] => print!("{HELP}"),
        words => match asked(words) {
            Ok(asked) => return ended(run(&asked)),
            Err(text) => {
                eprint!("faults: {text}\n\n{HELP}");
                return ExitCode::from(2);
            }
        },
    }
    ExitCode::SUCCESS
}

fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("faults: {text}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    rows().iter().for_each(|row| println!("{:<11} {}; {}", row.id, row.fault, row.load));
    absent::ABSENT.iter().for_each(|row| println!("{:<11} {}; not run: {}", row.id, row.fault, row.reason));
}

fn asked(words: &[&str]) -> Result<Asked, String> {
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let mut asked = Asked { scale: Scale::Quick, only: Vec::new(), points: None, soak: None, seed: clock };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("{word} needs a value"));
        match *word {
            "--quick" => asked.scale = Scale::Quick,
            "--all" => asked.scale = Scale::All,
            "--row" => asked.only.push(known(value()?)?),
            "--points" => asked.points = Some(number(value()?)?),
            "--seed" => asked.seed = number(value()?)?,
            "--soak" => asked.soak = Some(duration(value()?)?),
            other => return Err(format!("{other} is no option")),
        }
    }
    Ok(asked)
}

fn known(id: &str) -> Result<String, String> {
    if let Some(absent) = absent::ABSENT.iter().find(|row| row.id == id) {
        return Err(format!("row {id} is not run: {}", absent.reason));
    }
    let found = rows().iter().any(|row| row.id == id);
    found.then(|| id.to_owned()).ok_or_else(|| format!("there is no row {id}; --list tells them"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(format!("{text} is no duration; 30s, 10m and 1h are")),
    };
    Ok(Duration::from_secs(number(digits)? * unit))
}

fn run(asked: &Asked) -> Result<(), String> {
    let chosen: Vec<_> =
        rows().into_iter().filter(|row| asked.only.is_empty() || asked.only.iter().any(|id| id == row.id)).collect();
    println!("seed {}; a row alone: cargo xtask faults --row ID --seed {}", asked.seed, asked.seed);
    let ran = match asked.soak {
        Some(long) => soak(&chosen, asked, long),
        None => chosen.iter().map(|row| tell(row.run(&trial(asked, asked.seed)))).collect(),
    };
    conclude(&ran)
}

fn trial(asked: &Asked, seed: u64) -> Trial {
    Trial { seed, scale: asked.scale, points: asked.points }
}

/// Rows by chance until the time is over; each has a seed of its own.
fn soak(chosen: &[Row], asked: &Asked, long: Duration) -> Vec<Ran> {
    let (mut random, started, mut ran) = (Random::new(asked.seed), Instant::now(), Vec::new());
    while started.elapsed() < long {
        let at = usize::try_from(random.below(chosen.len() as u64)).expect("few rows");
        let seed = random.number() >> 32;
        ran.push(tell(chosen[at].run(&trial(asked, seed))));
    }
    ran
}

fn tell(ran: Ran) -> Ran {
    println!("{}", report::line(&ran));
    ran
}

fn conclude(ran: &[Ran]) -> Result<(), String> {
    for row in absent::ABSENT {
        println!("{:<11} {:<52} not run: {}", row.id, row.fault, row.reason);
    }
    let path = target().join("faults.json");
    let before = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
    let text = format!("{:#}\n", report::merged(before.as_ref(), &report::json(ran)));
    std::fs::write(&path, text).map_err(|error| format!("write {}: {error}", path.display()))?;
    let absent = ran.iter().filter(|one| matches!(one.outcome, Outcome::Absent(_))).count();
    let broken: Vec<_> = ran.iter().filter(|one| !one.is_green()).map(|one| one.id).collect();
    let seconds: u64 = ran.iter().map(|one| one.took.as_secs()).sum();
    println!(
        "{} rows in {seconds} s: {} green, {} broken, {absent} not run here",
        ran.len(),
        ran.len() - broken.len() - absent,
        broken.len()
    );
    if broken.is_empty() { Ok(()) } else { Err(format!("broken: {}", broken.join(", "))) }
}

fn write_docs() -> Result<(), String> {
    let read = |path: &std::path::Path| {
        std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))
    };
    let report = read(&target().join("faults.json"))?;
    let report = serde_json::from_str(&report).map_err(|error| format!("read target/faults.json: {error}"))?;
    let path = root().join("docs").join("delivery.md");
    let page = report::put(&read(&path)?, &report)?;
    std::fs::write(&path, page).map_err(|error| format!("write {}: {error}", path.display()))
}
