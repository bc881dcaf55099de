//! `Snapshot`: rules, plugins and what goes with them, swapped together.

use std::sync::Arc;

use super::rule::Rule;
use super::rule_set::RuleSet;
use crate::topic::KafkaTopic;

/// Everything that one reload changes at once.
pub struct Snapshot {
    /// Counts up from 1.
    pub generation: u64,
    /// By `SourceNo`.
    pub sources: Vec<Arc<RuleSet>>,
    /// Where failed messages go; `None` where no rule may dead-letter.
    pub dead_letter: Option<KafkaTopic>,
}

impl Snapshot {
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.sources.iter().flat_map(|set| set.rules())
    }

    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Arc<Rule>> {
        self.rules().find(|rule| *rule.name == *name)
    }
}
