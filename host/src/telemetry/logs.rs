//! Sets up the log: for people or as JSON, on standard error, never blocking.

use std::io::{self, IsTerminal};
use std::str::FromStr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::log_queue::LogQueue;

/// Names the format where the command line does not.
pub const FORMAT_VARIABLE: &str = "TIDEGATE_LOG_FORMAT";
/// Says what is logged: `debug`, or `warn,tidegate::mqtt=debug`.
pub const LEVEL_VARIABLE: &str = "TIDEGATE_LOG";
/// The embedded MQTT broker of the demo logs every connection; that is not our log.
const SILENCED: &str = "rumqttd";
/// Longest wait for a slow reader of the log at the end of the process.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people, in colour on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(LogError::UnknownFormat { given: text.into() }),
        }
    }
}

/// What to log and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    /// As `TIDEGATE_LOG` has it.
    pub level: String,
}

impl LogSettings {
    /// `format` is the command line's choice; `variable` reads the environment; `level` applies where it names none.
    ///
    /// # Errors
    /// Where a variable has no meaning here.
    pub fn new(
        format: Option<LogFormat>,
        level: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, LogError> {
        let named = |name: &str| variable(name).filter(|value| !value.is_empty());
        let format = match (format, named(FORMAT_VARIABLE)) {
            (Some(format), _) => format,
            (None, Some(text)) => text.parse()?,
            (None, None) => LogFormat::default(),
        };
        let settings = Self { format, level: named(LEVEL_VARIABLE).unwrap_or_else(|| level.into()) };
        settings.filter()?;
        Ok(settings)
    }

    fn filter(&self) -> Result<EnvFilter, LogError> {
        let silence = if self.level.contains(SILENCED) { String::new() } else { format!(",{SILENCED}=off") };
        let unclear = |cause| LogError::UnclearLevel { given: self.level.clone(), cause };
        EnvFilter::builder().parse(format!("{}{silence}", self.level)).map_err(unclear)
    }
}

/// Starts logging. The guard writes what is left when it is dropped; hold it to the end of the process.
///
/// # Errors
/// Where logging runs already or its thread cannot be started.
pub fn start(settings: &LogSettings) -> Result<LogGuard, LogError> {
    let notice = match settings.format {
        LogFormat::Human => human_notice,
        LogFormat::Json => json_notice,
    };
    let queue = LogQueue::start(io::stderr(), notice).map_err(LogError::Thread)?;
    queue.count_for_process();
    let all = tracing_subscriber::registry().with(settings.filter()?);
    let started = match settings.format {
        LogFormat::Human => {
            let colour = io::stderr().is_terminal();
            all.with(fmt::layer().with_writer(queue.clone()).with_ansi(colour).with_target(false)).try_init()
        }
        LogFormat::Json => all.with(fmt::layer().json().flatten_event(true).with_writer(queue.clone())).try_init(),
    };
    started.map_err(|_| LogError::Twice)?;
    Ok(LogGuard { queue })
}

fn human_notice(dropped: u64) -> String {
    format!(" WARN log lines were dropped because nobody read them in time count={dropped}")
}

fn json_notice(dropped: u64) -> String {
    let message = "log lines were dropped because nobody read them in time";
    serde_json::json!({ "level": "WARN", "message": message, "count": dropped }).to_string()
}

/// Writes what is left of the log when it is dropped, within a second.
#[must_use = "dropped at once, it flushes an empty log"]
pub struct LogGuard {
    queue: LogQueue,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.flush(FLUSH_MAX);
    }
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`{given}` is no log format: use `human` or `json` (`--log-format`, {FORMAT_VARIABLE})")]
    UnknownFormat { given: String },
    #[error("`{given}` is no log level: use `debug`, or `info,tidegate::mqtt=debug` ({LEVEL_VARIABLE})")]
    UnclearLevel {
        given: String,
        #[source]
        cause: tracing_subscriber::filter::ParseError,
    },
    #[error("start the log's thread")]
    Thread(#[source] io::Error),
    #[error("start the log: it runs already")]
    Twice,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(chosen: Option<LogFormat>, format: &str, level: &str) -> Result<LogSettings, LogError> {
        let variable = |name: &str| match name {
            FORMAT_VARIABLE => Some(format.into()),
            LEVEL_VARIABLE => Some(level.into()),
            _ => None,
        };
        LogSettings::new(chosen, "info", variable)
    }

    #[test]
    fn the_command_line_beats_the_environment() {
        assert_eq!(settings(Some(LogFormat::Human), "json", "").unwrap().format, LogFormat::Human);
        assert_eq!(settings(None, "json", "").unwrap().format, LogFormat::Json);
        assert_eq!(settings(None, "", "").unwrap().format, LogFormat::Human);
    }

    #[test]
    fn the_level_is_info_unless_named() {
        assert_eq!(settings(None, "", "").unwrap().level, "info");
        assert_eq!(settings(None, "", "warn,tidegate::mqtt=debug").unwrap().level, "warn,tidegate::mqtt=debug");
    }

    #[test]
    fn what_has_no_meaning_is_named_with_what_has() {
        let unknown = settings(None, "xml", "").unwrap_err().to_string();
        assert!(unknown.contains("`xml`") && unknown.contains("`json`"), "{unknown}");
        let unclear = settings(None, "", "tidegate=loud").unwrap_err().to_string();
        assert!(unclear.contains("`tidegate=loud`") && unclear.contains(LEVEL_VARIABLE), "{unclear}");
    }

    #[test]
    fn notices_in_json_are_json() {
        let notice: serde_json::Value = serde_json::from_str(&json_notice(3)).unwrap();
        assert_eq!(notice["count"], 3);
    }
}
