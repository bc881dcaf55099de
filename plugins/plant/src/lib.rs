//! Decodes the readings of the simulated plant; `README.md` has the format and the outcomes.

mod reading;

use tidegate_guest_sdk::{Message, Outcome, Output, Transform, export};

use reading::{Reading, State};

struct Plant {
    keep_idle: bool,
}

impl Transform for Plant {
    fn new(config: &str) -> Result<Self, String> {
        let bare: String = config.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        match bare.as_str() {
            "" | "{}" | r#"{"keep_idle":false}"# => Ok(Self { keep_idle: false }),
            r#"{"keep_idle":true}"# => Ok(Self { keep_idle: true }),
            _ => Err(format!("plant knows one setting, `keep_idle = true` or `false`, but got {config}")),
        }
    }

    fn process(&mut self, message: Message<'_>) -> Outcome {
        match Reading::decode(message.payload()) {
            Ok(reading) if reading.state == State::Idle && !self.keep_idle => Outcome::Drop,
            Ok(reading) => record(machine(message.topic()), &reading).into(),
            Err(reason) => Outcome::Fail(reason),
        }
    }
}

export!(Plant);

/// The last but one level of the topic.
fn machine(topic: &str) -> &str {
    topic.rsplit('/').nth(1).unwrap_or_default()
}

fn record(machine: &str, reading: &Reading) -> Output {
    Output::new(reading.to_json(machine)).timestamp_ms(reading.measured_ms).header("content-type", "application/json")
}

#[cfg(test)]
mod tests {
    use tidegate_guest_sdk::testing::{Harness, Input};

    use super::*;

    fn outcome(config: &str, payload: Vec<u8>) -> Outcome {
        let mut plant = Harness::<Plant>::new(config).unwrap();
        plant.process(&Input::new("plant/north/press-7/reading", payload))
    }

    fn check_fails(payload: Vec<u8>, reason: &str) {
        assert_eq!(outcome("", payload), Outcome::Fail(reason.into()));
    }

    #[test]
    fn a_running_reading_becomes_one_record() {
        let expected = Output::new(
            r#"{"machine":"press-7","state":"running","sequence":41,"measured_ms":1700000000000,"temperature_c":71.25,"pressure_bar":4.103,"speed_rpm":1450.5,"energy_wh":90211}"#,
        );
        let expected = expected.timestamp_ms(1_700_000_000_000).header("content-type", "application/json");
        assert_eq!(outcome("", reading::sample(1)), Outcome::Emit(vec![expected]));
    }

    #[test]
    fn an_idle_reading_is_dropped_unless_wanted() {
        assert_eq!(outcome("", reading::sample(0)), Outcome::Drop);
        assert!(matches!(outcome(r#"{ "keep_idle": true }"#, reading::sample(0)), Outcome::Emit(_)));
    }

    #[test]
    fn damage_is_told_apart() {
        let damaged = |at: usize| {
            let mut payload = reading::sample(1);
            payload[at] ^= 0x10;
            payload
        };
        check_fails(vec![0; 29], "the payload has 29 bytes, a reading has 30");
        check_fails(damaged(0), "the payload does not start with \"TG\"");
        check_fails(damaged(2), "unknown version 17 of the format");
        check_fails(damaged(20), "checksum mismatch");
        check_fails(reading::sample(3), "unknown state 3");
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(Harness::<Plant>::new(r#"{"idle":true}"#).is_err());
    }
}
