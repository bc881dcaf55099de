//! A plugin that uses, on command, everything that Tidegate can lend. The words of the payload are the command; the answer
//! replaces the payload. `README.md` lists the commands.

use std::time::Duration;

use tidegate_guest_sdk::publish::Qos;
use tidegate_guest_sdk::{
    Connection, Describe, Description, Emission, Link, Message, Moment, Outcome, Output, Timer, Transform, clock,
    export, lookup, metrics, publish, state,
};

struct Services {
    interval: Duration,
}

impl Transform for Services {
    fn new(config: &str) -> Result<Self, String> {
        if config.contains("init-state") {
            let starts = number("starts") + 1;
            state::set("starts", starts.to_string().as_bytes()).map_err(|refusal| refusal.to_string())?;
        }
        let interval = config.split("\"tick\":").nth(1).and_then(|rest| rest.split(['}', ',']).next());
        let interval = interval.and_then(|ms| ms.trim().parse().ok()).unwrap_or(0);
        Ok(Self { interval: Duration::from_millis(interval) })
    }

    fn process(&mut self, message: Message<'_>) -> Outcome {
        let text = String::from_utf8_lossy(message.payload());
        let words: Vec<&str> = text.split(' ').collect();
        match obey(&words, message.topic()) {
            Ok(Some(answer)) => Outcome::Replace(answer.into_bytes()),
            Ok(None) => Outcome::Pass,
            Err(error) => Outcome::Fail(error),
        }
    }
}

impl Describe for Services {
    fn describe() -> Description {
        Description {
            name: "services".into(),
            version: "1.2.3".into(),
            about: "Uses what it is lent.\u{1b}[31m".into(),
            order: vec![1, 3],
            config_schema: Some("{}".into()),
            grants: vec!["state".into(), "clock".into()],
        }
    }
}

impl Timer for Services {
    fn interval(&self) -> Duration {
        self.interval
    }

    /// Gives the window of each topic out, and begins a new one.
    fn tick(&mut self, moment: Moment) -> Result<Vec<Emission>, String> {
        let mut emissions = Vec::new();
        for key in state::keys("window/").collect::<Vec<_>>() {
            let topic = &key["window/".len()..];
            if topic.ends_with("/fail") {
                return Err("a window that fails".into());
            }
            let sum = number(&key);
            state::delete(&key).map_err(|refusal| refusal.to_string())?;
            emissions.push(Emission::about(topic, Output::new(format!("window {sum}"))));
        }
        if moment.lead && number("tick-lead") > 0 {
            emissions.push(Output::new("lead").topic("ticks").key("k").into());
        }
        Ok(emissions)
    }
}

impl Connection for Services {
    fn changed(&mut self, link: Link, moment: Moment) -> Result<Vec<Emission>, String> {
        let text = match link {
            Link::Up { resumed: true } => "up again",
            Link::Up { resumed: false } => "up",
            Link::Down => "down",
        };
        let record = Output::new(text).topic("links").key(if moment.lead { "lead" } else { "other" });
        Ok(vec![record.into()])
    }
}

export!(Services: Describe, Timer, Connection);

fn obey(words: &[&str], topic: &str) -> Result<Option<String>, String> {
    let told = |refusal: &dyn std::fmt::Display| refusal.to_string();
    Ok(match *words {
        ["get", key] => Some(state::get(key).map_or("none".into(), |value| text(&value))),
        ["get", first, second] => {
            let values = state::get_many(&[first, second]);
            Some(
                values
                    .into_iter()
                    .map(|value| value.map_or("none".into(), |value| text(&value)))
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        }
        ["set", key, value] => state::set(key, value.as_bytes()).map(|()| None).map_err(|refusal| told(&refusal))?,
        ["set-trap", key, value] => {
            state::set(key, value.as_bytes()).map_err(|refusal| told(&refusal))?;
            panic!("after a change");
        }
        ["delete", key] => state::delete(key).map(|()| None).map_err(|refusal| told(&refusal))?,
        ["swap", key, expected, value] => {
            let given = |word: &'static str, text: &str| (text != word).then(|| text.as_bytes().to_vec());
            let (expected, value) = (given("none", expected), given("none", value));
            let swapped = state::compare_and_set(key, expected.as_deref(), value.as_deref());
            Some(swapped.map_err(|refusal| told(&refusal))?.to_string())
        }
        ["keys", prefix] => Some(state::keys(prefix).collect::<Vec<_>>().join(" ")),
        ["fill", count] => {
            let count: usize = count.parse().map_err(|_| "no number")?;
            (0..count)
                .try_for_each(|at| state::set(&format!("fill/{at:06}"), b"x"))
                .map_err(|refusal| told(&refusal))?;
            Some(state::keys("fill/").count().to_string())
        }
        ["add", value] => {
            let key = format!("window/{topic}");
            let sum = number(&key) + value.parse::<u64>().map_err(|_| "no number")?;
            state::set(&key, sum.to_string().as_bytes()).map(|()| None).map_err(|refusal| told(&refusal))?
        }
        ["trap"] => panic!("on command"),
        _ => obey_outside(words)?,
    })
}

/// What is not about the state.
fn obey_outside(words: &[&str]) -> Result<Option<String>, String> {
    let told = |refusal: &dyn std::fmt::Display| refusal.to_string();
    Ok(match *words {
        ["count", name] => {
            metrics::count(name, 1);
            None
        }
        ["gauge", name, value] => {
            metrics::gauge(name, value.parse().map_err(|_| "no number")?);
            None
        }
        ["now"] => Some(clock::now_ms().to_string()),
        ["monotonic"] => Some(clock::monotonic_us().to_string()),
        ["publish", to, payload] => publish::message(to, payload.as_bytes(), Qos::AtLeastOnce, false)
            .map(|()| None)
            .map_err(|refusal| told(&refusal))?,
        ["publish-trap", to, payload] => {
            publish::message(to, payload.as_bytes(), Qos::AtLeastOnce, false).map_err(|refusal| told(&refusal))?;
            panic!("after publishing");
        }
        ["row", table, key] => {
            let row = lookup::row(table, key).map_err(|refusal| told(&refusal))?;
            Some(row.map_or("none".into(), |row| text(&row)))
        }
        ["field", table, key, column] => {
            let field = lookup::field(table, key, column).map_err(|refusal| told(&refusal))?;
            Some(field.unwrap_or("none".into()))
        }
        ["grow", mib] => {
            let mib: usize = mib.parse().map_err(|_| "no number")?;
            std::hint::black_box(vec![1_u8; mib << 20]);
            None
        }
        _ => None,
    })
}

fn number(key: &str) -> u64 {
    state::get(key).and_then(|value| text(&value).parse().ok()).unwrap_or(0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
