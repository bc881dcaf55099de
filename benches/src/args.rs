//! What can be asked of the bench.

use crate::rows::Row;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures Tidegate against the hand-written baseline; prints the figures next to their targets.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
pub struct Args {
    /// Fewer rounds, fewer messages: to see that it runs, not to quote.
    #[arg(long)]
    pub quick: bool,
    /// Only this row; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<Row>,
    /// Rounds of every comparison (7, or 3 when quick).
    #[arg(long, value_name = "N")]
    pub pairs: Option<usize>,
    /// Messages of every flood run (600,000 at window 1,024 and 2,000,000 at 65,535; a sixth when quick).
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
    /// Level of the flood rows.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Seed of the order of runs and of the bootstrap.
    #[arg(long, default_value_t = 20_261_101)]
    pub seed: u64,
    /// Addresses of a real Kafka for the rows `mosquitto` and `latency`, instead of the mock cluster.
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// Measure the baseline against itself.
    #[arg(long)]
    pub control: bool,
    /// The `tidegate` to measure, instead of the one that is built.
    #[arg(long, value_name = "FILE")]
    pub tidegate: Option<PathBuf>,
    /// The plugin that passes everything, instead of the one that is built from `plugins/identity`.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Take the programs that lie beside this one as they are.
    #[arg(long)]
    pub no_build: bool,
    /// Leave it to the system which core runs what.
    #[arg(long)]
    pub no_pin: bool,
    /// Where to write everything that was measured.
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    pub json: PathBuf,
    /// One of the ends instead of the bench; used by the bench itself.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// An end of the bridge, as a process of its own.
#[derive(Debug, Clone, Subcommand)]
pub enum Role {
    /// The flood broker; also useful alone, with any bridge.
    Flood(FloodArgs),
    /// The mock Kafka with these topics.
    Kafka {
        /// Names of the topics.
        topics: Vec<String>,
    },
}

/// Settings of the flood broker.
#[derive(Debug, Clone, clap::Args)]
pub struct FloodArgs {
    /// Where to listen; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Most messages in flight that the broker itself allows.
    #[arg(long, default_value_t = u16::MAX)]
    pub in_flight_max: u16,
    /// Level of the messages.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Areas in the topics `site/a{area}/line{line}/temp`.
    #[arg(long, default_value_t = 10)]
    pub areas: usize,
    /// Lines in the topics.
    #[arg(long, default_value_t = 100)]
    pub lines: usize,
    /// Length of a payload.
    #[arg(long, default_value_t = 200)]
    pub payload_bytes: usize,
}

impl Args {
    /// Rounds of every comparison.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.pairs.unwrap_or(if self.quick { 3 } else { 7 }).max(1)
    }

    /// `usual`, or a sixth of it when quick, or what was asked for.
    #[must_use]
    pub fn messages(&self, usual: u64) -> u64 {
        self.messages.unwrap_or(if self.quick { usual / 6 } else { usual }).max(1)
    }
}
