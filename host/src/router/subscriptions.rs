//! Which filters a source subscribes to, and which of its subscriptions serves which rule.
//!
//! A broker may send one copy of a message per matching subscription (Mosquitto does for MQTT 5). So a source subscribes
//! only to filters that no other of its filters covers, gives each subscription an identifier, and lets a copy serve
//! only the rules behind the subscriptions that it names.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::trie::Trie;
use crate::message::{Qos, SubscriptionId};
use crate::seam::Subscription;
use crate::topic::TopicFilter;

/// Highest subscription identifier (MQTT 5, section 3.8.2.1.2).
const ID_MAX: u32 = 268_435_455;

/// What a source subscribes to.
#[derive(Default)]
pub struct Plan {
    /// To be subscribed.
    pub wanted: Vec<Subscription>,
    /// Subscribed under the plan before and no longer wanted: their copies still serve until the broker lets go.
    pub leaving: Vec<Subscription>,
    /// Of both.
    filters: HashMap<SubscriptionId, TopicFilter>,
    standing: Trie<SubscriptionId>,
    going: Trie<SubscriptionId>,
    /// Shared subscriptions, which cover nothing but themselves.
    shared: Vec<SubscriptionId>,
}

impl Plan {
    /// The plan for `filters`, following `before`. A subscription that stands stays while a rule has its very filter,
    /// even where a wider one has come: letting it go would leave a moment in which no copy serves.
    #[must_use]
    pub fn new<'f>(filters: impl Iterator<Item = (&'f TopicFilter, Qos)>, before: &Self) -> Self {
        let asked = highest_qos(filters);
        let mut index = Trie::default();
        for filter in asked.keys().copied().filter(|filter| !filter.is_shared()) {
            index.insert(filter, filter);
        }
        let stood: HashSet<&TopicFilter> = before.wanted.iter().map(|known| &known.filter).collect();
        let mut ids = Ids::following(before);
        let mut plan = Self::default();
        for filter in asked.keys().copied().filter(|filter| stood.contains(filter) || is_widest(filter, &index)) {
            plan.want(filter, ids.of(filter));
        }
        for (filter, qos) in asked {
            plan.raise_qos(filter, qos);
        }
        plan.let_go_of_the_rest(before);
        plan
    }

    /// The subscriptions whose copies serve a rule's `filter`: the one that it stands behind, and those about to leave
    /// that cover it, since either may bring the message while the broker changes over.
    #[must_use]
    pub fn serving(&self, filter: &TopicFilter) -> Vec<SubscriptionId> {
        let mut serving = Vec::new();
        serving.extend(self.behind(filter));
        if !filter.is_shared() {
            self.going.covering(filter, &mut serving);
        }
        serving
    }

    /// The subscriptions of ours that can bring a message of `topic`.
    #[must_use]
    pub fn bringing(&self, topic: &str) -> Vec<SubscriptionId> {
        let mut bringing = Vec::new();
        self.standing.matching(topic, &mut bringing);
        self.going.matching(topic, &mut bringing);
        bringing.extend(self.shared.iter().copied().filter(|id| self.filters[id].matches(topic)));
        bringing
    }

    /// The wanted subscription that brings what `filter` asks for: its own, else the first that covers it.
    fn behind(&self, filter: &TopicFilter) -> Option<SubscriptionId> {
        let is_own = |id: &SubscriptionId| self.filters.get(id) == Some(filter);
        if filter.is_shared() {
            return self.shared.iter().copied().find(is_own);
        }
        let mut covering = Vec::new();
        self.standing.covering(filter, &mut covering);
        covering.iter().copied().find(is_own).or_else(|| covering.into_iter().min())
    }

    fn want(&mut self, filter: &TopicFilter, id: SubscriptionId) {
        self.wanted.push(Subscription { filter: filter.clone(), qos: Qos::AtMostOnce, id });
        self.filters.insert(id, filter.clone());
        match filter.is_shared() {
            true => self.shared.push(id),
            false => self.standing.insert(filter, id),
        }
    }

    fn raise_qos(&mut self, filter: &TopicFilter, qos: Qos) {
        let Some(id) = self.behind(filter) else { return };
        if let Ok(place) = self.wanted.binary_search_by(|known| known.filter.cmp(&self.filters[&id])) {
            self.wanted[place].qos = self.wanted[place].qos.max(qos);
        }
    }

    fn let_go_of_the_rest(&mut self, before: &Self) {
        for known in before.wanted.iter().chain(&before.leaving) {
            if self.filters.insert(known.id, known.filter.clone()).is_none() {
                self.leaving.push(known.clone());
                match known.filter.is_shared() {
                    true => self.shared.push(known.id),
                    false => self.going.insert(&known.filter, known.id),
                }
            }
        }
    }
}

/// In filter order, which `wanted` keeps.
fn highest_qos<'f>(filters: impl Iterator<Item = (&'f TopicFilter, Qos)>) -> BTreeMap<&'f TopicFilter, Qos> {
    let mut asked: BTreeMap<&TopicFilter, Qos> = BTreeMap::new();
    for (filter, qos) in filters {
        let highest = asked.entry(filter).or_insert(qos);
        *highest = (*highest).max(qos);
    }
    asked
}

/// Whether no other filter covers it. Two texts never cover each other, so this never drops both.
fn is_widest<'f>(filter: &'f TopicFilter, index: &Trie<&'f TopicFilter>) -> bool {
    if filter.is_shared() {
        return true;
    }
    let mut covering = Vec::new();
    index.covering(filter, &mut covering);
    covering.iter().all(|wide| *wide == filter)
}

/// Identifiers made from the filter's text, so that they mean the same after a restart on a session that the broker
/// kept; the next free one where two texts collide.
struct Ids {
    known: HashMap<TopicFilter, SubscriptionId>,
    taken: HashSet<SubscriptionId>,
}

impl Ids {
    fn following(before: &Plan) -> Self {
        let known: HashMap<_, _> = before.filters.iter().map(|(id, filter)| (filter.clone(), *id)).collect();
        let taken = known.values().copied().collect();
        Self { known, taken }
    }

    fn of(&mut self, filter: &TopicFilter) -> SubscriptionId {
        if let Some(known) = self.known.get(filter) {
            return *known;
        }
        let mut id = SubscriptionId(fnv1a(filter.as_str()) % ID_MAX + 1);
        while !self.taken.insert(id) {
            id = SubscriptionId(id.0 % ID_MAX + 1);
        }
        id
    }
}

/// FNV-1a, 32 bits: stable across versions and machines, which the identifiers must be.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    fn plan(texts: &[&str], before: &Plan) -> Plan {
        let filters: Vec<TopicFilter> = texts.iter().map(|text| filter(text)).collect();
        Plan::new(filters.iter().map(|filter| (filter, Qos::AtLeastOnce)), before)
    }

    fn wanted(plan: &Plan) -> Vec<&str> {
        plan.wanted.iter().map(|subscription| subscription.filter.as_str()).collect()
    }

    #[test]
    fn only_filters_that_no_other_covers_are_subscribed() {
        let plan = plan(&["a/#", "a/b", "a/+/c", "b/+"], &Plan::default());
        assert_eq!(wanted(&plan), ["a/#", "b/+"]);
        assert_eq!(plan.serving(&filter("a/b")), plan.serving(&filter("a/#")));
    }

    #[test]
    fn overlapping_filters_are_both_subscribed_and_serve_their_own() {
        let plan = plan(&["a/+/c", "a/b/+"], &Plan::default());
        assert_eq!(wanted(&plan).len(), 2);
        assert_ne!(plan.serving(&filter("a/+/c")), plan.serving(&filter("a/b/+")));
    }

    #[test]
    fn the_widest_takes_the_highest_qos_behind_it() {
        let (wide, narrow) = (filter("a/#"), filter("a/b"));
        let asked = [(&wide, Qos::AtMostOnce), (&narrow, Qos::ExactlyOnce)];
        assert_eq!(Plan::new(asked.into_iter(), &Plan::default()).wanted[0].qos, Qos::ExactlyOnce);
    }

    #[test]
    fn a_standing_subscription_stays_when_a_wider_one_comes() {
        let before = plan(&["a/b"], &Plan::default());
        let after = plan(&["a/#", "a/b"], &before);
        assert_eq!(wanted(&after), ["a/#", "a/b"]);
        assert!(after.leaving.is_empty());
        assert_eq!(after.serving(&filter("a/b")), [before.wanted[0].id]);
    }

    #[test]
    fn when_the_wide_one_goes_either_copy_serves() {
        let before = plan(&["a/#", "a/b"], &Plan::default());
        let after = plan(&["a/b"], &before);
        assert_eq!(wanted(&after), ["a/b"]);
        assert_eq!(after.serving(&filter("a/b")), [after.wanted[0].id, before.wanted[0].id]);
    }

    #[test]
    fn identifiers_come_from_the_filter_so_that_they_outlive_the_process() {
        let one = plan(&["a/b", "c"], &Plan::default());
        let other = plan(&["c", "d"], &Plan::default());
        assert_eq!(one.serving(&filter("c")), other.serving(&filter("c")));
    }
}
