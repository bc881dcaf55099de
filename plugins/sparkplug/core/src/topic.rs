//! The namespace: which topics are Sparkplug's, and what they name (Sparkplug 4).
//!
//! Decided by position and number of levels, never by content. Ids are kept as sent.

use std::fmt;

/// The types of message with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    Nbirth,
    Ndeath,
    Ndata,
    Ncmd,
    Dbirth,
    Ddeath,
    Ddata,
    Dcmd,
}

impl MessageType {
    /// As it stands in topics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nbirth => "NBIRTH",
            Self::Ndeath => "NDEATH",
            Self::Ndata => "NDATA",
            Self::Ncmd => "NCMD",
            Self::Dbirth => "DBIRTH",
            Self::Ddeath => "DDEATH",
            Self::Ddata => "DDATA",
            Self::Dcmd => "DCMD",
        }
    }

    #[must_use]
    pub fn is_birth(self) -> bool {
        matches!(self, Self::Nbirth | Self::Dbirth)
    }

    #[must_use]
    pub fn is_command(self) -> bool {
        matches!(self, Self::Ncmd | Self::Dcmd)
    }

    /// The inverse of `as u64`.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        let all =
            [Self::Nbirth, Self::Ndeath, Self::Ndata, Self::Ncmd, Self::Dbirth, Self::Ddeath, Self::Ddata, Self::Dcmd];
        all.get(usize::try_from(code).ok()?).copied()
    }

    fn parse(level: &str) -> Option<Self> {
        match level {
            "NBIRTH" => Some(Self::Nbirth),
            "NDEATH" => Some(Self::Ndeath),
            "NDATA" => Some(Self::Ndata),
            "NCMD" => Some(Self::Ncmd),
            "DBIRTH" => Some(Self::Dbirth),
            "DDEATH" => Some(Self::Ddeath),
            "DDATA" => Some(Self::Ddata),
            "DCMD" => Some(Self::Dcmd),
            _ => None,
        }
    }

    /// Node types have four levels, device types five.
    fn is_of_device(self) -> bool {
        matches!(self, Self::Dbirth | Self::Ddeath | Self::Ddata | Self::Dcmd)
    }
}

/// Who speaks: an edge node, or one of its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    pub group: &'a str,
    pub edge_node: &'a str,
    pub device: Option<&'a str>,
}

/// What a topic is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic<'a> {
    /// Outside of the namespace: none of our business.
    Foreign,
    /// A host's state, in the dialect of 3.0 or of 2.2.
    State {
        host_id: &'a str,
        dialect: Dialect,
    },
    Message {
        kind: MessageType,
        address: Address<'a>,
    },
    /// A birth that a Sparkplug-aware broker keeps (`$sparkplug/certificates/…`): says what a node was, not that it is.
    Certificate {
        kind: MessageType,
        address: Address<'a>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    V3,
    V2,
}

/// Why a topic inside of the namespace is refused (`tck-id-topic-structure`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    Levels,
    UnknownType,
    /// A node type with a device, or a device type without one
    /// (`tck-id-topic-structure-namespace-device-id-associated-message-types`, `-non-associated-message-types`).
    DeviceMismatch,
    EmptyId,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Levels => "the topic has too few or too many levels for spBv1.0",
            Self::UnknownType => "the topic's message type is not one of spBv1.0",
            Self::DeviceMismatch => "the topic's message type and its number of levels do not agree",
            Self::EmptyId => "the topic has an empty id",
        })
    }
}

impl std::error::Error for TopicError {}

const NAMESPACE: &str = "spBv1.0";
const CERTIFICATES: &str = "$sparkplug/certificates/";

impl<'a> Topic<'a> {
    /// Reads a topic that may have `prefix` (levels without a `/` at the end) in front.
    ///
    /// # Errors
    /// Inside of the namespace, but of a wrong shape.
    pub fn parse(topic: &'a str, prefix: &str) -> Result<Self, TopicError> {
        let Some(topic) = without_prefix(topic, prefix) else { return Ok(Self::Foreign) };
        if let Some(kept) = topic.strip_prefix(CERTIFICATES) {
            return match Self::parse(kept, "")? {
                Self::Message { kind, address } if kind.is_birth() => Ok(Self::Certificate { kind, address }),
                Self::Message { .. } | Self::Foreign | Self::State { .. } | Self::Certificate { .. } => {
                    Err(TopicError::UnknownType)
                }
            };
        }
        match topic.split_once('/') {
            Some((NAMESPACE, rest)) => Self::parse_levels(rest),
            Some(("STATE", host_id)) if !host_id.is_empty() && !host_id.contains('/') => {
                Ok(Self::State { host_id, dialect: Dialect::V2 })
            }
            Some(_) => Ok(Self::Foreign),
            None if topic == NAMESPACE => Err(TopicError::Levels),
            None => Ok(Self::Foreign),
        }
    }

    fn parse_levels(rest: &'a str) -> Result<Self, TopicError> {
        let mut levels = rest.split('/');
        let (first, second, third, fourth) = (levels.next(), levels.next(), levels.next(), levels.next());
        if levels.next().is_some() {
            return Err(TopicError::Levels);
        }
        match (first, second, third, fourth) {
            (Some("STATE"), Some(host_id), None, None) if !host_id.is_empty() => {
                Ok(Self::State { host_id, dialect: Dialect::V3 })
            }
            (Some(group), Some(kind), Some(edge_node), device) => {
                let kind = MessageType::parse(kind).ok_or(TopicError::UnknownType)?;
                if kind.is_of_device() != device.is_some() {
                    return Err(TopicError::DeviceMismatch);
                }
                if group.is_empty() || edge_node.is_empty() || device == Some("") {
                    return Err(TopicError::EmptyId);
                }
                Ok(Self::Message { kind, address: Address { group, edge_node, device } })
            }
            _ => Err(TopicError::Levels),
        }
    }
}

fn without_prefix<'a>(topic: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() { Some(topic) } else { topic.strip_prefix(prefix)?.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: MessageType, device: Option<&'static str>) -> Result<Topic<'static>, TopicError> {
        Ok(Topic::Message { kind, address: Address { group: "G", edge_node: "E", device } })
    }

    fn check(topic: &str, expected: Result<Topic<'_>, TopicError>) {
        assert_eq!(Topic::parse(topic, ""), expected, "{topic}");
    }

    #[test]
    fn topic_structure() {
        check("spBv1.0/G/NBIRTH/E", message(MessageType::Nbirth, None));
        check("spBv1.0/G/DDATA/E/D", message(MessageType::Ddata, Some("D")));
        check("spBv1.0/G/DDATA/E", Err(TopicError::DeviceMismatch));
        check("spBv1.0/G/NDATA/E/D", Err(TopicError::DeviceMismatch));
        check("spBv1.0/G/NDATA/E/D/x", Err(TopicError::Levels));
        check("spBv1.0/G/ndata/E", Err(TopicError::UnknownType));
        check("spBv1.0/G/NDATA", Err(TopicError::Levels));
        check("spBv1.0/G/NDATA/", Err(TopicError::EmptyId));
        check("spBv1.0", Err(TopicError::Levels));
    }

    #[test]
    fn other_namespaces_are_foreign() {
        for topic in ["spAv1.0/G/NDATA/E", "spBv1.00/G/NDATA/E", "spbv1.0/G/NDATA/E", "a", "STATE", "STATE/a/b"] {
            check(topic, Ok(Topic::Foreign));
        }
    }

    #[test]
    fn state_is_told_by_position() {
        check("spBv1.0/STATE/h", Ok(Topic::State { host_id: "h", dialect: Dialect::V3 }));
        check("STATE/h", Ok(Topic::State { host_id: "h", dialect: Dialect::V2 }));
        let address = Address { group: "STATE", edge_node: "E", device: None };
        check("spBv1.0/STATE/NDATA/E", Ok(Topic::Message { kind: MessageType::Ndata, address }));
    }

    #[test]
    fn certificates_are_births() {
        let address = Address { group: "G", edge_node: "E", device: None };
        let certificate = Topic::Certificate { kind: MessageType::Nbirth, address };
        check("$sparkplug/certificates/spBv1.0/G/NBIRTH/E", Ok(certificate));
        check("$sparkplug/certificates/spBv1.0/G/NDATA/E", Err(TopicError::UnknownType));
    }

    #[test]
    fn a_prefix_of_a_bridge_is_taken_off() {
        assert_eq!(Topic::parse("site/ulm/spBv1.0/G/NBIRTH/E", "site/ulm"), message(MessageType::Nbirth, None));
        assert_eq!(Topic::parse("spBv1.0/G/NBIRTH/E", "site/ulm"), Ok(Topic::Foreign));
    }
}
