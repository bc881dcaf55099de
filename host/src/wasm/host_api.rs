//! What a guest may call, and what the host keeps for one instance.

use std::sync::Arc;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiCtx;

use crate::message::Properties;

use super::bindings::Plugin as World;
use super::bindings::tidegate::plugin::{log, properties, types};
use super::budget::{CallClock, MemoryBudget};
use super::clean::clean;
use super::log_desk::LogDesk;
use super::wasi;

/// What the host keeps for one instance.
pub(super) struct Guest {
    pub(super) memory: MemoryBudget,
    pub(super) clock: CallClock,
    /// The properties of the batch in hand; shorter than the batch where the rest has none.
    pub(super) batch: Vec<Option<Arc<Properties>>>,
    /// The last error line of the call in hand: what a trap alone does not tell.
    pub(super) last_words: Option<String>,
    pub(super) wasi: WasiCtx,
    pub(super) table: ResourceTable,
    desk: Arc<LogDesk>,
}

impl Guest {
    pub(super) fn new(memory: MemoryBudget, clock: CallClock, desk: Arc<LogDesk>) -> Self {
        let (wasi, table) = wasi::empty(&desk);
        Self { memory, clock, batch: Vec::new(), last_words: None, wasi, table, desk }
    }

    fn of<T>(&self, index: u32, get: impl FnOnce(&Properties) -> T) -> Option<T> {
        let properties = self.batch.get(usize::try_from(index).ok()?)?;
        properties.as_deref().map(get)
    }
}

/// Gives the generated code the whole `Guest`.
struct Whole;

impl HasData for Whole {
    type Data<'a> = &'a mut Guest;
}

/// Offers the contract's imports and WASI.
///
/// # Errors
/// Where two of them have one name.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasi::link(linker)?;
    World::add_to_linker::<Guest, Whole>(linker, |guest| guest)
}

impl types::Host for Guest {}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) {
        self.desk.write(level, &message);
        if level == log::Level::Error {
            self.last_words = Some(clean(&message));
        }
    }
}

impl properties::Host for Guest {
    fn content_type(&mut self, index: u32) -> Option<String> {
        self.of(index, |properties| properties.content_type.clone())?
    }

    fn response_topic(&mut self, index: u32) -> Option<String> {
        self.of(index, |properties| properties.response_topic.clone())?
    }

    fn correlation_data(&mut self, index: u32) -> Option<Vec<u8>> {
        self.of(index, |properties| properties.correlation_data.as_deref().map(<[u8]>::to_vec))?
    }

    fn user_properties(&mut self, index: u32) -> Vec<(String, String)> {
        self.of(index, |properties| properties.user.clone()).unwrap_or_default()
    }

    fn message_expiry(&mut self, index: u32) -> Option<u32> {
        self.of(index, |properties| properties.message_expiry_s)?
    }
}
