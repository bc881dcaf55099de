//! The exported functions, without their names: `export!` gives them those.

use std::cell::RefCell;

use super::layout::{Description, Message, Span, Tagged};
use super::{answer, arena};
use crate::message::Batch;
use crate::{Connection, Describe, Link, Moment, Timer, Transform, glue};

/// `init`.
pub fn init<T: Transform>(plugin: &RefCell<Option<T>>, config: Span<'_>) -> *const Tagged<'static> {
    let started = glue::init(&mut plugin.borrow_mut(), config.text());
    arena::release();
    answer::keep_start(started)
}

/// `process`.
pub fn process<T: Transform>(
    plugin: &RefCell<Option<T>>,
    batch: Span<'_, Message<'_>>,
) -> *const Span<'static, Tagged<'static>> {
    let outcomes = glue::process(&mut plugin.borrow_mut(), Batch::new(batch.items()));
    arena::release();
    answer::keep(outcomes)
}

/// `describe`.
pub fn describe<T: Describe>() -> *const Description<'static> {
    answer::keep_description(T::describe())
}

/// `interval-ms`.
pub fn interval_ms<T: Timer>(plugin: &RefCell<Option<T>>) -> u32 {
    let interval = plugin.borrow().as_ref().map(Timer::interval).unwrap_or_default();
    u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
}

/// `tick`.
pub fn tick<T: Timer>(plugin: &RefCell<Option<T>>, moment: Moment) -> *const Tagged<'static> {
    let emitted = glue::tick(&mut plugin.borrow_mut(), moment);
    arena::release();
    answer::keep_emissions(emitted)
}

/// `changed`.
pub fn changed<T: Connection>(plugin: &RefCell<Option<T>>, link: Link, moment: Moment) -> *const Tagged<'static> {
    let emitted = glue::changed(&mut plugin.borrow_mut(), link, moment);
    arena::release();
    answer::keep_emissions(emitted)
}
