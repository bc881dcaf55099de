//! Starts what is measured, so that both bridges do the same work: same ends, window, level, linger, records.

mod tidegate;

use crate::failure::{Context, Failure, Tried};
use crate::sys;
use crate::traffic::FILTER_OF_ALL;
use crate::worker::Process;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for a bridge to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// One of the programs to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The hand-written bridge of this package.
    Baseline(PathBuf),
    /// The `tidegate` binary.
    Tidegate(PathBuf),
}

/// What the bridge has to do.
#[derive(Debug, Clone)]
pub struct Work {
    /// Port of the MQTT broker on loopback.
    pub mqtt_port: u16,
    /// Kafka's addresses.
    pub brokers: String,
    /// Kafka topic of all records.
    pub topic: String,
    /// Receive Maximum.
    pub window: u16,
    /// Level to subscribe at.
    pub qos: u8,
    /// Tidegate's rules; the baseline has none.
    pub rules: Rules,
}

/// Rules of the bench: one for each line of the plant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How many.
    pub count: usize,
    /// A plugin file that every rule passes its messages through.
    pub plugin: Option<PathBuf>,
}

/// A bridge at work.
#[derive(Debug)]
pub struct Bridge {
    process: Process,
    /// Port of the admin interface; the baseline has none.
    admin_port: Option<u16>,
    /// Configuration and output; goes with the bridge.
    folder: TempDir,
}

/// What the kernel has noted about a process up to a moment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// When.
    pub at: Instant,
    /// User and system time of all threads.
    pub cpu: Duration,
}

impl Program {
    /// How the report calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Program::Baseline(_) => "baseline",
            Program::Tidegate(_) => "tidegate",
        }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Program::Baseline(path) | Program::Tidegate(path) => path,
        }
    }

    /// Starts it, on a core of its own when one is given; it need not be ready yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, work: &Work, core: Option<usize>) -> Tried<Bridge> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(self.path());
        let admin_port = match self {
            Program::Baseline(_) => {
                command.args(baseline_arguments(work));
                None
            }
            Program::Tidegate(_) => {
                let port = free_port()?;
                tidegate::write_configuration(folder.path(), work, port).context("write the configuration")?;
                command.arg("run").arg("-c").arg(folder.path());
                Some(port)
            }
        };
        command.stdin(Stdio::null());
        command.stdout(File::create(folder.path().join("stdout"))?);
        command.stderr(File::create(folder.path().join("stderr"))?);
        let process = Process::start_on(&mut command, core)?;
        Ok(Bridge { process, admin_port, folder })
    }
}

impl Bridge {
    /// Waits until the bridge says that it is connected on both sides.
    ///
    /// # Errors
    /// When it ends before, or takes too long; with the end of what it wrote.
    pub fn wait_until_ready(&mut self) -> Tried<()> {
        let until = Instant::now() + PATIENCE;
        while !self.is_ready() {
            self.process.must_run().map_err(|failure| self.with_output(failure))?;
            if Instant::now() > until {
                return Err(self.with_output(Failure::new(format!("not ready within {PATIENCE:?}"))));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        match self.admin_port {
            Some(port) => tidegate::answers_ready(port),
            None => std::fs::read(self.folder.path().join("stdout")).is_ok_and(|output| !output.is_empty()),
        }
    }

    /// CPU time used so far.
    ///
    /// # Errors
    /// When the bridge has ended; with the end of what it wrote.
    pub fn usage(&self) -> Tried<Usage> {
        let cpu = sys::cpu_time(self.process.pid()).map_err(|error| self.with_output(error.into()))?;
        Ok(Usage { at: Instant::now(), cpu })
    }

    /// Peak resident memory so far, in MiB.
    ///
    /// # Errors
    /// When the bridge has ended.
    pub fn peak_mib(&self) -> Tried<f64> {
        Ok(sys::memory_kib(self.process.pid(), "VmHWM").context("read the bridge's peak memory")? as f64 / 1024.0)
    }

    /// Resident memory now, in MiB.
    ///
    /// # Errors
    /// When the bridge has ended.
    pub fn resident_mib(&self) -> Tried<f64> {
        Ok(sys::memory_kib(self.process.pid(), "VmRSS").context("read the bridge's memory")? as f64 / 1024.0)
    }

    /// Ends the bridge as an operator would.
    pub fn end(self) {
        self.process.end();
    }

    /// Adds the last lines of the bridge's output to a failure.
    #[must_use]
    pub fn with_output(&self, failure: Failure) -> Failure {
        let output = std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(8)..].join("\n    ");
        failure.while_trying_to(&format!("run the bridge; its last words were\n    {tail}\n "))
    }
}

fn baseline_arguments(work: &Work) -> Vec<String> {
    let pairs = [
        ("--mqtt-port", work.mqtt_port.to_string()),
        ("--client-id", "bench-baseline".to_owned()),
        ("--filter", FILTER_OF_ALL.to_owned()),
        ("--window", work.window.to_string()),
        ("--qos", work.qos.to_string()),
        ("--brokers", work.brokers.clone()),
        ("--topic", work.topic.clone()),
        ("--linger-ms", "1".to_owned()),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// A port on loopback that was free a moment ago.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Tried<u16> {
    Ok(std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
