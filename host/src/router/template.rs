//! `Template`: a text with `{captures}`, for Kafka topics, keys and headers.

use std::fmt;

use crate::topic::is_kafka_topic_byte;

/// `iot.{area}.temperature`; `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Topic,
    Source,
    Rule,
    Capture(String),
}

/// What a template's names stand for on one topic.
#[derive(Clone, Copy, Debug)]
pub struct Bindings<'a> {
    pub topic: &'a str,
    pub source: &'a str,
    pub rule: &'a str,
    pub captures: &'a [(&'a str, &'a str)],
}

impl Template {
    /// # Errors
    /// A lone brace, or a name that no capture can have.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(after_pair) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after_pair;
                continue;
            }
            let (name, after_name) = after
                .split_once('}')
                .filter(|(name, _)| brace == "{" && !name.contains('{'))
                .ok_or(TemplateError::LoneBrace { at: text.len() - rest.len() + at })?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(named(name)?);
            rest = after_name;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { text: text.into(), parts })
    }

    /// As written in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The captures it uses, in order, repeated ones repeated.
    pub fn capture_names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Capture(name) => Some(name.as_str()),
            Part::Text(_) | Part::Topic | Part::Source | Part::Rule => None,
        })
    }

    /// A capture that `bindings` lacks stands for nothing; `check` refuses such a template beforehand.
    #[must_use]
    pub fn render(&self, bindings: &Bindings<'_>) -> String {
        let mut rendered = String::new();
        for part in &self.parts {
            rendered.push_str(match part {
                Part::Text(text) => text,
                Part::Topic => bindings.topic,
                Part::Source => bindings.source,
                Part::Rule => bindings.rule,
                Part::Capture(name) => {
                    bindings.captures.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
                }
            });
        }
        rendered
    }

    /// Rendered as a Kafka topic name: `/` becomes `.`, every other character that Kafka forbids `_`. May still be empty,
    /// `.`, `..` or too long.
    #[must_use]
    pub fn render_kafka_topic(&self, bindings: &Bindings<'_>) -> String {
        kafka_topic_text(&self.render(bindings))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `text` with what Kafka forbids in a topic name replaced: `/` by `.`, the rest by `_`.
#[must_use]
pub fn kafka_topic_text(text: &str) -> String {
    let allowed = |character: char| u8::try_from(character).is_ok_and(is_kafka_topic_byte);
    let replaced = |character| match character {
        '/' => '.',
        allowed_character if allowed(allowed_character) => allowed_character,
        _ => '_',
    };
    text.chars().map(replaced).collect()
}

fn named(name: &str) -> Result<Part, TemplateError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match name {
        "topic" => Ok(Part::Topic),
        "source" => Ok(Part::Source),
        "rule" => Ok(Part::Rule),
        _ if !name.is_empty() && name.bytes().all(allowed) => Ok(Part::Capture(name.into())),
        _ => Err(TemplateError::BadName { name: name.into() }),
    }
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `at` counts bytes from 0.
    #[error("a lone brace; write `{{{{` or `}}}}` for a brace, `{{name}}` for a capture")]
    LoneBrace { at: usize },
    #[error("`{{{name}}}` is not a name: names are made of `A-Z a-z 0-9 _ -`")]
    BadName { name: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDINGS: Bindings<'_> =
        Bindings { topic: "a/b", source: "plant", rule: "r", captures: &[("x", "ü/1"), ("y", "")] };

    fn check(template: &str, expected: &str) {
        assert_eq!(Template::parse(template).unwrap().render(&BINDINGS), expected, "{template}");
    }

    #[test]
    fn names_are_replaced_by_what_they_stand_for() {
        check("{source}.{rule}.{topic}.{x}{y}", "plant.r.a/b.ü/1");
        check("", "");
    }

    #[test]
    fn doubled_braces_are_braces() {
        check("{{{x}}}", "{ü/1}");
        check("{{x}}", "{x}");
        check("a}}b{{c", "a}b{c");
    }

    #[test]
    fn kafka_topics_take_dots_for_slashes_and_underscores_for_the_rest() {
        let template = Template::parse("iot/{topic}.{x}").unwrap();
        assert_eq!(template.render_kafka_topic(&BINDINGS), "iot.a.b._.1");
    }

    #[test]
    fn lone_braces_and_odd_names_are_refused() {
        for text in ["{", "}", "a{b", "a}b", "{a{b}", "{a}}"] {
            assert!(matches!(Template::parse(text), Err(TemplateError::LoneBrace { .. })), "{text}");
        }
        for text in ["{}", "{a b}", "{a...}"] {
            assert!(matches!(Template::parse(text), Err(TemplateError::BadName { .. })), "{text}");
        }
    }
}
