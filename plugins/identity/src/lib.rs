//! Forwards every message unchanged: what a call costs.

use tidegate_guest_sdk::{Message, Outcome, Transform, export};

struct Identity;

impl Transform for Identity {
    fn new(_config: &str) -> Result<Self, String> {
        Ok(Self)
    }

    fn process(&mut self, _message: Message<'_>) -> Outcome {
        Outcome::Pass
    }
}

export!(Identity);
