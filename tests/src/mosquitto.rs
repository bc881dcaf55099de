//! A real Mosquitto on loopback with persistence, a plain and a TLS listener, and queues without a limit: its defaults
//! drop silently past 1,000 messages.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::net::{free_port, wait_open};
use crate::process::{Process, Signal};
use crate::tls::Certificates;

pub const USER: &str = "bridge";
pub const PASSWORD: &str = "let-me-in";

const PATIENCE: Duration = Duration::from_secs(20);

/// What a test may want different.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name and password are asked for.
    pub password: bool,
    /// How often the state is written, in seconds; it is written on SIGTERM too.
    pub autosave_s: u32,
    /// Most QoS 1 and 2 messages in flight to a 3.1.1 client; 0 is no limit.
    pub inflight_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { password: false, autosave_s: 1, inflight_max: 0 }
    }
}

/// A running, or for the moment stopped, broker.
pub struct Mosquitto {
    folder: TempDir,
    pub port: u16,
    pub tls_port: u16,
    pub certificates: Certificates,
    pub settings: Settings,
    process: Option<Process>,
}

impl Mosquitto {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// Where Mosquitto is missing or does not come up.
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = Certificates::make(folder.path());
        let mut broker =
            Self { folder, port: free_port(), tls_port: free_port(), certificates, settings, process: None };
        broker.write_files();
        broker.start_again();
        broker
    }

    /// Starts the stopped or killed broker with the state it had saved.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_again(&mut self) {
        let mut command = Command::new(program());
        command.arg("-c").arg(self.path("mosquitto.conf"));
        let process = Process::start(&mut command, &self.path("mosquitto.log")).expect("Mosquitto starts");
        let up = wait_open(self.port, PATIENCE) && wait_open(self.tls_port, PATIENCE);
        assert!(up, "Mosquitto does not start:\n{}", process.tail());
        self.process = Some(process);
    }

    /// Ends it as an operator would; the state is saved.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::Terminate);
            assert!(process.wait(PATIENCE).is_some(), "Mosquitto does not stop");
        }
    }

    /// kill -9: what the last autosave does not hold is forgotten.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// `[mqtt.plant]` over the plain listener; `more` is put beneath.
    #[must_use]
    pub fn table(&self, more: &str) -> String {
        format!("[mqtt.plant]\nurl = \"mqtt://127.0.0.1:{}\"\n{}{more}\n", self.port, self.login())
    }

    /// `[mqtt.plant]` over the TLS listener with a client certificate.
    #[must_use]
    pub fn tls_table(&self, more: &str) -> String {
        let Certificates { ca, client_cert, client_key, .. } = &self.certificates;
        format!(
            "[mqtt.plant]\nurl = \"mqtts://127.0.0.1:{}\"\ntls = {{ ca = \"{}\", cert = \"{}\", key = \"{}\" }}\n{}{more}\n",
            self.tls_port,
            ca.display(),
            client_cert.display(),
            client_key.display(),
            self.login()
        )
    }

    fn login(&self) -> String {
        match self.settings.password {
            true => format!("username = \"{USER}\"\npassword = \"{PASSWORD}\"\n"),
            false => String::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_files(&self) {
        let Certificates { ca, server_cert, server_key, .. } = &self.certificates;
        let mut text = String::new();
        for (name, value) in self.options() {
            writeln!(text, "{name} {value}").expect("a String takes it");
        }
        writeln!(text, "listener {} 127.0.0.1\nlistener {} 127.0.0.1", self.port, self.tls_port)
            .expect("a String takes it");
        for (name, path) in [("cafile", ca), ("certfile", server_cert), ("keyfile", server_key)] {
            writeln!(text, "{name} {}", path.display()).expect("a String takes it");
        }
        text.push_str("require_certificate true\n");
        fs::write(self.path("mosquitto.conf"), text).expect("the folder can be written");
        self.write_passwords();
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("persistence", "true".to_owned()),
            ("persistence_location", format!("{}/", self.folder.path().display())),
            ("autosave_interval", self.settings.autosave_s.to_string()),
            ("max_queued_messages", "0".to_owned()),
            ("max_inflight_messages", self.settings.inflight_max.to_string()),
            ("allow_anonymous", (!self.settings.password).to_string()),
            ("log_type", "error".to_owned()),
            ("log_type", "warning".to_owned()),
            ("log_type", "notice".to_owned()),
        ];
        if running_as_root() {
            options.push(("user", "root".to_owned()));
        }
        if self.settings.password {
            options.push(("password_file", self.path("passwords").display().to_string()));
        }
        options
    }

    fn write_passwords(&self) {
        if !self.settings.password {
            return;
        }
        let mut command = Command::new("mosquitto_passwd");
        command.args(["-b", "-c"]).arg(self.path("passwords")).args([USER, PASSWORD]);
        let status = command.status().expect("mosquitto_passwd comes with Mosquitto");
        assert!(status.success(), "mosquitto_passwd: {status}");
    }
}

/// Debian puts it where only root's PATH leads.
fn program() -> PathBuf {
    let sbin = PathBuf::from("/usr/sbin/mosquitto");
    if sbin.is_file() { sbin } else { PathBuf::from("mosquitto") }
}

/// As root it would change to a user that cannot read our folder.
fn running_as_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.is_some_and(|uids| uids.split_whitespace().next() == Some("0"))
}
