//! What a guest of this contract may call.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tracing::Level;
use wasmtime::component::{HasData, Linker};

use super::bindings::tidegate::plugin::{clock, log, lookup, metrics, occasions, properties, publish, state, types};
use crate::wasm::guest::Guest;
use crate::wasm::state::Call;
use crate::wasm::{publish as publishing, state as stated};

/// Gives the generated code the whole `Guest`.
struct Whole;

impl HasData for Whole {
    type Data<'a> = &'a mut Guest;
}

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    types::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    occasions::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    log::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    properties::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    state::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    publish::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    lookup::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    clock::add_to_linker::<Guest, Whole>(linker, |guest| guest)?;
    metrics::add_to_linker::<Guest, Whole>(linker, |guest| guest)
}

impl types::Host for Guest {}

impl occasions::Host for Guest {}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Trace => Level::TRACE,
            log::Level::Debug => Level::DEBUG,
            log::Level::Info => Level::INFO,
            log::Level::Warn => Level::WARN,
            log::Level::Error => Level::ERROR,
        };
        self.log(level, &message);
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

impl state::Host for Guest {
    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        value(self.services.state.as_ref()?, &key)
    }

    fn get_many(&mut self, keys: Vec<String>) -> Vec<Option<Vec<u8>>> {
        let state = self.services.state.as_ref();
        keys.iter().map(|key| value(state?, key)).collect()
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), state::Refusal>> {
        changed(self, |call, patience| call.put(&key, Some(Bytes::from(value)), patience))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), state::Refusal>> {
        changed(self, |call, patience| call.put(&key, None, patience))
    }

    fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<bool, state::Refusal>> {
        changed(self, |call, patience| {
            call.compare_and_put(&key, expected.as_deref(), value.map(Bytes::from), patience)
        })
    }

    fn keys(&mut self, prefix: String, after: Option<String>, limit: u32) -> Vec<String> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let services = &self.services;
        services
            .state
            .as_ref()
            .map_or_else(Vec::new, |state| state.keys(&prefix, after.as_deref(), limit, services.scope))
    }
}

fn value(state: &Call, key: &str) -> Option<Vec<u8>> {
    state.get(key).map(|value| value.to_vec())
}

/// Changes the state; a wait for another call counts as time of this one, and ends it when that is over.
fn changed<T>(
    guest: &mut Guest,
    change: impl FnOnce(&mut Call, Duration) -> Result<T, stated::Refusal>,
) -> wasmtime::Result<Result<T, state::Refusal>> {
    let Some(call) = &mut guest.services.state else { return Ok(Err(state::Refusal::Unavailable)) };
    let began = Instant::now();
    let done = change(call, guest.clock.limit());
    if call.has_waited() {
        guest.clock.add_blocked(began.elapsed());
    }
    let refusal = match done {
        Ok(done) => return Ok(Ok(done)),
        Err(refusal) => refusal,
    };
    match refusal {
        stated::Refusal::BadKey => Ok(Err(state::Refusal::BadKey)),
        stated::Refusal::ValueTooLong => Ok(Err(state::Refusal::ValueTooLong)),
        stated::Refusal::Full => Ok(Err(state::Refusal::Full)),
        stated::Refusal::HeldTooLong => Err(wasmtime::Trap::Interrupt.into()),
    }
}

impl publish::Host for Guest {
    fn message(&mut self, topic: String, payload: Vec<u8>, qos: u8, retain: bool) -> Result<(), publish::Refusal> {
        let Some(call) = &mut self.services.publish else { return Err(publish::Refusal::NotGranted) };
        call.publish(topic, payload, qos, retain).map_err(|refusal| match refusal {
            publishing::Refusal::BadMessage => publish::Refusal::BadMessage,
            publishing::Refusal::NotGranted => publish::Refusal::NotGranted,
            publishing::Refusal::TooMany => publish::Refusal::TooMany,
            publishing::Refusal::TooLarge => publish::Refusal::TooLarge,
            publishing::Refusal::NotConnected => publish::Refusal::NotConnected,
        })
    }
}

impl lookup::Host for Guest {
    fn row(&mut self, table: String, key: String) -> Result<Option<Vec<u8>>, lookup::Refusal> {
        let view = self.services.lookup.as_ref().ok_or(lookup::Refusal::NoSuchTable)?;
        let row = view.row(&table, &key).map_err(|_| lookup::Refusal::NoSuchTable)?;
        Ok(row.map(|row| row.to_vec()))
    }

    fn field(&mut self, table: String, key: String, column: String) -> Result<Option<String>, lookup::Refusal> {
        let view = self.services.lookup.as_ref().ok_or(lookup::Refusal::NoSuchTable)?;
        view.field(&table, &key, &column).map_err(|_| lookup::Refusal::NoSuchTable)
    }
}

impl clock::Host for Guest {
    fn now_ms(&mut self) -> u64 {
        now_ms()
    }

    fn monotonic_us(&mut self) -> u64 {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let since = ORIGIN.get_or_init(Instant::now).elapsed();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl metrics::Host for Guest {
    fn count(&mut self, name: String, by: u64) {
        if let Some(figures) = &self.services.figures {
            figures.count(&name, by);
        }
    }

    fn gauge(&mut self, name: String, value: f64) {
        if let Some(figures) = &self.services.figures {
            figures.gauge(&name, value);
        }
    }
}
