//! Against a real Mosquitto, started on a free loopback port: `cargo test --test mqtt_source -- --ignored mosquitto`.
//! Needs the programs `mosquitto` and `mosquitto_pub`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tidegate::config::Protocol::{self, V5, V311};
use tidegate::config::SourceConfig;
use tidegate::mqtt::Standing;

use super::intake::{PATIENCE, Running, config, with_tls};

const MESSAGES: usize = 20_000;

struct Mosquitto {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Mosquitto {
    fn start(settings: impl Fn(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n");
        text += "persistence false\nmax_queued_messages 0\nmax_inflight_messages 0\n";
        writeln!(text, "{}", settings(folder.path())).unwrap();
        std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
        let process = spawn(folder.path());
        let broker = Self { process, port, folder };
        broker.await_port();
        broker
    }

    fn restart(&mut self) {
        self.stop();
        self.process = spawn(self.folder.path());
        self.await_port();
    }

    fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn await_port(&self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
        }
    }

    /// Publishes `messages` numbered payloads.
    fn publish(&self, qos: u8, messages: usize, more: &[&str]) {
        let mut publisher = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", "a/b", "-q", &qos.to_string(), "-l"])
            .args(["-V", "mqttv5", "-D", "publish", "content-type", "text/plain"])
            .args(more)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: String = (0..messages).map(|number| format!("{number}\n")).collect();
        publisher.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(publisher.wait().unwrap().success());
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new("mosquitto")
        .args(["-c", folder.join("mosquitto.conf").to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is installed")
}

/// Everything arrives once, in order, and is acknowledged.
fn check(mosquitto: &Mosquitto, config: SourceConfig, qos: u8, publisher: &[&str]) {
    let protocol = config.protocol;
    let source = Running::start(config, &[("a/#", qos, 1)]);
    source.until("ready", Standing::is_ready);
    mosquitto.publish(qos, MESSAGES, publisher);
    let arrived = source.arrived(MESSAGES);
    for (number, (_, message)) in arrived.iter().enumerate() {
        assert_eq!(&message.payload[..], number.to_string().as_bytes());
        assert_eq!(message.subscriptions.as_slice().len(), usize::from(protocol == V5));
        assert_eq!(message.properties.is_some(), protocol == V5);
        assert_eq!(message.qos.level(), qos);
    }
    let slots: Vec<_> = arrived.iter().map(|(slot, _)| *slot).collect();
    source.pay(&slots);
    // Mosquitto takes seconds to look 20,000 PUBRECs up, and has seen them all only when it closes.
    source.drain_within(6 * PATIENCE);
    assert_eq!(source.end().left, 0);
}

fn plain(protocol: Protocol, qos: u8) {
    let mosquitto = Mosquitto::start(|_| String::new());
    let config = SourceConfig { window: u16::MAX, ..config(mosquitto.port, protocol) };
    check(&mosquitto, config.clone(), qos, &[]);
    // Had an acknowledgement been lost, the kept session would deliver again.
    let source = Running::start(config, &[("a/#", qos, 1)]);
    source.until("ready", Standing::is_ready);
    mosquitto.publish(qos, 1, &[]);
    source.arrived(1);
    source.end();
}

#[test]
#[ignore = "needs mosquitto"]
fn qos_1_over_mqtt_5() {
    plain(V5, 1);
}

#[test]
#[ignore = "needs mosquitto"]
fn qos_2_over_mqtt_5() {
    plain(V5, 2);
}

#[test]
#[ignore = "needs mosquitto"]
fn qos_1_over_mqtt_3_1_1() {
    plain(V311, 1);
}

#[test]
#[ignore = "needs mosquitto"]
fn qos_2_over_mqtt_3_1_1() {
    plain(V311, 2);
}

struct Certificates {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

/// Writes an authority and one certificate that serves both sides.
fn write_certificates(folder: &Path) -> Certificates {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Equal names would make the leaf look signed by itself.
    authority.distinguished_name.push(DnType::CommonName, "Tidegate test authority");
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    Certificates {
        ca: write("ca.pem", issuer.as_ref().pem()),
        cert: write("cert.pem", leaf.pem()),
        key: write("key.pem", key.serialize_pem()),
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn tls_with_a_client_certificate() {
    let mosquitto = Mosquitto::start(|folder| {
        let Certificates { ca, cert, key } = write_certificates(folder);
        let (ca, cert, key) = (ca.display(), cert.display(), key.display());
        format!("cafile {ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate true\n")
    });
    let folder = mosquitto.folder.path();
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| folder.join(name));
    let told = [&ca, &cert, &key].map(|path| path.to_str().unwrap().to_owned());
    let publisher = ["--cafile", &told[0], "--cert", &told[1], "--key", &told[2], "--insecure"];
    for protocol in [V5, V311] {
        let config = config(mosquitto.port, protocol);
        let config = SourceConfig { client_id: format!("{protocol:?}"), window: u16::MAX, ..config };
        check(&mosquitto, with_tls(config, ca.clone(), cert.clone(), key.clone()), 1, &publisher);
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn a_stranger_s_certificate_is_refused() {
    let mosquitto = Mosquitto::start(|folder| {
        let Certificates { cert, key, .. } = write_certificates(folder);
        format!("certfile {}\nkeyfile {}\n", cert.display(), key.display())
    });
    let strangers = tempfile::tempdir().unwrap();
    let Certificates { ca, cert, key } = write_certificates(strangers.path());
    let source = Running::start(with_tls(config(mosquitto.port, V5), ca, cert, key), &[]);
    let standing = source.until("refused", |standing| standing.last_error.is_some());
    let error = standing.last_error.unwrap();
    assert!(error.starts_with("TLS handshake with 127.0.0.1: invalid peer certificate"), "{error}");
    source.end();
}

#[test]
#[ignore = "needs mosquitto"]
fn a_restarted_broker_that_forgot_us_is_subscribed_again() {
    let mut mosquitto = Mosquitto::start(|_| String::new());
    let source = Running::start(config(mosquitto.port, V5), &[("a/#", 1, 1)]);
    source.desk.at_once.store(true, Ordering::SeqCst);
    source.until("ready", Standing::is_ready);
    mosquitto.restart();
    source.until("ready again", |standing| standing.is_ready() && source.meters.connects.get() > 1);
    mosquitto.publish(1, 100, &[]);
    let deadline = Instant::now() + PATIENCE;
    while source.desk.count.load(Ordering::SeqCst) < 100 {
        assert!(Instant::now() < deadline, "messages after the restart");
        std::thread::yield_now();
    }
    assert_eq!(source.meters.sessions_lost.get(), 1);
    source.end();
}
