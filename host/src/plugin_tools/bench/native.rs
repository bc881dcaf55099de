//! The templates' transform natively: what a message would cost without any boundary.

use std::hint::black_box;

use bytes::Bytes;
use serde_json::{Value, json};

use super::inputs::Input;
use super::processor_time;
use crate::plugin_tools::compare::same;
use crate::seam::Outcome;

/// Whether `outcomes` are what the templates' transform gives to `inputs`.
pub(super) fn gives(inputs: &[Input], outcomes: &[Outcome]) -> bool {
    inputs.iter().zip(outcomes).all(|(input, outcome)| match (transform(&input.payload), outcome) {
        (Outcome::Replace(one), Outcome::Replace(other)) => {
            let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
            parsed(&one).zip(parsed(other)).is_some_and(|(one, other)| same(&one, &other))
        }
        (Outcome::Fail(_), Outcome::Fail(_)) => true,
        (one, other) => one == *other,
    })
}

/// Nanoseconds a message.
pub(super) fn turn(inputs: &[Input], rounds: u64) -> f64 {
    let began = processor_time();
    for _ in 0..rounds {
        for input in inputs {
            black_box(transform(black_box(&input.payload)));
        }
    }
    (processor_time() - began).as_nanos() as f64 / (rounds * inputs.len() as u64) as f64
}

/// As `templates/rust/lib.rs.txt` has it.
fn transform(payload: &[u8]) -> Outcome {
    let parsed: Value = match serde_json::from_slice(payload) {
        Ok(parsed) => parsed,
        Err(error) => return Outcome::Fail(format!("the payload is not JSON: {error}")),
    };
    match parsed.get("f").map(Value::as_f64) {
        None => Outcome::Drop,
        Some(None) => Outcome::Fail("`f` is not a number".into()),
        Some(Some(fahrenheit)) => {
            let celsius = ((fahrenheit - 32.0) / 1.8 * 100.0).round() / 100.0;
            Outcome::Replace(Bytes::from(json!({ "c": celsius }).to_string()))
        }
    }
}
