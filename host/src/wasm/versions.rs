//! The contracts that are linked side by side: everything that differs by version goes through here.

use std::time::Duration;

use wasmtime::component::{Instance, InstancePre, Linker};
use wasmtime::{AsContextMut, Store};

use crate::seam::{Emission, Occasion, Outcome, StageMessage};

use super::contract::{Contract, Version};
use super::guest::Guest;
use super::v0_1::{self, Answer, Description};
use super::wasi;

/// Offers WASI and the imports of all contracts.
///
/// # Errors
/// Where two of them have one name.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasi::link(linker)?;
    v0_1::link(linker)
}

/// Where the exports of one component lie.
pub(super) enum Exports {
    V0_1(v0_1::Exports),
}

/// The functions of one instance.
pub(super) enum Bound {
    V0_1(v0_1::Bound),
}

impl Exports {
    /// # Errors
    /// Where one has other types than its contract.
    pub(super) fn find(pre: &InstancePre<Guest>, contract: &Contract) -> wasmtime::Result<Self> {
        match contract.version {
            Version::V0_1 => v0_1::Exports::find(pre, contract.optional).map(Self::V0_1),
        }
    }

    /// # Errors
    /// As `find`.
    pub(super) fn load(&self, store: impl AsContextMut, instance: &Instance) -> wasmtime::Result<Bound> {
        match self {
            Self::V0_1(exports) => exports.load(store, instance).map(Bound::V0_1),
        }
    }
}

impl Bound {
    pub(super) fn init(&self, store: &mut Store<Guest>, config: &str) -> wasmtime::Result<Result<(), String>> {
        match self {
            Self::V0_1(bound) => bound.init(store, config),
        }
    }

    pub(super) fn process(&self, store: &mut Store<Guest>, batch: &[StageMessage<'_>]) -> Answer<Vec<Outcome>> {
        match self {
            Self::V0_1(bound) => bound.process(store, batch),
        }
    }

    pub(super) fn describe(&self, store: &mut Store<Guest>) -> wasmtime::Result<Option<Description>> {
        match self {
            Self::V0_1(bound) => bound.describe(store),
        }
    }

    pub(super) fn tick_interval(&self, store: &mut Store<Guest>) -> wasmtime::Result<Option<Duration>> {
        match self {
            Self::V0_1(bound) => bound.tick_interval(store),
        }
    }

    pub(super) fn occur(
        &self,
        store: &mut Store<Guest>,
        occasion: Occasion,
        lead: bool,
    ) -> Answer<Result<Vec<Emission>, String>> {
        match self {
            Self::V0_1(bound) => bound.occur(store, occasion, lead),
        }
    }
}
