//! What the subscriber asked for, and which of it a topic matches.

use std::collections::HashMap;

/// All subscriptions of one client, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    wildcard: Vec<Subscription>,
    /// Filters without wildcards, so that thousands of them cost one look.
    literal: HashMap<String, Subscription>,
}

#[derive(Debug, Clone)]
struct Subscription {
    filter: String,
    identifier: Option<usize>,
}

/// Which subscriptions a topic serves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// How many.
    pub(super) count: usize,
    /// Their identifiers, each once; a subscription may have none.
    pub(super) identifiers: Vec<usize>,
}

impl Subscriptions {
    /// Adds a subscription; the same filter again replaces the old one (MQTT 5, 3.8.4).
    pub(super) fn add(&mut self, filter: &str, identifier: Option<usize>) {
        self.remove(filter);
        let subscription = Subscription { filter: filter.to_owned(), identifier };
        if filter.contains(['+', '#']) {
            self.wildcard.push(subscription);
        } else {
            self.literal.insert(filter.to_owned(), subscription);
        }
    }

    /// Forgets a subscription.
    pub(super) fn remove(&mut self, filter: &str) {
        self.wildcard.retain(|subscription| subscription.filter != filter);
        self.literal.remove(filter);
    }

    /// How many there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.wildcard.len() + self.literal.len()
    }

    /// The subscriptions that a topic serves.
    #[must_use]
    pub(super) fn matching(&self, topic: &str) -> Matches {
        let levels: Vec<&str> = topic.split('/').collect();
        let wildcard = self.wildcard.iter().filter(|subscription| covers(&subscription.filter, &levels));
        let mut matches = Matches::default();
        for subscription in wildcard.chain(self.literal.get(topic)) {
            matches.count += 1;
            matches.identifiers.extend(subscription.identifier);
        }
        matches.identifiers.sort_unstable();
        matches.identifiers.dedup();
        matches
    }
}

/// Whether a filter covers a topic given by its levels (MQTT 5, 4.7).
fn covers(filter: &str, levels: &[&str]) -> bool {
    let mut rest = levels.iter();
    for wanted in filter.split('/') {
        match (wanted, rest.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (name, Some(level)) if name == *level => {}
            (_, Some(_) | None) => return false,
        }
    }
    rest.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, topic: &str, expected: bool) {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(filter, Some(7));
        let identifiers = if expected { vec![7] } else { vec![] };
        assert_eq!(subscriptions.matching(topic), Matches { count: usize::from(expected), identifiers });
    }

    #[test]
    fn filters_cover_what_the_specification_says() {
        check("a/b", "a/b", true);
        check("a/b", "a/b/c", false);
        check("a/+/c", "a/b/c", true);
        check("a/+", "a", false);
        check("a/#", "a/b/c", true);
        check("a/#", "a", true);
        check("#", "a/b", true);
    }

    #[test]
    fn every_matching_subscription_is_named_once() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add("a/+", Some(2));
        subscriptions.add("a/b", Some(1));
        subscriptions.add("#", None);
        subscriptions.add("a/#", Some(2));
        assert_eq!(subscriptions.matching("a/b"), Matches { count: 4, identifiers: vec![1, 2] });
    }

    #[test]
    fn a_filter_again_replaces_and_a_removed_one_is_gone() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add("a/+", Some(2));
        subscriptions.add("a/+", Some(3));
        assert_eq!((subscriptions.len(), subscriptions.matching("a/b").identifiers), (1, vec![3]));
        subscriptions.remove("a/+");
        assert_eq!(subscriptions.matching("a/b").count, 0);
    }
}
