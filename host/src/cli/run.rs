//! `tidegate run`: start, wait for signals, drain.

use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::{ConfigPaths, Exit, complain, tell};
use crate::admin;
use crate::app::{App, StartError, watch};
use crate::config::Config;
use crate::telemetry::{LogError, LogFormat, LogGuard, LogSettings, logs};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigPaths,
    /// How log lines look: human or json. Default: TIDEGATE_LOG_FORMAT, then human. TIDEGATE_LOG sets the level.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// Runs until a signal ends it.
pub fn run(arguments: &Arguments) -> Exit {
    let _logs = match start_logs(arguments.log_format, "info") {
        Ok(logs) => logs,
        Err(error) => {
            complain(&error);
            return Exit::CouldNotRun;
        }
    };
    match arguments.config.load() {
        Ok(config) => serve(config, arguments.config.given().to_vec()).unwrap_or_else(|error| {
            complain(error.as_ref());
            Exit::CouldNotRun
        }),
        Err(exit) => exit,
    }
}

/// Starts logging as the command line and the environment say; `level` where they say nothing.
///
/// # Errors
/// Where they cannot be understood, or logging runs already.
pub fn start_logs(format: Option<LogFormat>, level: &str) -> Result<LogGuard, LogError> {
    logs::start(&LogSettings::new(format, level, |name| std::env::var(name).ok())?)
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
    let admin = admin::serve(&admin_config, app.overview.clone())?;
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
