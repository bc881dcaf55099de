//! The last answer, kept where the host reads it until the next call.

use std::cell::RefCell;

use super::layout::{Description, Emission, Output, Pair, Perhaps, Span, Tagged};
use crate::{occasions, values};

/// Outcomes, and their layout pointing into them.
struct Answer {
    outcomes: Vec<values::Outcome>,
    laid: Vec<Tagged<'static>>,
    outputs: Vec<Vec<Output<'static>>>,
    headers: Vec<Vec<Pair<'static>>>,
    whole: Span<'static, Tagged<'static>>,
    refusal: String,
    started: Tagged<'static>,
    emissions: Vec<occasions::Emission>,
    emitted: Vec<Emission<'static>>,
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
            emissions: Vec::new(),
            emitted: Vec::new(),
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

/// Keeps the result of `tick` or `changed` and tells where it lies.
pub fn keep_emissions(emitted: Result<Vec<occasions::Emission>, String>) -> *const Tagged<'static> {
    ANSWER.with_borrow_mut(|answer| {
        answer.forget();
        answer.started = match emitted {
            Ok(emissions) => {
                answer.emissions = emissions;
                Tagged { tag: 0, body: answer.lay_emissions() }
            }
            Err(reason) => {
                answer.refusal = reason;
                Tagged { tag: 1, body: Span::of(answer.refusal.as_bytes()).kept() }
            }
        };
        &raw const answer.started
    })
}

/// Keeps what the plugin says of itself, for ever: it is asked once.
pub fn keep_description(said: occasions::Description) -> *const Description<'static> {
    let said: &'static occasions::Description = Box::leak(Box::new(said));
    let grants: Vec<Span<'static>> = said.grants.iter().map(|grant| Span::of(grant.as_bytes())).collect();
    let grants: &'static [Span<'static>] = grants.leak();
    Box::leak(Box::new(Description {
        name: Span::of(said.name.as_bytes()),
        version: Span::of(said.version.as_bytes()),
        about: Span::of(said.about.as_bytes()),
        order: Span::of(&said.order),
        config_schema: Tagged::option(said.config_schema.as_deref().map(str::as_bytes)),
        grants: Span::of(grants),
    }))
}

impl Answer {
    fn lay_emissions(&mut self) -> Span<'static> {
        let Self { emissions, emitted, headers, .. } = self;
        emitted.extend(emissions.iter().map(|emission| Emission {
            about: Tagged::option(emission.about.as_deref().map(str::as_bytes)).kept(),
            output: lay_output(&emission.output, headers),
        }));
        Span::of(emitted).kept().cast()
    }

    fn forget(&mut self) {
        self.laid.clear();
        self.outputs.clear();
        self.headers.clear();
        self.emitted.clear();
        self.emissions.clear();
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
