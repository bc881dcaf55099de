//! WASI 0.2 with nothing behind it: no files, no sockets, no environment, no arguments. Standard libraries import it
//! whether they use it or not. Standard error becomes log lines, standard output and input are closed.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::io::poll::Host as _;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::runtime::in_tokio;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::guest::Guest;
use super::log_desk::LogDesk;

/// Streams, pollables and the like that one instance may hold.
const HANDLES_MAX: usize = 1024;
/// The interface whose waiting functions we replace by ones that end.
const POLL: &str = "wasi:io/poll@0.2.12";
/// What one write to standard error takes at most.
const WRITE_BYTES_MAX: usize = 4096;

/// A context with nothing in it but standard error.
pub(super) fn empty(desk: &Arc<LogDesk>) -> (WasiCtx, ResourceTable) {
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES_MAX);
    (WasiCtx::builder().stderr(Stderr(desk.clone())).build(), table)
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Offers WASI 0.2.
///
/// # Errors
/// Where a name is taken.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    let mut poll = linker.instance(POLL)?;
    poll.func_wrap("poll", |store: StoreContextMut<'_, Guest>, (handles,): (Vec<Resource<DynPollable>>,)| {
        Ok((wait(store, handles)?,))
    })?;
    poll.func_wrap("[method]pollable.block", |store: StoreContextMut<'_, Guest>, (one,): (Resource<DynPollable>,)| {
        wait(store, vec![one]).map(drop)
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Waits until one of `handles` is ready, at most as long as a call may take: epochs do not end host functions.
fn wait(mut store: StoreContextMut<'_, Guest>, handles: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
    let guest = store.data_mut();
    let (limit, began) = (guest.clock.limit(), Instant::now());
    let waited = in_tokio(async { tokio::time::timeout(limit, guest.table.poll(handles)).await });
    guest.clock.add_blocked(began.elapsed());
    waited.unwrap_or_else(|_elapsed| Err(wasmtime::Trap::Interrupt.into()))
}

/// Standard error: each write a log line.
#[derive(Clone)]
struct Stderr(Arc<LogDesk>);

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}

impl OutputStream for Stderr {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let text = String::from_utf8_lossy(&bytes);
        if !text.trim().is_empty() {
            self.0.write(tracing::Level::ERROR, text.trim_end());
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}
