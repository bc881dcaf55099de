//! The last answer, kept where the host reads it until the next call.

use std::cell::RefCell;

use super::layout::{Output, Pair, Perhaps, Span, Tagged};
use crate::values;

/// Outcomes, and their layout pointing into them.
struct Answer {
    outcomes: Vec<values::Outcome>,
    laid: Vec<Tagged<'static>>,
    outputs: Vec<Vec<Output<'static>>>,
    headers: Vec<Vec<Pair<'static>>>,
    whole: Span<'static, Tagged<'static>>,
    refusal: String,
    started: Tagged<'static>,
}

thread_local! {
    static ANSWER: RefCell<Answer> = const {
        RefCell::new(Answer {
            outcomes: Vec::new(),
            laid: Vec::new(),
            outputs: Vec::new(),
            headers: Vec::new(),
            whole: Span::empty(),
            refusal: String::new(),
            started: Tagged::NONE,
        })
    };
}

/// Keeps the result of `init` and tells where it lies.
pub fn keep_start(started: Result<(), String>) -> *const Tagged<'static> {
    ANSWER.with_borrow_mut(|answer| {
        let tag = started.is_err().into();
        answer.refusal = started.err().unwrap_or_default();
        answer.started = Tagged { tag, body: Span::of(answer.refusal.as_bytes()).kept() };
        &raw const answer.started
    })
}

/// Keeps the result of `process` and tells where it lies.
pub fn keep(outcomes: Vec<values::Outcome>) -> *const Span<'static, Tagged<'static>> {
    ANSWER.with_borrow_mut(|answer| {
        answer.forget();
        answer.outcomes = outcomes;
        answer.lay();
        &raw const answer.whole
    })
}

impl Answer {
    fn forget(&mut self) {
        self.laid.clear();
        self.outputs.clear();
        self.headers.clear();
    }

    fn lay(&mut self) {
        let Self { outcomes, laid, outputs, headers, .. } = self;
        laid.extend(outcomes.iter().map(|outcome| match outcome {
            values::Outcome::Pass => Tagged { tag: 0, body: Span::empty() },
            values::Outcome::Drop => Tagged { tag: 1, body: Span::empty() },
            values::Outcome::Replace(payload) => Tagged { tag: 2, body: Span::of(payload).kept() },
            values::Outcome::Emit(records) => Tagged { tag: 3, body: lay_outputs(records, outputs, headers) },
            values::Outcome::Fail(reason) => Tagged { tag: 4, body: Span::of(reason.as_bytes()).kept() },
        }));
        self.whole = Span::of(&self.laid).kept();
    }
}

/// The records laid out; the span counts records although it is typed as bytes, as all cases of a variant share it.
fn lay_outputs(
    records: &[values::Output],
    outputs: &mut Vec<Vec<Output<'static>>>,
    headers: &mut Vec<Vec<Pair<'static>>>,
) -> Span<'static> {
    let laid: Vec<_> = records.iter().map(|record| lay_output(record, headers)).collect();
    let span = Span::of(&laid).kept().cast();
    outputs.push(laid);
    span
}

fn lay_output(record: &values::Output, headers: &mut Vec<Vec<Pair<'static>>>) -> Output<'static> {
    let laid: Vec<_> = record.headers.iter().map(lay_header).collect();
    let span = Span::of(&laid).kept();
    headers.push(laid);
    Output {
        topic: Tagged::option(record.topic.as_deref().map(str::as_bytes)).kept(),
        key: Tagged::option(record.key.as_deref()).kept(),
        payload: Tagged::option(record.payload.as_deref()).kept(),
        headers: span,
        timestamp_ms: record.timestamp_ms.map_or_else(Perhaps::default, |value| Perhaps { tag: 1, value }),
    }
}

fn lay_header(header: &values::Header) -> Pair<'static> {
    Pair { name: Span::of(header.name.as_bytes()).kept(), value: Span::of(&header.value).kept() }
}
