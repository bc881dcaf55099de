//! Templates of topics and keys: `{group}.{edge_node}.{metric}`.

use std::fmt;

use super::Sent;
use crate::topic::MessageType;

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group,
    EdgeNode,
    Device,
    Metric,
    MessageType,
    Broker,
}

/// A template that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    template: String,
    problem: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the template `{}` {}", self.template, self.problem)
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// # Errors
    /// An unknown name in braces, or a lone brace.
    pub fn parse(template: &str) -> Result<Self, PatternError> {
        let error = |problem: String| PatternError { template: template.to_owned(), problem };
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                text.push_str(from.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = inside else { return Err(error("has a lone brace".into())) };
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::named(name).ok_or_else(|| error(format!("uses the unknown name `{name}`")))?);
            rest = after;
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// Appends the template with its values as they are.
    pub(super) fn fill(&self, into: &mut String, sent: &Sent<'_>, metric: Option<&str>) {
        for part in &self.0 {
            into.push_str(part.value(sent, metric));
        }
    }

    /// The same for a Kafka topic: in values `/` becomes `.`, and what a topic may not have becomes `_`.
    pub(super) fn fill_topic(&self, into: &mut String, sent: &Sent<'_>, metric: Option<&str>) {
        for part in &self.0 {
            let value = part.value(sent, metric);
            match part {
                Part::Text(_) => into.push_str(value),
                Part::Group | Part::EdgeNode | Part::Device | Part::Metric | Part::MessageType | Part::Broker => {
                    into.extend(value.chars().map(|c| match c {
                        '/' => '.',
                        '.' | '_' | '-' => c,
                        _ if c.is_ascii_alphanumeric() => c,
                        _ => '_',
                    }));
                }
            }
        }
    }
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        match name {
            "group" => Some(Self::Group),
            "edge_node" => Some(Self::EdgeNode),
            "device" => Some(Self::Device),
            "metric" => Some(Self::Metric),
            "message_type" => Some(Self::MessageType),
            "broker" => Some(Self::Broker),
            _ => None,
        }
    }

    fn value<'a>(&'a self, sent: &Sent<'a>, metric: Option<&'a str>) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Group => sent.address.map_or("", |address| address.group),
            Self::EdgeNode => sent.address.map_or("", |address| address.edge_node),
            Self::Device => sent.address.and_then(|address| address.device).unwrap_or_default(),
            Self::Metric => metric.unwrap_or_default(),
            Self::MessageType => sent.kind.map_or("", MessageType::name),
            Self::Broker => sent.broker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_or_refused_with_the_reason() {
        assert_eq!(Pattern::parse("a.{{x}}").unwrap(), Pattern(vec![Part::Text("a.{x}".into())]));
        assert_eq!(Pattern::parse("{group}{metric}").unwrap(), Pattern(vec![Part::Group, Part::Metric]));
        assert!(Pattern::parse("{grop}").unwrap_err().to_string().contains("`grop`"));
        assert!(Pattern::parse("a}").unwrap_err().to_string().contains("lone brace"));
    }
}
