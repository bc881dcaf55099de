//! A real Apache Kafka: one KRaft node on loopback in a temporary folder.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::client::KafkaAccess;
use crate::net::{free_port, wait_open};
use crate::places::kafka_jars;
use crate::process::{Process, Signal, wait_until};
use crate::tls::Certificates;

/// User and password of the secured variant.
pub const USER: &str = "tidegate";
pub const PASSWORD: &str = "tide-and-gate";

const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
const START_PATIENCE: Duration = Duration::from_secs(60);
/// After kill -9 the broker's old registration must run out first, about 12 s.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How clients reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Plain,
    /// TLS with our authority, SCRAM-SHA-512.
    Scram,
}

/// A running, or for the moment stopped, server.
pub struct Kafka {
    folder: TempDir,
    access: Access,
    pub port: u16,
    certificates: Option<Certificates>,
    process: Option<Process>,
}

impl Kafka {
    /// Starts one with plain access and waits until it answers.
    ///
    /// # Panics
    /// Where Java or Kafka is missing or the server does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Access::Plain)
    }

    /// As `start`, with the access of choice.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn start_with(access: Access) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = (access == Access::Scram).then(|| Certificates::make(folder.path()));
        let mut kafka = Self { folder, access, port: free_port(), certificates, process: None };
        fs::write(kafka.settings(), kafka.properties(free_port())).expect("the folder can be written");
        kafka.format();
        kafka.start_again();
        kafka
    }

    /// Starts the stopped or killed server with the data it had.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_again(&mut self) {
        let log = self.folder.path().join("kafka.log");
        let started = || fs::read_to_string(&log).unwrap_or_default().matches("Kafka Server started").count();
        let before = started();
        let mut command = java();
        command.arg("kafka.Kafka").arg(self.settings());
        let mut process = Process::start(&mut command, &log).expect("Java starts");
        let up = wait_until(START_PATIENCE, || started() > before || !process.is_running());
        assert!(up && wait_open(self.port, Duration::from_secs(5)), "Kafka does not start:\n{}", process.tail());
        self.process = Some(process);
    }

    /// Ends the server as an operator would.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::Terminate);
            assert!(process.wait(STOP_PATIENCE).is_some(), "Kafka does not stop:\n{}", process.tail());
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Freezes the process: its sockets stay open, nothing answers.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn freeze(&mut self) {
        self.process.as_mut().expect("Kafka runs").signal(Signal::Stop);
    }

    /// Ends `freeze`.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn thaw(&mut self) {
        self.process.as_mut().expect("Kafka runs").signal(Signal::Continue);
    }

    /// `host:port`.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a client of the harness needs.
    #[must_use]
    pub fn client(&self) -> KafkaAccess {
        let plain = KafkaAccess::plain(&self.brokers());
        match &self.certificates {
            None => plain,
            Some(certificates) => plain.with(&[
                ("security.protocol", "SASL_SSL"),
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("sasl.username", USER),
                ("sasl.password", PASSWORD),
                ("ssl.ca.location", path_text(&certificates.ca)),
            ]),
        }
    }

    /// The `[kafka.main]` table of the bridge's configuration.
    #[must_use]
    pub fn table(&self) -> String {
        let brokers = self.brokers();
        let secured = self.certificates.as_ref().map_or_else(String::new, |certificates| {
            format!(
                "tls = {{ ca = \"{}\" }}\nsasl = {{ mechanism = \"SCRAM-SHA-512\", username = \"{USER}\", \
                 password = \"{PASSWORD}\" }}\n",
                certificates.ca.display()
            )
        });
        format!("[kafka.main]\nbrokers = [\"{brokers}\"]\n{secured}")
    }

    fn settings(&self) -> std::path::PathBuf {
        self.folder.path().join("server.properties")
    }

    fn format(&self) {
        let mut command = java();
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]).arg(self.settings());
        if self.access == Access::Scram {
            command.args(["--add-scram", &format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]")]);
        }
        let output = command.output().expect("Java 17 is installed");
        assert!(output.status.success(), "format Kafka's storage: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn properties(&self, controller: u16) -> String {
        let (port, data) = (self.port, self.folder.path().join("data"));
        let (protocol, security) = match &self.certificates {
            None => ("PLAINTEXT", String::new()),
            Some(certificates) => ("SASL_SSL", security(certificates)),
        };
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners={protocol}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners={protocol}://127.0.0.1:{port}\n\
             inter.broker.listener.name={protocol}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocol}:{protocol}\n\
             log.dirs={data}\n{SMALL}{security}",
            data = data.display()
        )
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // Killed, not stopped: the folder goes anyway.
        self.process = None;
    }
}

/// One node that starts quickly and keeps nothing it does not need.
const SMALL: &str = "auto.create.topics.enable=false\n\
    offsets.topic.replication.factor=1\n\
    offsets.topic.num.partitions=1\n\
    transaction.state.log.replication.factor=1\n\
    transaction.state.log.min.isr=1\n\
    transaction.state.log.num.partitions=1\n\
    share.coordinator.state.topic.replication.factor=1\n\
    share.coordinator.state.topic.min.isr=1\n\
    share.coordinator.state.topic.num.partitions=1\n\
    group.initial.rebalance.delay.ms=0\n\
    log.cleaner.dedupe.buffer.size=10485760\n\
    num.network.threads=1\n\
    num.io.threads=2\n\
    num.replica.fetchers=1\n\
    background.threads=1\n\
    num.recovery.threads.per.data.dir=1\n";

fn security(certificates: &Certificates) -> String {
    format!(
        "sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{USER}\" password=\"{PASSWORD}\";\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n",
        certificates.server_both.display(),
        certificates.ca.display()
    )
}

fn java() -> Command {
    let mut command = Command::new("java");
    command.args(["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC"]);
    // Readiness is read from the log, which by default tells errors only.
    command.args(["-Dorg.apache.logging.log4j.level=INFO", "-cp"]);
    command.arg(kafka_jars().join("*"));
    command
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have UTF-8 names")
}
