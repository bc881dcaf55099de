//! What `export!` calls: from the two exported functions to the plugin's own.

use crate::message::Batch;
use crate::{Outcome, Transform, values};

/// Makes the plugin. A panic from now on is logged with its text and place before it traps.
///
/// # Errors
/// What the plugin says about its configuration.
pub fn init<T: Transform>(plugin: &mut Option<T>, config: &str) -> Result<(), String> {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
    *plugin = Some(T::new(config)?);
    Ok(())
}

/// One outcome per message. A host that calls this before `init` gets failures.
pub fn process<T: Transform>(plugin: &mut Option<T>, batch: &[values::Message]) -> Vec<Outcome> {
    match plugin {
        Some(plugin) => plugin.process_batch(Batch::new(batch)),
        None => vec![Outcome::Fail("the plugin was not initialised".into()); batch.len()],
    }
}
