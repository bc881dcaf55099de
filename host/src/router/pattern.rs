//! `Pattern`: a filter of a rule's `from`, an MQTT filter whose wildcards may carry names.

use std::fmt;

use crate::topic::{TopicError, TopicFilter};

/// Names that templates know by themselves, so that no capture may take them.
pub const RESERVED_NAMES: [&str; 3] = ["topic", "source", "rule"];

/// `site/{area}/{line}/temp/#`: `{name}` is a `+` with a name, `{name...}` at the end a `#` with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    filter: TopicFilter,
    captures: Vec<Capture>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Capture {
    name: String,
    level: usize,
    takes_rest: bool,
}

impl Pattern {
    /// # Errors
    /// Says which rule of MQTT or of captures `text` breaks.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let shared_levels = if text.starts_with("$share/") { 2 } else { 0 };
        let depth = text.split('/').count();
        let mut captures: Vec<Capture> = Vec::new();
        let mut levels = Vec::with_capacity(depth);
        for (at, level) in text.split('/').enumerate() {
            if !level.contains(['{', '}']) {
                levels.push(level);
                continue;
            }
            let (name, takes_rest) = capture_name(level)?;
            if takes_rest && at + 1 < depth {
                return Err(PatternError::RestNotLast { name: name.into() });
            }
            if captures.iter().any(|known| known.name == name) {
                return Err(PatternError::CaptureTwice { name: name.into() });
            }
            captures.push(Capture { name: name.into(), level: at - shared_levels.min(at), takes_rest });
            levels.push(if takes_rest { "#" } else { "+" });
        }
        let filter = TopicFilter::parse(&levels.join("/"))?;
        Ok(Self { text: text.into(), filter, captures })
    }

    /// As written in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    pub fn capture_names(&self) -> impl Iterator<Item = &str> {
        self.captures.iter().map(|capture| capture.name.as_str())
    }

    /// Whether `name` is a `{name...}`, which may be several levels or none.
    #[must_use]
    pub fn takes_rest(&self, name: &str) -> bool {
        self.captures.iter().any(|capture| capture.takes_rest && capture.name == name)
    }

    /// The captures of a topic that the filter matches, in the order of the pattern.
    #[must_use]
    pub fn captures<'p, 't>(&'p self, topic: &'t str) -> Vec<(&'p str, &'t str)> {
        let value = |capture: &Capture| match capture.takes_rest {
            true => rest_from(topic, capture.level),
            false => topic.split('/').nth(capture.level).unwrap_or_default(),
        };
        self.captures.iter().map(|capture| (capture.name.as_str(), value(capture))).collect()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn rest_from(topic: &str, level: usize) -> &str {
    let mut rest = topic;
    for _ in 0..level {
        match rest.split_once('/') {
            Some((_, after)) => rest = after,
            None => return "",
        }
    }
    rest
}

fn capture_name(level: &str) -> Result<(&str, bool), PatternError> {
    let inner = level
        .strip_prefix('{')
        .and_then(|level| level.strip_suffix('}'))
        .filter(|inner| !inner.contains(['{', '}']))
        .ok_or_else(|| PatternError::CaptureNotAlone { level: level.into() })?;
    let (name, takes_rest) = match inner.strip_suffix("...") {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(PatternError::BadCaptureName { name: name.into() });
    }
    if RESERVED_NAMES.contains(&name) {
        return Err(PatternError::ReservedName { name: name.into() });
    }
    Ok((name, takes_rest))
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error(transparent)]
    Filter(#[from] TopicError),
    #[error("a capture fills its level, as `{{name}}`; `{level}` does not")]
    CaptureNotAlone { level: String },
    #[error("a capture's name is made of `A-Z a-z 0-9 _ -`, `{name}` is not")]
    BadCaptureName { name: String },
    #[error("`{name}` is known to every template already, so no capture may have that name")]
    ReservedName { name: String },
    #[error("the capture `{name}` stands twice in this filter")]
    CaptureTwice { name: String },
    #[error("`{{{name}...}}` takes all that follows, so it may only be the last level")]
    RestNotLast { name: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, topic: &str, expected: &[(&str, &str)]) {
        let pattern = Pattern::parse(pattern).unwrap();
        assert!(pattern.filter().matches(topic), "{pattern} on {topic}");
        assert_eq!(pattern.captures(topic), expected, "{pattern} on {topic}");
    }

    #[test]
    fn captures_take_their_level() {
        check("site/{area}/{line}/temp/#", "site/ulm/l1/temp/x", &[("area", "ulm"), ("line", "l1")]);
        check("{a}/+/{b}", "/x/", &[("a", ""), ("b", "")]);
    }

    #[test]
    fn a_rest_capture_takes_the_levels_that_follow_or_none() {
        check("a/{rest...}", "a/b/c", &[("rest", "b/c")]);
        check("a/{rest...}", "a", &[("rest", "")]);
        check("{rest...}", "a/b", &[("rest", "a/b")]);
    }

    #[test]
    fn captures_of_a_shared_filter_count_from_the_inner_filter() {
        check("$share/g/a/{b}", "a/x", &[("b", "x")]);
    }

    #[test]
    fn broken_patterns_say_what_is_wrong() {
        let refused = |text: &str| Pattern::parse(text).unwrap_err();
        assert_eq!(refused("a/{b}c"), PatternError::CaptureNotAlone { level: "{b}c".into() });
        assert_eq!(refused("a/{}"), PatternError::BadCaptureName { name: String::new() });
        assert_eq!(refused("a/{topic}"), PatternError::ReservedName { name: "topic".into() });
        assert_eq!(refused("{a}/{a}"), PatternError::CaptureTwice { name: "a".into() });
        assert_eq!(refused("{a...}/b"), PatternError::RestNotLast { name: "a".into() });
        assert_eq!(refused("a/#/b"), PatternError::Filter(TopicError::HashNotLast));
    }
}
