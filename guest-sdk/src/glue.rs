//! From the two exported functions to the plugin's own.

use crate::message::Batch;
use crate::{Connection, Emission, Link, Moment, Outcome, Timer, Transform};

/// Makes the plugin. A panic from now on is logged with its text and place before it traps.
pub(crate) fn init<T: Transform>(plugin: &mut Option<T>, config: &str) -> Result<(), String> {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
    *plugin = Some(T::new(config)?);
    Ok(())
}

/// One outcome per message. A host that calls this before `init` gets failures.
pub(crate) fn process<T: Transform>(plugin: &mut Option<T>, batch: Batch<'_>) -> Vec<Outcome> {
    match plugin {
        Some(plugin) => plugin.process_batch(batch),
        None => vec![Outcome::Fail(NOT_INITIALISED.into()); batch.len()],
    }
}

/// What a host hears that calls before `init`.
const NOT_INITIALISED: &str = "the plugin was not initialised";

pub(crate) fn tick<T: Timer>(plugin: &mut Option<T>, moment: Moment) -> Result<Vec<Emission>, String> {
    plugin.as_mut().ok_or(NOT_INITIALISED)?.tick(moment)
}

pub(crate) fn changed<T: Connection>(
    plugin: &mut Option<T>,
    link: Link,
    moment: Moment,
) -> Result<Vec<Emission>, String> {
    plugin.as_mut().ok_or(NOT_INITIALISED)?.changed(link, moment)
}
