//! Our values and the guest's, in both directions. Payloads are never copied on this side.

use bytes::Bytes;

use crate::seam::{Emission, Outcome, Output, StageMessage};

use super::bindings::tidegate::plugin::{occasions, types as guest};
use crate::wasm::clean::clean;

/// The parameters of one call, borrowed from the batch.
pub(super) fn lower<'b>(batch: &[StageMessage<'b>]) -> Vec<guest::Message<'b>> {
    batch.iter().map(lower_one).collect()
}

fn lower_one<'b>(message: &StageMessage<'b>) -> guest::Message<'b> {
    guest::Message {
        topic: message.topic,
        payload: message.payload,
        received_ms: message.received_ms,
        qos: message.qos.level(),
        retain: message.retain,
    }
}

/// One outcome per message.
///
/// # Errors
/// What cannot be used, continuing "plugin … ".
pub(super) fn lift(outcomes: Vec<guest::Outcome>, messages: usize) -> Result<Vec<Outcome>, String> {
    if outcomes.len() != messages {
        return Err(format!("gave {} outcomes for {messages} messages", outcomes.len()));
    }
    // Not `collect`, which does not know the length of what may fail.
    let mut lifted = Vec::with_capacity(messages);
    for outcome in outcomes {
        lifted.push(lift_one(outcome)?);
    }
    Ok(lifted)
}

fn lift_one(outcome: guest::Outcome) -> Result<Outcome, String> {
    Ok(match outcome {
        guest::Outcome::Pass => Outcome::Pass,
        guest::Outcome::Drop => Outcome::Drop,
        guest::Outcome::Replace(payload) => Outcome::Replace(payload.into()),
        guest::Outcome::Emit(outputs) if outputs.is_empty() => Outcome::Drop,
        guest::Outcome::Emit(outputs) => Outcome::Emit(outputs.into_iter().map(lift_output).collect::<Result<_, _>>()?),
        guest::Outcome::Fail(reason) => Outcome::Fail(clean(&reason)),
    })
}

/// Records without a message.
///
/// # Errors
/// What cannot be used, continuing "plugin … ".
pub(super) fn lift_emissions(emissions: Vec<occasions::Emission>) -> Result<Vec<Emission>, String> {
    let lift =
        |emission: occasions::Emission| Ok(Emission { about: emission.about, output: lift_output(emission.output)? });
    emissions.into_iter().map(lift).collect()
}

fn lift_output(output: guest::Output) -> Result<Output, String> {
    Ok(Output {
        topic: output.topic,
        key: output.key.map(Bytes::from),
        payload: output.payload.map(Bytes::from),
        headers: output.headers.into_iter().map(lift_header).collect::<Result<_, _>>()?,
        timestamp_ms: output.timestamp_ms,
    })
}

fn lift_header(header: guest::Header) -> Result<(String, Bytes), String> {
    if header.name.is_empty() || header.name.chars().any(char::is_control) {
        return Err(format!(
            "gave a header with the name \"{}\", which is empty or has control characters",
            clean(&header.name)
        ));
    }
    Ok((header.name, header.value.into()))
}
