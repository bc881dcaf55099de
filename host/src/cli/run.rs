//! `tidegate run`: start, wait for signals, drain.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::{ConfigPaths, Exit, complain, tell};
use crate::app::bridge::AppBridge;
use crate::app::{App, StartError, watch};
use crate::config::Config;
use crate::{admin, telemetry};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigPaths,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = telemetry::LogFormat::default(), env = "TIDEGATE_LOG_FORMAT")]
    log_format: telemetry::LogFormat,
}

/// Runs until a signal ends it.
pub fn run(arguments: &Arguments) -> Exit {
    let _logs = telemetry::start_logs(arguments.log_format);
    match arguments.config.load() {
        Ok(config) => serve(config, arguments.config.given().to_vec()).unwrap_or_else(|error| {
            complain(error.as_ref());
            Exit::CouldNotRun
        }),
        Err(exit) => exit,
    }
}

fn serve(config: Config, paths: Vec<PathBuf>) -> Result<Exit, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let mut signals = Signals::new()?;
    let (admin_config, drain) = (config.admin.clone(), config.shutdown.drain);
    let app = match App::start(config, paths) {
        Ok(app) => app,
        Err(StartError::Problems(problems)) => {
            tell(&problems);
            return Ok(Exit::FoundProblems);
        }
        Err(error) => return Err(error.into()),
    };
    let admin = admin::serve(&admin_config, Arc::new(AppBridge::new(&app)))?;
    if let Err(error) = watch::start(app.reloader.clone()) {
        warn!(%error, "the configuration is not watched, use SIGHUP to reload");
    }
    info!(version = env!("CARGO_PKG_VERSION"), "tidegate runs");
    runtime.block_on(signals.serve(&app));
    info!(limit_ms = drain.as_millis(), "draining");
    std::thread::spawn(move || runtime.block_on(signals.second()));
    let left = app.drain();
    drop(admin);
    match left.messages {
        0 => info!("drained, every message is settled"),
        messages => warn!(messages, "the drain limit ended with messages not settled, the broker delivers them again"),
    }
    Ok(Exit::Fine)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Reloads on SIGHUP; returns on SIGTERM or SIGINT.
    async fn serve(&mut self, app: &App) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    let reloader = app.reloader.clone();
                    std::thread::spawn(move || reloader.reload());
                }
            }
        }
    }

    /// A second signal ends the process at once.
    async fn second(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        error!("ended by a second signal, what was not settled the broker delivers again");
        std::process::exit(2);
    }
}
