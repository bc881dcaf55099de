//! A real Mosquitto in a process of its own.

use crate::bridge::free_port;
use crate::failure::{Context, Failure, Tried};
use crate::worker::Process;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where distributions put the program when it is not on the path of an ordinary user.
const PLACES: [&str; 3] = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
/// Longest wait for the broker to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker on loopback; ends with this value.
#[derive(Debug)]
pub struct Mosquitto {
    /// Where it listens.
    pub port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Mosquitto {
    /// Starts a broker without persistence and without limits of its own on queues and windows.
    ///
    /// # Errors
    /// When Mosquitto is not installed or does not listen in time.
    pub fn start() -> Tried<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let file = folder.path().join("mosquitto.conf");
        fs::write(&file, configuration(port))?;
        let mut command = Command::new(program()?);
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(folder.path().join("log"))?);
        let mut process = Process::start(&mut command)?;
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            process.must_run().context("start Mosquitto")?;
            if Instant::now() > until {
                return Err(Failure::new(format!("Mosquitto does not listen within {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Mosquitto { port, _process: process, _folder: folder })
    }
}

fn configuration(port: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n\
         max_inflight_messages 0\nmax_queued_messages 0\n"
    )
}

fn program() -> Tried<&'static str> {
    let runs = |place: &&str| {
        let mut command = Command::new(place);
        command.arg("-h").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok()
    };
    let missing = "Mosquitto is not installed (Debian and Ubuntu: apt-get install mosquitto)";
    PLACES.into_iter().find(runs).ok_or_else(|| Failure::new(missing))
}
