//! The rule's `config` table.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// All settings, applied in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A message for which any of these holds is filtered out.
    pub drop_when: Vec<Condition>,
    /// Only these fields stay; left out: all.
    pub keep: Option<BTreeSet<String>>,
    /// These fields go.
    pub remove: BTreeSet<String>,
    /// Numbers to convert; a field that is absent is left alone.
    pub scale: BTreeMap<String, Scale>,
    /// Old name to new name.
    pub rename: BTreeMap<String, String>,
    /// Fields to set, replacing what has their name.
    pub add: BTreeMap<String, Value>,
}

/// Holds when one of its tests does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub field: String,
    pub equals: Option<Value>,
    pub below: Option<f64>,
    pub above: Option<f64>,
    pub missing: Option<bool>,
}

/// `value * factor + offset`, rounded to `places` decimal places where given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    pub factor: f64,
    #[serde(default)]
    pub offset: f64,
    pub places: Option<u8>,
}

impl Settings {
    /// # Errors
    /// What contradicts itself or cannot have an effect.
    pub fn check(&self) -> Result<(), String> {
        for condition in &self.drop_when {
            let Condition { field, equals, below, above, missing } = condition;
            if equals.is_none() && below.is_none() && above.is_none() && missing.is_none() {
                return Err(format!("the condition on `{field}` needs one of `equals`, `below`, `above`, `missing`"));
            }
        }
        let mut taken = BTreeSet::new();
        match self.rename.values().find(|name| !taken.insert(*name)) {
            Some(name) => Err(format!("two fields are renamed to `{name}`")),
            None => Ok(()),
        }
    }
}
