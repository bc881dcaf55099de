//! A process that the bench starts: an end of the bridge that speaks JSON lines, or any other program.

use crate::failure::{Context, Failure, Tried};
use crate::sys::{self, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longest wait for a process to end by itself before it is killed.
const FAREWELL: Duration = Duration::from_secs(15);

/// A running process that ends at the latest when this value goes.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Tried<Self> {
        let what = format!("start {}", command.get_program().display());
        Ok(Process { child: command.spawn().context(&what)? })
    }

    /// Starts a program on a core of its own; none leaves it where the bench is.
    ///
    /// # Errors
    /// When it cannot be started or there is no such core.
    pub fn start_on(command: &mut Command, core: Option<usize>) -> Tried<Self> {
        let Some(core) = core else { return Process::start(command) };
        sys::pin_current_thread(core).context("move to the core of the bridge")?;
        let started = Process::start(command);
        sys::pin_current_thread(sys::CORE_OF_ENDS).context("move back to the core of the ends")?;
        started
    }

    /// Its number in the system.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the process has ended although it should run.
    ///
    /// # Errors
    /// With the exit code.
    pub fn must_run(&mut self) -> Tried<()> {
        match self.child.try_wait()? {
            Some(status) => Err(Failure::new(format!("it ended by itself ({status})"))),
            None => Ok(()),
        }
    }

    /// Asks the process to end and waits for it; kills it when it does not.
    pub fn end(mut self) {
        let asked = sys::send_signal(self.pid(), Signal::Terminate);
        let until = Instant::now() + FAREWELL;
        while asked.is_ok() && Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// This program again, in the role of one of the ends.
#[derive(Debug)]
pub struct Worker {
    /// The process.
    pub process: Process,
    orders: ChildStdin,
    events: Receiver<String>,
}

impl Worker {
    /// Starts the role with its arguments.
    ///
    /// # Errors
    /// When the own program cannot be found or started.
    pub fn start(role: &str, arguments: &[String]) -> Tried<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let missing = || Failure::new("a pipe to the process is missing");
        let orders = process.child.stdin.take().ok_or_else(missing)?;
        let output = process.child.stdout.take().ok_or_else(missing)?;
        let (sender, events) = channel();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Worker { process, orders, events })
    }

    /// Gives an order.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn order(&mut self, line: &str) -> Tried<()> {
        writeln!(self.orders, "{line}").context("give an order to an end of the bench")
    }

    /// Waits for the event with this name; others are stepped over, a failure is returned as such.
    ///
    /// # Errors
    /// When the process reports a failure, ends, or the time is over.
    pub fn event(&self, name: &str, patience: Duration) -> Tried<Value> {
        let until = Instant::now() + patience;
        loop {
            let line = self.events.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.map_err(|error| match error {
                RecvTimeoutError::Timeout => Failure::new(format!("no event `{name}` within {patience:?}")),
                RecvTimeoutError::Disconnected => Failure::new(format!("the end is gone before its event `{name}`")),
            })?;
            let event: Value = serde_json::from_str(&line).map_err(|error| Failure::new(error.to_string()))?;
            match event["event"].as_str() {
                Some(found) if found == name => return Ok(event),
                Some("failed" | "lost") => return Err(Failure::new(event["error"].to_string())),
                Some(_) | None => {}
            }
        }
    }
}

/// A number out of an event; what is missing is an error of the bench itself.
///
/// # Errors
/// When there is no such number.
pub fn number(event: &Value, field: &str) -> Tried<f64> {
    event[field].as_f64().ok_or_else(|| Failure::new(format!("no number `{field}` in {event}")))
}
