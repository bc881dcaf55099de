//! The exported functions, without their names: `export!` gives them those.

use std::cell::RefCell;

use super::layout::{Message, Span, Tagged};
use super::{answer, arena};
use crate::message::Batch;
use crate::{Transform, glue};

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
