//! `RuleSet`: all rules of one source, immutable, with the index that finds those of a topic.

use std::sync::Arc;

use super::rule::Rule;
use super::subscriptions::Plan;
use super::trie::Trie;
use crate::message::SubscriptionId;

/// The rules of one source; swapped whole.
pub struct RuleSet {
    pub source: Arc<str>,
    rules: Vec<Arc<Rule>>,
    index: Trie<Leaf>,
    plan: Plan,
}

/// A filter's place: rule, then place in `from`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    rule: usize,
    pattern: usize,
}

/// A rule that has a topic, by the first of its patterns that matches.
pub struct Match<'r> {
    pub rule: &'r Arc<Rule>,
    /// Place in `rule.from`.
    pub pattern: usize,
    /// The subscriptions whose copies serve it.
    pub serving: Vec<SubscriptionId>,
}

impl RuleSet {
    /// `before` is the plan of the rule set that this one follows.
    #[must_use]
    pub fn new(source: Arc<str>, rules: Vec<Arc<Rule>>, before: &Plan) -> Self {
        let mut index = Trie::default();
        for (rule, found) in rules.iter().enumerate() {
            for (pattern, from) in found.from.iter().enumerate() {
                index.insert(from.filter(), Leaf { rule, pattern });
            }
        }
        let filters = rules.iter().flat_map(|rule| rule.from.iter().map(|from| (from.filter(), rule.qos)));
        let plan = Plan::new(filters, before);
        Self { source, rules, index, plan }
    }

    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The rules that have `topic`, each once, in file order.
    #[must_use]
    pub fn matching(&self, topic: &str) -> Vec<Match<'_>> {
        let mut leaves = Vec::new();
        self.index.matching(topic, &mut leaves);
        leaves.sort_unstable();
        leaves.dedup_by_key(|leaf| leaf.rule);
        let matched = |leaf: &Leaf| {
            let rule = &self.rules[leaf.rule];
            let serving = self.plan.serving(rule.from[leaf.pattern].filter());
            Match { rule, pattern: leaf.pattern, serving }
        };
        leaves.iter().map(matched).collect()
    }
}
