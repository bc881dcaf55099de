//! The embedded MQTT broker: rumqttd on two free loopback ports, one per protocol version.
//!
//! It keeps everything in memory, gives a client at most 100 messages in flight and cannot be stopped: it ends with the
//! process.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// Longest wait until the broker takes connections.
const START_MAX: Duration = Duration::from_secs(10);
/// What the broker keeps for one subscription: 4 MiB, several times what the plant lets wait.
const SEGMENT_BYTES: usize = 256 * 1024;
const SEGMENTS: usize = 16;

/// Starts the broker for MQTT 3.1.1, waits until it takes connections, and tells its port.
///
/// # Errors
/// Where no port is free or the broker does not come up.
pub fn start() -> io::Result<u16> {
    let port = free_port()?;
    let config = Config {
        router: RouterConfig {
            max_connections: 100,
            max_outgoing_packet_count: 200,
            max_segment_size: SEGMENT_BYTES,
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        },
        v4: Some(listener(port)),
        ..Config::default()
    };
    let mut broker = Broker::new(config);
    thread::Builder::new().name("demo-broker".into()).spawn(move || {
        // It returns only when all its listeners have failed, which the wait below notices.
        let _ = broker.start();
    })?;
    wait_for(port)?;
    Ok(port)
}

/// A port of loopback that nobody listens on at the moment.
///
/// # Errors
/// Where there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn listener(port: u16) -> HashMap<String, ServerSettings> {
    let settings = ServerSettings {
        name: "demo".into(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 5_000,
            max_payload_size: 1 << 20,
            max_inflight_count: 1_000,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    HashMap::from([(settings.name.clone(), settings)])
}

fn wait_for(port: u16) -> io::Result<()> {
    let deadline = Instant::now() + START_MAX;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}
