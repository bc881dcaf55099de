//! Contract 0.1: links what its components import, finds what they export, calls that with our values. The next contract
//! is a module beside this one, and a variant in `versions.rs`.

mod bindings;
mod convert;
mod imports;

use std::time::Duration;

use wasmtime::component::{Instance, InstancePre, Linker};
use wasmtime::{AsContextMut, Store};

use crate::seam::{Emission, Occasion, Outcome, StageMessage};

use super::contract::Optional;
use super::guest::Guest;
use bindings::exports::tidegate::plugin::{connection, describe, timer, transform};
use bindings::tidegate::plugin::occasions::Moment;

/// Shortest and longest interval of ticks.
const TICK_MIN: Duration = Duration::from_millis(10);
const TICK_MAX: Duration = Duration::from_secs(86_400);

/// Offers what this contract lets a component import.
///
/// # Errors
/// Where a name is taken.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    imports::link(linker)
}

/// Where the exports of one component lie.
pub(super) struct Exports {
    transform: transform::GuestIndices,
    describe: Option<describe::GuestIndices>,
    timer: Option<timer::GuestIndices>,
    connection: Option<connection::GuestIndices>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    pub name: String,
    pub version: String,
    pub about: String,
    /// Levels of the MQTT topic, from 0.
    pub order: Vec<u32>,
    pub config_schema: Option<String>,
    pub grants: Vec<String>,
}

impl Exports {
    /// # Errors
    /// Where one has other types than the contract.
    pub(super) fn find(pre: &InstancePre<Guest>, optional: Optional) -> wasmtime::Result<Self> {
        Ok(Self {
            transform: transform::GuestIndices::new(pre)?,
            describe: optional.describe.then(|| describe::GuestIndices::new(pre)).transpose()?,
            timer: optional.timer.then(|| timer::GuestIndices::new(pre)).transpose()?,
            connection: optional.connection.then(|| connection::GuestIndices::new(pre)).transpose()?,
        })
    }

    /// # Errors
    /// As `find`: the types of functions show in an instance.
    pub(super) fn load(&self, mut store: impl AsContextMut, instance: &Instance) -> wasmtime::Result<Bound> {
        let mut store = store.as_context_mut();
        Ok(Bound {
            transform: self.transform.load(&mut store, instance)?,
            describe: self.describe.as_ref().map(|found| found.load(&mut store, instance)).transpose()?,
            timer: self.timer.as_ref().map(|found| found.load(&mut store, instance)).transpose()?,
            connection: self.connection.as_ref().map(|found| found.load(&mut store, instance)).transpose()?,
        })
    }
}

/// The functions of one instance.
pub(super) struct Bound {
    transform: transform::Guest,
    describe: Option<describe::Guest>,
    timer: Option<timer::Guest>,
    connection: Option<connection::Guest>,
}

/// What a call gives that did not trap: our values, or what about them cannot be used, continuing "plugin … ".
pub(super) type Answer<T> = wasmtime::Result<Result<T, String>>;

impl Bound {
    pub(super) fn init(&self, store: &mut Store<Guest>, config: &str) -> wasmtime::Result<Result<(), String>> {
        self.transform.call_init(store, config)
    }

    pub(super) fn process(&self, store: &mut Store<Guest>, batch: &[StageMessage<'_>]) -> Answer<Vec<Outcome>> {
        let messages = convert::lower(batch);
        let outcomes = self.transform.call_process(store, &messages)?;
        Ok(convert::lift(outcomes, batch.len()))
    }

    /// `None` where the plugin does not say.
    pub(super) fn describe(&self, store: &mut Store<Guest>) -> wasmtime::Result<Option<Description>> {
        let Some(describe) = &self.describe else { return Ok(None) };
        let said = describe.call_describe(store)?;
        Ok(Some(Description {
            name: said.name,
            version: said.version,
            about: said.about,
            order: said.order,
            config_schema: said.config_schema,
            grants: said.grants,
        }))
    }

    /// `None` where the plugin wants no ticks.
    pub(super) fn tick_interval(&self, store: &mut Store<Guest>) -> wasmtime::Result<Option<Duration>> {
        let Some(timer) = &self.timer else { return Ok(None) };
        let interval = Duration::from_millis(timer.call_interval_ms(store)?.into());
        Ok((!interval.is_zero()).then(|| interval.clamp(TICK_MIN, TICK_MAX)))
    }

    /// The records that the plugin makes, or its own error; nothing where it does not hear of such occasions.
    pub(super) fn occur(
        &self,
        store: &mut Store<Guest>,
        occasion: Occasion,
        lead: bool,
    ) -> Answer<Result<Vec<Emission>, String>> {
        let moment = Moment { now_ms: imports::now_ms(), lead };
        let link = match occasion {
            Occasion::Tick => None,
            Occasion::Linked { resumed } => Some(connection::Link::Up(resumed)),
            Occasion::Lost => Some(connection::Link::Down),
        };
        let emitted = match (link, &self.timer, &self.connection) {
            (None, Some(timer), _) => timer.call_tick(store, moment)?,
            (Some(link), _, Some(connection)) => connection.call_changed(store, link, moment)?,
            (None, None, _) | (Some(_), _, None) => Ok(Vec::new()),
        };
        Ok(match emitted {
            Ok(emissions) => convert::lift_emissions(emissions).map(Ok),
            Err(error) => Ok(Err(error)),
        })
    }
}
