//! The listening socket and its connections, on one thread with a small runtime of its own.
//!
//! Invariant: every connection is bounded in number, in time and in bytes; it carries one request.

use std::convert::Infallible;
use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time;
use tracing::{debug, info, warn};

use super::bridge::Bridge;
use super::routes::{self, Desk};
use super::token::Gatekeeper;
use crate::config::AdminConfig;

/// What a connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time; one more is closed at once.
    pub connections_max: usize,
    /// Longest wait for a request's head.
    pub head_time_max: Duration,
    /// Most bytes of a request's head.
    pub head_bytes_max: usize,
    /// Longest life of a connection, a reload included.
    pub connection_time_max: Duration,
}

/// Fewer connections where descriptors are few (`seats`).
pub const LIMITS: Limits = Limits {
    connections_max: 32,
    head_time_max: Duration::from_secs(5),
    head_bytes_max: 16 * 1024,
    connection_time_max: Duration::from_secs(120),
};

/// Rest after an `accept` that failed, since what failed it (no descriptors left) lasts.
const ACCEPT_REST: Duration = Duration::from_millis(200);
/// Most reloads that are waited for at a time.
const RELOAD_THREADS_MAX: usize = 4;

/// Serves the admin interface until the handle is dropped. The address is bound on return. `None` where the
/// configuration has no `listen`.
///
/// # Errors
/// Where the address cannot be bound, or is reachable from elsewhere and there is no token.
pub fn serve(config: &AdminConfig, bridge: Arc<dyn Bridge>) -> Result<Option<AdminHandle>, AdminError> {
    serve_within(LIMITS, config, bridge)
}

fn serve_within(
    limits: Limits,
    config: &AdminConfig,
    bridge: Arc<dyn Bridge>,
) -> Result<Option<AdminHandle>, AdminError> {
    let Some(address) = config.listen else { return Ok(None) };
    if !address.ip().is_loopback() && config.token.is_none() {
        return Err(AdminError::TokenMissing { address });
    }
    let bind = || {
        let listener = net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    };
    let (local_addr, listener) = bind().map_err(|cause| AdminError::Bind { address, cause })?;
    let runtime = small_runtime().map_err(AdminError::Thread)?;
    let desk = Arc::new(Desk { bridge, gatekeeper: Gatekeeper::new(config.token.as_ref()) });
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("tidegate-admin".into())
        .spawn(move || run(runtime, listener, limits, desk, stopped))
        .map_err(AdminError::Thread)?;
    info!(address = %local_addr, "admin interface listens");
    Ok(Some(AdminHandle { local_addr, stop: Some(stop), thread: Some(thread) }))
}

fn small_runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(RELOAD_THREADS_MAX)
        .thread_name("tidegate-admin-wait")
        .build()
}

fn run(runtime: Runtime, listener: net::TcpListener, limits: Limits, desk: Arc<Desk>, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        tokio::select! {
            () = accept(listener, limits, desk) => {}
            _ = stopped => {}
        }
    });
    // A reload that still runs is not waited for.
    runtime.shutdown_background();
}

async fn accept(listener: net::TcpListener, limits: Limits, desk: Arc<Desk>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return warn!(%error, "admin interface cannot listen"),
    };
    let seats = Arc::new(Semaphore::new(seats(limits.connections_max, descriptors_max())));
    let mut was_refused = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(seat) = seats.clone().try_acquire_owned() {
                    tokio::spawn(connection(stream, seat, limits, desk.clone()));
                }
                was_refused = false;
            }
            Err(error) => {
                if !was_refused {
                    warn!(%error, "admin interface cannot take a connection");
                }
                was_refused = true;
                time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// At most an eighth of the descriptors: brokers need theirs, and a bridge without room for one stands still.
fn seats(connections_max: usize, descriptors_max: Option<usize>) -> usize {
    descriptors_max.map_or(connections_max, |most| connections_max.min(most / 8).max(1))
}

/// The descriptors that this process may have, where the system tells.
fn descriptors_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

async fn connection(stream: TcpStream, seat: OwnedSemaphorePermit, limits: Limits, desk: Arc<Desk>) {
    let service = service_fn(|request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(routes::answer(request, &desk).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time_max)
        .max_buf_size(limits.head_bytes_max)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match time::timeout(limits.connection_time_max, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "admin connection broke off"),
        Err(_) => debug!("admin connection took too long"),
    }
    drop(seat);
}

/// The running admin interface; stops when it is dropped.
#[must_use = "dropped at once, it stops the admin interface"]
pub struct AdminHandle {
    local_addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminHandle {
    /// Where it listens; tells the port where the configuration says 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl Drop for AdminHandle {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic on that thread has been told by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Why the admin interface could not start.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("listen on {address} for the admin interface (`listen` in `[admin]`)")]
    Bind {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    #[error(
        "listen on {address} for the admin interface: it is reachable from elsewhere, so `[admin]` needs a `token`"
    )]
    TokenMissing { address: SocketAddr },
    #[error("start the admin interface's thread")]
    Thread(#[source] io::Error),
}

#[cfg(test)]
mod tests;
