//! Loopback ports.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::process::wait_until;

/// A port that was free a moment ago.
///
/// # Panics
/// Where loopback has none left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Whether somebody listens on `port` before `patience` is over.
#[must_use]
pub fn wait_open(port: u16, patience: Duration) -> bool {
    let address = loopback(port);
    wait_until(patience, || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
}
