//! `tidegate demo`: the bridge between an embedded MQTT broker and an embedded Kafka.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::run::start_logs;
use super::{Exit, complain};
use crate::admin::{self, AdminHandle, Bridge};
use crate::app::{App, reading, watch};
use crate::config::{parse_duration, report};
use crate::demo::{self, BoxError, Options, RunningBridge, Verdict};
use crate::meters::Meters;

#[derive(clap::Args)]
pub struct Arguments {
    /// How long to run, such as 20s or 5m. Default: until Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    length: Option<Duration>,
    /// Messages a second.
    #[arg(long, default_value_t = demo::RATE, value_name = "N")]
    rate: u32,
}

/// Exit 0 only if everything that was sent arrived.
pub fn demo(arguments: &Arguments) -> Exit {
    let _logs = match start_logs(None, "warn") {
        Ok(logs) => logs,
        Err(error) => {
            complain(&error);
            return Exit::CouldNotRun;
        }
    };
    match demo::run(&Options { length: arguments.length, rate: arguments.rate }, launch) {
        Ok(Verdict::Arrived) => Exit::Fine,
        Ok(Verdict::Incomplete) => Exit::FoundProblems,
        Err(error) => {
            complain(&error);
            Exit::CouldNotRun
        }
    }
}

/// The same bridge as `run`, from the demo's file.
fn launch(file: &Path) -> Result<Box<dyn RunningBridge>, BoxError> {
    let paths = vec![file.to_owned()];
    let loaded = reading::read(&paths)?;
    let config = loaded.config.ok_or_else(|| report::human(&loaded.problems))?;
    let admin_config = config.admin.clone();
    let app = App::start(config, paths)?;
    let admin = admin::serve(&admin_config, app.overview.clone())?;
    watch::start(app.reloader.clone())?;
    Ok(Box::new(Demonstrated { app, _admin: admin }))
}

struct Demonstrated {
    app: App,
    _admin: Option<AdminHandle>,
}

impl RunningBridge for Demonstrated {
    fn is_ready(&self) -> bool {
        self.app.overview.readiness().is_ready()
    }

    fn meters(&self) -> Arc<Meters> {
        self.app.overview.meters.clone()
    }

    fn drain(self: Box<Self>) -> Result<(), BoxError> {
        match self.app.drain().messages {
            0 => Ok(()),
            left => Err(format!("{left} messages were not settled within the drain limit").into()),
        }
    }
}
