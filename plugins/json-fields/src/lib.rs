//! Shapes JSON objects: filters, picks, scales, renames and adds fields. `README.md` has the settings.

mod settings;

use serde_json::{Map, Value};
use tidegate_guest_sdk::{Message, Outcome, Transform, config_from_json, export};

use settings::{Condition, Scale, Settings};

struct JsonFields(Settings);

impl Transform for JsonFields {
    fn new(config: &str) -> Result<Self, String> {
        let settings: Settings = config_from_json(config)?;
        settings.check()?;
        Ok(Self(settings))
    }

    fn process(&mut self, message: Message<'_>) -> Outcome {
        self.shape(message.payload()).into()
    }
}

export!(JsonFields);

impl JsonFields {
    fn shape(&self, payload: &[u8]) -> Result<Outcome, String> {
        let parsed = serde_json::from_slice(payload).map_err(|error| format!("the payload is not JSON: {error}"))?;
        let Value::Object(mut fields) = parsed else {
            return Err("the payload is JSON, but not an object".into());
        };
        if self.0.drop_when.iter().any(|condition| condition.holds(&fields)) {
            return Ok(Outcome::Drop);
        }
        self.pick(&mut fields);
        self.scale(&mut fields)?;
        let fields = self.rename(fields);
        let text = serde_json::to_vec(&self.add(fields)).map_err(|error| format!("write JSON: {error}"))?;
        Ok(Outcome::Replace(text))
    }

    fn pick(&self, fields: &mut Map<String, Value>) {
        if let Some(keep) = &self.0.keep {
            fields.retain(|name, _| keep.contains(name));
        }
        fields.retain(|name, _| !self.0.remove.contains(name));
    }

    fn scale(&self, fields: &mut Map<String, Value>) -> Result<(), String> {
        for (name, scale) in &self.0.scale {
            if let Some(value) = fields.get_mut(name) {
                *value =
                    scale.apply(value).ok_or_else(|| format!("field `{name}` is not a number that can be scaled"))?;
            }
        }
        Ok(())
    }

    fn rename(&self, fields: Map<String, Value>) -> Map<String, Value> {
        if self.0.rename.is_empty() {
            return fields;
        }
        fields.into_iter().map(|(name, value)| (self.0.rename.get(&name).cloned().unwrap_or(name), value)).collect()
    }

    fn add(&self, mut fields: Map<String, Value>) -> Map<String, Value> {
        for (name, value) in &self.0.add {
            fields.insert(name.clone(), value.clone());
        }
        fields
    }
}

impl Condition {
    fn holds(&self, fields: &Map<String, Value>) -> bool {
        let Some(value) = fields.get(&self.field) else { return self.missing == Some(true) };
        let number = value.as_f64();
        self.missing == Some(false)
            || self.equals.as_ref().is_some_and(|wanted| wanted == value)
            || self.below.is_some_and(|bound| number.is_some_and(|number| number < bound))
            || self.above.is_some_and(|bound| number.is_some_and(|number| number > bound))
    }
}

impl Scale {
    fn apply(&self, value: &Value) -> Option<Value> {
        let scaled = value.as_f64()? * self.factor + self.offset;
        let rounded = match self.places {
            Some(places) => {
                let power = 10_f64.powi(i32::from(places));
                (scaled * power).round() / power
            }
            None => scaled,
        };
        serde_json::Number::from_f64(rounded).map(Value::Number)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_guest_sdk::testing::{Harness, Input};

    use super::*;

    fn outcome(config: &str, payload: &str) -> Outcome {
        Harness::<JsonFields>::new(config).unwrap().process(&Input::new("t", payload))
    }

    fn check(config: &str, payload: &str, expected: &str) {
        assert_eq!(outcome(config, payload), Outcome::Replace(expected.into()), "{config}");
    }

    fn check_dropped(condition: &str, payload: &str, expected: bool) {
        let config = format!(r#"{{"drop_when":[{condition}]}}"#);
        assert_eq!(outcome(&config, payload) == Outcome::Drop, expected, "{condition} {payload}");
    }

    fn check_refused(config: &str, part: &str) {
        let error = Harness::<JsonFields>::new(config).err().unwrap();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn fields_are_kept_removed_renamed_added() {
        check(r#"{"keep":["b","c"]}"#, r#"{"a":1,"c":3,"b":2}"#, r#"{"c":3,"b":2}"#);
        check(r#"{"remove":["a"]}"#, r#"{"a":1,"b":2}"#, r#"{"b":2}"#);
        check(r#"{"rename":{"a":"x"}}"#, r#"{"a":1,"b":2}"#, r#"{"x":1,"b":2}"#);
        check(r#"{"add":{"site":"ulm"}}"#, r#"{"a":1}"#, r#"{"a":1,"site":"ulm"}"#);
    }

    #[test]
    fn numbers_are_scaled_before_they_are_renamed() {
        let config = r#"{"scale":{"f":{"factor":0.5555555555555556,"offset":-17.77777777777778,"places":2}},"rename":{"f":"c"}}"#;
        check(config, r#"{"f":212}"#, r#"{"c":100.0}"#);
        check(config, r#"{"g":1}"#, r#"{"g":1}"#);
    }

    #[test]
    fn conditions_look_at_what_arrived() {
        check_dropped(r#"{"field":"s","equals":"idle"}"#, r#"{"s":"idle"}"#, true);
        check_dropped(r#"{"field":"s","equals":"idle"}"#, r#"{"s":"on"}"#, false);
        check_dropped(r#"{"field":"t","below":0}"#, r#"{"t":-1}"#, true);
        check_dropped(r#"{"field":"t","above":100}"#, r#"{"t":100}"#, false);
        check_dropped(r#"{"field":"t","missing":true}"#, r#"{"s":1}"#, true);
        check_dropped(r#"{"field":"t","below":0}"#, r#"{"s":1}"#, false);
    }

    #[test]
    fn what_is_not_an_object_fails() {
        assert!(matches!(outcome("", "nonsense"), Outcome::Fail(reason) if reason.contains("not JSON")));
        assert!(matches!(outcome("", "[1]"), Outcome::Fail(reason) if reason.contains("not an object")));
        let config = r#"{"scale":{"a":{"factor":2}}}"#;
        assert!(matches!(outcome(config, r#"{"a":"x"}"#), Outcome::Fail(reason) if reason.contains("`a`")));
    }

    #[test]
    fn bad_settings_are_refused() {
        check_refused(r#"{"keeep":[]}"#, "unknown field `keeep`");
        check_refused(r#"{"drop_when":[{"field":"a"}]}"#, "`a`");
        check_refused(r#"{"rename":{"a":"x","b":"x"}}"#, "`x`");
    }
}
