//! Chores of the repository: `cargo xtask help` lists them.

mod group;
mod languages;
mod place;
mod scan;
mod steps;
mod tidy;
mod tools;
mod trial;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask CHORE

  test            everything: tools, format, lints, tidy, unit tests, plugins, and the end-to-end tests against real
                  Mosquitto and real Apache Kafka
  test --quick    the same without any server
  test --long     the same at full scale
  faults [ARG]... the fault matrix: --quick, --all, --row ID, --points N, --soak DURATION, --seed N, --list, --write-docs
  tidy            which module may use which, where the clients are named, sizes of files and functions
  tools           installs what the tests need, or says what to install
  bench [ARG]...  the benches, with their own arguments
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => trial::run(trial::Tier::Full),
        ["test", "--quick"] => trial::run(trial::Tier::Quick),
        ["test", "--long"] => trial::run(trial::Tier::Long),
        ["tidy"] => tidy::run(),
        ["tools"] => tools::run(),
        ["bench", rest @ ..] => steps::bench(rest),
        ["faults", rest @ ..] => steps::faults(rest),
        ["help" | "--help" | "-h"] | [] => {
            print!("{HELP}");
            Ok(())
        }
        _ => return used_wrongly(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("xtask: {text}");
            ExitCode::FAILURE
        }
    }
}

fn used_wrongly() -> ExitCode {
    eprint!("{HELP}");
    ExitCode::from(2)
}
