//! A command with a time limit whose whole offspring ends with it, also where this program is killed.
//!
//! Each command runs in a process group that a watchdog leads. The watchdog waits for the end of a pipe that only we
//! hold; when it ends, for whatever reason, it kills its group.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) enum Trouble {
    CannotStart(io::Error),
    Failed(ExitStatus),
    TimedOut(Duration),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CannotStart(error) => write!(f, "cannot be started: {error}"),
            Self::Failed(status) => write!(f, "failed with {status}"),
            Self::TimedOut(limit) => write!(f, "was ended after its limit of {} s", limit.as_secs()),
        }
    }
}

/// Runs `command` to its end, at most `limit` long; nothing that it started is left behind.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<(), Trouble> {
    let mut watchdog = watchdog().map_err(Trouble::CannotStart)?;
    let group = i32::try_from(watchdog.id()).expect("process ids are positive and below 2^31");
    let ended = match command.process_group(group).stdin(Stdio::null()).spawn() {
        Ok(mut child) => wait(&mut child, limit),
        Err(error) => Err(Trouble::CannotStart(error)),
    };
    // The end of the pipe is the watchdog's sign.
    drop(watchdog.stdin.take());
    let _ended_by_its_own_signal = watchdog.wait();
    ended
}

fn watchdog() -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r line; kill -KILL 0"]).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn wait(child: &mut Child, limit: Duration) -> Result<(), Trouble> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        match child.try_wait().map_err(Trouble::CannotStart)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(Trouble::Failed(status)),
            None => thread::sleep(LOOK_EVERY),
        }
    }
    Err(Trouble::TimedOut(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str, limit_ms: u64) -> Result<(), Trouble> {
        run(Command::new("sh").args(["-c", line]), Duration::from_millis(limit_ms))
    }

    #[test]
    fn success_and_failure_are_told_apart() {
        assert!(shell("true", 10_000).is_ok());
        assert!(matches!(shell("exit 3", 10_000), Err(Trouble::Failed(status)) if status.code() == Some(3)));
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        assert!(matches!(shell("sleep 60", 200), Err(Trouble::TimedOut(_))));
    }

    #[test]
    fn nothing_is_left_behind() {
        let file = std::env::temp_dir().join(format!("xtask-group-{}", std::process::id()));
        let line = format!("sleep 60 & echo $! > {}", file.display());
        assert!(shell(&line, 10_000).is_ok());
        let id = std::fs::read_to_string(&file).expect("the line wrote it");
        let status = std::fs::read_to_string(format!("/proc/{}/status", id.trim())).unwrap_or_default();
        assert!(status.is_empty() || status.contains("Z (zombie)"), "{status}");
        std::fs::remove_file(&file).expect("it is ours");
    }
}
