//! The JSON Schema of the configuration (draft 2020-12), made from the same table that the reader uses.

use serde_json::{Map, Value, json};

use super::settings::{Kind, ROOT, Setting};
use super::units::{show_duration, show_size};

/// What a `${NAME}` in a text may become cannot be known beforehand, so it fits everywhere.
const VARIABLE: &str = r"\$\{";
const DURATION: &str = "^[0-9]+(ms|s|m|h|d)$";
const SIZE: &str = "^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)$";

/// The schema of one file, as `tidegate schema` prints it.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(&ROOT);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Tidegate configuration");
    schema
}

fn table(settings: &[Setting]) -> Value {
    let properties: Map<String, Value> =
        settings.iter().map(|setting| (setting.name.to_owned(), property(setting))).collect();
    let required: Vec<&str> = settings.iter().filter(|setting| setting.required).map(|setting| setting.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(setting: &Setting) -> Value {
    let mut schema = kind(&setting.kind);
    schema["description"] = json!(setting.about);
    if let Some(default) = setting.default {
        schema["default"] = match setting.kind {
            Kind::Boolean => json!(default == "true"),
            Kind::Whole(_, _) => default.parse::<i64>().map_or(Value::Null, Value::from),
            _ => json!(default),
        };
    }
    schema
}

fn kind(kind_of_value: &Kind) -> Value {
    match kind_of_value {
        Kind::Text | Kind::Template | Kind::Path => json!({ "type": "string" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Duration(min, max) => measured(DURATION, &show_duration(*min), &show_duration(*max)),
        Kind::Size(min, max) => measured(SIZE, &show_size(*min), &show_size(*max)),
        Kind::Choice(names) => json!({ "anyOf": [{ "enum": names }, { "type": "string", "pattern": VARIABLE }] }),
        Kind::Secret => secret(),
        Kind::Table(settings) => table(settings),
        Kind::Named(settings) => json!({ "type": "object", "additionalProperties": table(settings) }),
        Kind::Texts => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "object"] } })
        }
        Kind::Anything => json!({ "type": "object" }),
        Kind::List(inner) => json!({ "type": "array", "items": kind(inner) }),
        Kind::OneOrMany(inner) => {
            json!({ "anyOf": [kind(inner), { "type": "array", "items": kind(inner), "minItems": 1 }] })
        }
        Kind::Either(short, long) => json!({ "anyOf": [kind(short), kind(long)] }),
    }
}

fn measured(pattern: &str, min: &str, max: &str) -> Value {
    json!({ "type": "string", "pattern": format!("{pattern}|{VARIABLE}"), "$comment": format!("from {min} to {max}") })
}

fn secret() -> Value {
    let one = |key: &str| json!({ "type": "object", "properties": { key: { "type": "string" } }, "required": [key], "additionalProperties": false });
    json!({ "anyOf": [{ "type": "string" }, one("env"), one("file")] })
}
