//! What the host keeps for one instance, whatever version of the contract it was built for.

use std::sync::Arc;

use tracing::Level;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use crate::message::Properties;

use super::budget::{CallClock, MemoryBudget};
use super::clean::clean;
use super::log_desk::LogDesk;
use super::services::Services;
use super::wasi;

/// What the host keeps for one instance.
pub(super) struct Guest {
    pub(super) memory: MemoryBudget,
    pub(super) clock: CallClock,
    /// The properties of the batch in hand; shorter than the batch where the rest has none.
    pub(super) batch: Vec<Option<Arc<Properties>>>,
    /// The last error line of the call in hand: what a trap alone does not tell.
    pub(super) last_words: Option<String>,
    /// What its rule grants it.
    pub(super) services: Services,
    pub(super) wasi: WasiCtx,
    pub(super) table: ResourceTable,
    desk: Arc<LogDesk>,
}

impl Guest {
    pub(super) fn new(memory: MemoryBudget, clock: CallClock, desk: Arc<LogDesk>, services: Services) -> Self {
        let (wasi, table) = wasi::empty(&desk);
        Self { memory, clock, batch: Vec::new(), last_words: None, services, wasi, table, desk }
    }

    /// Something of the properties of the message at `index`, if it has any.
    pub(super) fn of<T>(&self, index: u32, get: impl FnOnce(&Properties) -> T) -> Option<T> {
        let properties = self.batch.get(usize::try_from(index).ok()?)?;
        properties.as_deref().map(get)
    }

    pub(super) fn log(&mut self, level: Level, message: &str) {
        self.desk.write(level, message);
        if level == Level::ERROR {
            self.last_words = Some(clean(message));
        }
    }
}
