//! A server or the bridge as a child process: started with its output in a file, signalled, and gone when the value is.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at while waiting for it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a process can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Terminate,
    Interrupt,
    HangUp,
    Kill,
    Stop,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::HangUp => "HUP",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts `command` with both outputs appended to `log`.
    ///
    /// # Errors
    /// The program is missing or the log cannot be written.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("start {}: {error}", command.get_program().display()))
        })?;
        Ok(Self { child, log: log.to_owned() })
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. Does nothing once the process was waited for.
    ///
    /// # Panics
    /// Where the shell cannot be run.
    pub fn signal(&mut self, signal: Signal) {
        if self.child.try_wait().expect("a child can be waited for").is_some() {
            return;
        }
        let line = format!("kill -{} {}", signal.name(), self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("sh runs");
        assert!(status.success(), "{line}: {status}");
    }

    /// Kills at once and waits for the end.
    ///
    /// # Panics
    /// Where the process cannot be waited for.
    pub fn kill(&mut self) {
        // The error means that it ended already.
        let _gone = self.child.kill();
        self.child.wait().expect("a child can be waited for");
    }

    /// The exit status, or `None` where the process runs after `patience` still.
    ///
    /// # Panics
    /// Where the process cannot be waited for.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let mut status = None;
        wait_until(patience, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status
    }

    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.wait(Duration::ZERO).is_none()
    }

    /// Everything that the process has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of the output, for a failure's text.
    #[must_use]
    pub fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Processor time used so far, from `/proc` (hundredths of a second are the kernel's unit towards programs).
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).ok()?;
        // The second field is the name in parentheses and may hold anything; user and system time are 14 and 15.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let hundredths: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(hundredths * 10))
    }

    /// Resident memory in bytes, from `/proc`.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks at `condition` until it holds or `patience` is over; says whether it held.
pub fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_process_is_still_there_and_a_killed_one_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        let mut sleeper = Process::start(Command::new("sleep").arg("60"), &log).expect("sleep starts");
        sleeper.signal(Signal::Stop);
        assert!(sleeper.is_running());
        sleeper.signal(Signal::Continue);
        sleeper.kill();
        assert!(!sleeper.is_running());
    }

    #[test]
    fn output_and_exit_code_are_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let mut process = Process::start(&mut command, &folder.path().join("log")).expect("sh starts");
        let status = process.wait(Duration::from_secs(10)).expect("sh ends");
        assert_eq!(status.code(), Some(3));
        assert_eq!(process.output(), "one\ntwo\n");
    }

    #[test]
    fn a_missing_program_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = Process::start(&mut Command::new("no-such-program"), &folder.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
