//! The program under test as a process: its configuration folder, its admin port, its log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::metrics::Metrics;
use crate::net::free_port;
use crate::places::tidegate;
use crate::process::{Process, Signal, wait_until};

const READY_PATIENCE: Duration = Duration::from_secs(30);
/// Above the drain limit of the contract.
const END_PATIENCE: Duration = Duration::from_secs(40);

/// A configuration folder and, when started, the bridge that runs on it.
pub struct Bridge {
    folder: TempDir,
    pub admin_port: u16,
    process: Option<Process>,
}

impl Bridge {
    /// A folder with `tidegate.toml` (made of `tables`, the folders for rules and plugins, and an admin port of its own)
    /// and `rules.d/rules.toml`.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    #[must_use]
    pub fn new(tables: &str, rules: &str) -> Self {
        let bridge =
            Self { folder: tempfile::tempdir().expect("a temporary folder"), admin_port: free_port(), process: None };
        bridge.write_main(tables);
        bridge.write("rules.d/rules.toml", rules);
        fs::create_dir(bridge.path("plugins.d")).expect("the folder can be written");
        bridge
    }

    /// As `new`, started and ready.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn running(tables: &str, rules: &str) -> Self {
        let mut bridge = Self::new(tables, rules);
        bridge.start();
        bridge
    }

    /// Writes `tidegate.toml` anew.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write_main(&self, tables: &str) {
        let port = self.admin_port;
        let text = format!(
            "rules = \"rules.d\"\n\n{tables}\n[plugins]\nfolder = \"plugins.d\"\n\n[admin]\nlisten = \"127.0.0.1:{port}\"\n"
        );
        self.write("tidegate.toml", &text);
    }

    /// Writes a file of the configuration the way that careful editors do: beside, then renamed.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let beside = path.with_extension("new~");
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("the folder can be written");
        fs::write(&beside, text).expect("the folder can be written");
        fs::rename(&beside, &path).expect("the file can be put in place");
    }

    /// Puts a plugin into `plugins.d` under `name`.
    ///
    /// # Panics
    /// Where the file is missing.
    pub fn add_plugin(&self, name: &str, file: &Path) {
        let to = self.path("plugins.d").join(format!("{name}.wasm"));
        fs::copy(file, to).unwrap_or_else(|error| panic!("copy plugin {}: {error}", file.display()));
    }

    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program and waits until it is ready.
    ///
    /// # Panics
    /// Where it ends or does not become ready; the text has the end of its log.
    pub fn start(&mut self) {
        self.spawn();
        self.wait_ready(READY_PATIENCE);
    }

    /// Starts the program and does not wait.
    ///
    /// # Panics
    /// Where the program is missing.
    pub fn spawn(&mut self) {
        let program = tidegate();
        self.spawn_with(Command::new(program));
    }

    /// Starts the program as the last argument of another one that runs it, and does not wait.
    ///
    /// # Panics
    /// Where a program is missing.
    pub fn spawn_under(&mut self, mut runner: Command) {
        runner.arg(tidegate());
        self.spawn_with(runner);
    }

    fn spawn_with(&mut self, mut command: Command) {
        self.process = None;
        command.arg("run").arg("-c").arg(self.folder.path());
        self.process = Some(Process::start(&mut command, &self.path("bridge.log")).expect("the bridge starts"));
    }

    /// # Panics
    /// Where `/readyz` does not say 200 within `patience`.
    pub fn wait_ready(&mut self, patience: Duration) {
        let mut ended = false;
        let ready = wait_until(patience, || {
            ended = !self.process().is_running();
            ended || self.is_ready()
        });
        assert!(ready && !ended, "the bridge does not become ready (ended: {ended}):\n{}", self.process().tail());
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|answer| answer.status == 200)
    }

    /// kill -9.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn kill(&mut self) {
        self.process().kill();
    }

    /// SIGTERM, then the exit status.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::Terminate);
        self.wait_end()
    }

    /// # Panics
    /// Where it does not end in time.
    pub fn wait_end(&mut self) -> ExitStatus {
        let status = self.process().wait(END_PATIENCE);
        status.unwrap_or_else(|| panic!("the bridge does not end:\n{}", self.process().tail()))
    }

    /// # Panics
    /// Where it does not run.
    pub fn signal(&mut self, signal: Signal) {
        self.process().signal(signal);
    }

    /// The process itself.
    ///
    /// # Panics
    /// Where it was not started.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the bridge was started")
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("bridge.log")).unwrap_or_default()
    }

    /// GET on the admin port; `None` where nobody answers.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Answer> {
        http::request(self.admin_port, "GET", path, None).ok()
    }

    /// # Panics
    /// Where the admin port does not answer.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").expect("the admin port answers").body)
    }

    /// One sum of one scrape.
    ///
    /// # Panics
    /// Where the admin port does not answer.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().sum(name, labels)
    }

    /// Waits until a metric satisfies `condition`.
    ///
    /// # Panics
    /// Where it does not within `patience`.
    pub fn wait_metric(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        patience: Duration,
        condition: impl Fn(f64) -> bool,
    ) {
        let mut last = None;
        let met = wait_until(patience, || {
            last = self.get("/metrics").map(|answer| Metrics::parse(&answer.body).sum(name, labels));
            last.is_some_and(&condition)
        });
        assert!(met, "{name}{labels:?} is {last:?} after {patience:?}; log:\n{}", self.log());
    }

    /// `/api/v1/status`.
    ///
    /// # Panics
    /// Where the answer is no JSON.
    #[must_use]
    pub fn status(&self) -> Value {
        let answer = self.get("/api/v1/status").expect("the admin port answers");
        serde_json::from_str(&answer.body).expect("the status is JSON")
    }

    /// `POST /api/v1/reload`.
    ///
    /// # Panics
    /// Where the answer is no JSON.
    #[must_use]
    pub fn reload(&self) -> Value {
        let answer = http::request(self.admin_port, "POST", "/api/v1/reload", None).expect("the admin port answers");
        serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("the answer is JSON: {answer:?}"))
    }
}

/// Runs the program with `arguments` to its end.
///
/// # Panics
/// Where the program is missing.
#[must_use]
pub fn tidegate_with(arguments: &[&str]) -> Output {
    Command::new(tidegate()).args(arguments).output().expect("the program starts")
}
