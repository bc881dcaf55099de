//! The byte stream to a broker: TCP, with TLS over it where the URL says so.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::loss::Loss;
use super::tls;
use crate::config::{BrokerUrl, TlsConfig};

/// How long the kernel lets written bytes go unacknowledged before it gives the connection up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// When and how often the kernel probes an idle connection.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// A connected byte stream.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects to `url`, each of its addresses in turn, all before `deadline`.
    ///
    /// # Errors
    /// The failure at the last address.
    pub(super) async fn dial(url: &BrokerUrl, tls: &TlsConfig, deadline: Instant) -> Result<Self, Loss> {
        let unknown = |source| Loss::Resolve { host: url.host.clone(), source };
        let found = tokio::net::lookup_host((url.host.as_str(), url.port)).await.map_err(unknown)?;
        let addresses: Vec<SocketAddr> = found.collect();
        let mut last = unknown(io::Error::new(io::ErrorKind::NotFound, "it has none"));
        for (tried, address) in addresses.iter().enumerate() {
            let untried = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / untried;
            match dial_one(*address, share).await {
                Ok(tcp) if url.tls => {
                    return tls::handshake(tcp, &url.host, tls).await.map(|stream| Self::Tls(Box::new(stream)));
                }
                Ok(tcp) => return Ok(Self::Plain(tcp)),
                Err(source) => last = Loss::Dial { address: address.to_string(), source },
            }
        }
        Err(last)
    }

    /// Whether bytes may be there. Only right after reads went on until nothing was left.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx),
            Self::Tls(tls) => tls.get_ref().0.poll_read_ready(cx),
        }
    }

    /// Appends to `into` what one read gives, up to its spare capacity; 0 bytes are the end of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => pin!(tcp.read_buf(into)).poll(cx),
            Self::Tls(tls) => pin!(tls.read_buf(into)).poll(cx),
        }
    }

    /// Writes from the front of `from` until it is empty or the socket takes no more; ready with the bytes that left
    /// only when `from` is empty and all is on its way.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, from: &mut BytesMut) -> Poll<io::Result<()>> {
        while !from.is_empty() {
            let written = match self {
                Self::Plain(tcp) => ready!(Pin::new(tcp).poll_write(cx, from))?,
                Self::Tls(tls) => ready!(Pin::new(tls).poll_write(cx, from))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            from.advance(written);
        }
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    /// Says that nothing more comes from us, then reads until the broker closes: closing with unread bytes would reset
    /// the connection and could cost our last acknowledgements. The caller bounds the wait.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        let mut unread = BytesMut::with_capacity(16 * 1024);
        match self {
            Self::Plain(tcp) => tcp.shutdown().await?,
            Self::Tls(tls) => tls.shutdown().await?,
        }
        loop {
            unread.clear();
            if std::future::poll_fn(|cx| self.poll_read(cx, &mut unread)).await? == 0 {
                return Ok(());
            }
        }
    }
}

async fn dial_one(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let tcp =
        tokio::time::timeout(patience, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_INTERVAL))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(tcp)
}
