//! The rule's `config`: the options of the engine, and the broker's name.

use serde_json::Value;
use tidegate_sparkplug::options::{Options, Role};

/// How the broker is called where nobody says it.
const BROKER: &str = "mqtt";

pub struct Settings {
    pub broker: String,
    pub options: Options,
}

impl Settings {
    /// # Errors
    /// Where and why the configuration does not fit.
    pub fn parse(config: &str) -> Result<Self, String> {
        let config = if config.trim().is_empty() { "{}" } else { config };
        let mut table: Value = serde_json::from_str(config).map_err(|error| format!("configuration: {error}"))?;
        let broker = match table.as_object_mut().and_then(|table| table.remove("broker")) {
            Some(Value::String(broker)) if !broker.is_empty() => broker,
            Some(other) => return Err(format!("configuration: `broker` is a name, not {other}")),
            None => BROKER.into(),
        };
        let options: Options = serde_json::from_value(table).map_err(|error| format!("configuration: {error}"))?;
        match options.role {
            Role::Observer | Role::Active => Ok(Self { broker, options }),
            // Nodes would take a host that died for one that is there: STATE needs a will in CONNECT.
            Role::Primary => Err("the role `primary` is not offered yet: take `active`".into()),
        }
    }
}
