//! What a rule allows a plugin beyond computing, logging and reading its message.

use std::fmt;

use crate::topic::TopicFilter;

/// One thing that can be granted: the name of the imported interface and of the entry in `grants`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grant {
    State,
    Publish,
    Lookup,
    Clock,
    Metrics,
}

impl Grant {
    pub const ALL: [Self; 5] = [Self::State, Self::Publish, Self::Lookup, Self::Clock, Self::Metrics];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Publish => "publish",
            Self::Lookup => "lookup",
            Self::Clock => "clock",
            Self::Metrics => "metrics",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.name() == name)
    }

    /// How it may be written in a rule.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::State => "\"state\"",
            Self::Publish => "{ publish = [\"FILTER\"] }",
            Self::Lookup => "\"lookup\"",
            Self::Clock => "\"clock\"",
            Self::Metrics => "\"metrics\"",
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All that one entry of `via` grants; the default grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants {
    pub state: bool,
    pub clock: bool,
    pub metrics: bool,
    pub publish: Option<PublishGrant>,
    pub lookup: Option<LookupGrant>,
}

/// Where a plugin may publish to, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublishGrant {
    pub topics: Vec<TopicFilter>,
    pub per_s_max: u32,
}

/// Which tables a plugin may look into.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LookupGrant {
    All,
    Tables(Vec<String>),
}

impl Grants {
    #[must_use]
    pub fn has(&self, grant: Grant) -> bool {
        match grant {
            Grant::State => self.state,
            Grant::Publish => self.publish.is_some(),
            Grant::Lookup => self.lookup.is_some(),
            Grant::Clock => self.clock,
            Grant::Metrics => self.metrics,
        }
    }

    /// Everything, publishing to any topic: for trying a plugin where nothing leaves.
    #[must_use]
    pub fn all() -> Self {
        let topics = TopicFilter::parse("#").into_iter().collect();
        Self {
            state: true,
            clock: true,
            metrics: true,
            publish: Some(PublishGrant { topics, per_s_max: u32::MAX }),
            lookup: Some(LookupGrant::All),
        }
    }
}
