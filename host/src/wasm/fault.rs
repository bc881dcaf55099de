//! From wasmtime's errors to `StageFault`.

use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

use crate::ack::FailureKind;
use crate::config::PluginLimits;
use crate::seam::StageFault;

use super::clean::clean;
use super::guest::Guest;

/// Part of wasmtime's text for an exhausted output limit; it has no type of its own.
const FUEL_TEXT: &str = "fuel allocated for hostcalls has been exhausted";

/// The kind of time limit that was in force.
#[derive(Clone, Copy, Debug)]
pub(super) enum During {
    Start,
    Call,
}

/// The whole chain of causes on one line.
pub(super) fn one_line(error: &Error) -> String {
    let causes: Vec<_> = error.chain().map(ToString::to_string).filter(|text| !text.contains("backtrace")).collect();
    clean(&causes.join(": "))
}

/// A fault without a cause.
pub(super) fn refused(plugin: &str, text: &str) -> StageFault {
    let text = format!("plugin `{plugin}` {text}");
    StageFault { kind: FailureKind::PluginRefused, text, cause: None }
}

/// More in the answer than may be, without a cause.
pub(super) fn too_much(plugin: &str, text: &str) -> StageFault {
    StageFault { kind: FailureKind::PluginOutput, ..refused(plugin, text) }
}

/// Tells why a call of the guest ended with `error`.
pub(super) fn classify(
    plugin: &str,
    limits: &PluginLimits,
    during: During,
    guest: &mut Guest,
    error: Error,
) -> StageFault {
    let (kind, text) = tell(limits, during, guest, &error);
    StageFault { kind, text: format!("plugin `{plugin}` {text}"), cause: Some(error.into()) }
}

fn tell(limits: &PluginLimits, during: During, guest: &mut Guest, error: &Error) -> (FailureKind, String) {
    let was_refused = guest.memory.take_refused();
    if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
        return (FailureKind::PluginDeadline, deadline(limits, during));
    }
    if error.chain().any(|cause| cause.to_string().contains(FUEL_TEXT)) {
        return (FailureKind::PluginOutput, format!("gave more than its limit of {} bytes", limits.output_bytes));
    }
    if was_refused {
        let text = format!("asked for more memory than its limit of {} bytes", limits.memory_bytes);
        return (FailureKind::PluginMemory, text);
    }
    let last_words = guest.last_words.take();
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return (FailureKind::PluginTrap, format!("exited with status {}", exit.0));
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => (FailureKind::PluginTrap, format!("trapped: {}", last_words.unwrap_or_else(|| trap.to_string()))),
        None => (FailureKind::PluginRefused, format!("gave an answer that cannot be used: {}", one_line(error))),
    }
}

fn deadline(limits: &PluginLimits, during: During) -> String {
    match during {
        During::Start => format!("did not start within its limit of {} ms", limits.init.as_millis()),
        During::Call => format!("ran longer than its limit of {} ms", limits.call.as_millis()),
    }
}
