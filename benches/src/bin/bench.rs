//! `cargo run --profile fast -p tidegate-benches --bin bench`: see `docs/benchmarks.md`.

use clap::{Parser, ValueEnum};
use std::process::ExitCode;
use tidegate_benches::args::{Args, FloodArgs, Role};
use tidegate_benches::failure::Tried;
use tidegate_benches::report::{self, RowReport};
use tidegate_benches::rig::Bench;
use tidegate_benches::rows::{self, Row};
use tidegate_benches::traffic::Topics;
use tidegate_benches::{flood, kafka_end};

fn main() -> ExitCode {
    let mut args = Args::parse();
    let done = match args.role.take() {
        Some(Role::Flood(settings)) => flood::serve(flood_options(&settings)).map(|()| true),
        Some(Role::Kafka { topics }) => kafka_end::serve(&topics).map(|()| true),
        None => measure(args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Runs the rows; whether all gave a result that is not lossy. A missed target is a finding, not a failure.
fn measure(args: Args) -> Tried<bool> {
    let json = args.json.clone();
    if let Some(folder) = json.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let wanted = if args.only.is_empty() { Row::value_variants().to_vec() } else { args.only.clone() };
    let mut bench = Bench::new(args)?;
    println!("{}; seed {}\n", report::machine(), bench.args.seed);
    let mut reports: Vec<RowReport> = Vec::new();
    let mut sound = true;
    for row in wanted {
        eprintln!("{}", row.name());
        let report = row.run(&mut bench).unwrap_or_else(|failure| {
            sound = false;
            rows::failed(row, &failure)
        });
        println!("{report}");
        sound &= !report.is_lossy();
        reports.push(report);
        std::fs::write(&json, format!("{:#}\n", report::to_json(&bench.args, &reports)))?;
    }
    println!("everything that was measured: {}", json.display());
    Ok(sound)
}

fn flood_options(settings: &FloodArgs) -> flood::Options {
    flood::Options {
        port: settings.port,
        in_flight_max: settings.in_flight_max,
        qos: settings.qos,
        topics: Topics { areas: settings.areas.max(1), lines: settings.lines.max(1) },
        payload_bytes: settings.payload_bytes,
    }
}
