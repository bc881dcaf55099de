//! What the demo needs of the bridge that it shows.

use std::error::Error;
use std::sync::Arc;

use crate::meters::Meters;

pub type BoxError = Box<dyn Error + Send + Sync>;

/// The bridge, running from the demo's configuration file: the same assembly as `tidegate run`.
pub trait RunningBridge {
    /// Every source is subscribed and every cluster has answered.
    fn is_ready(&self) -> bool;
    fn meters(&self) -> Arc<Meters>;
    /// Stops intake, settles what is in flight, says goodbye to the brokers; bounded by `[shutdown] drain`.
    ///
    /// # Errors
    /// What was left unsettled.
    fn drain(self: Box<Self>) -> Result<(), BoxError>;
}
