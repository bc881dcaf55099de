//! The filter index: which filters match a topic, in time that does not grow with the number of filters.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::topic::TopicFilter;

/// Filters by level. `V` is what a filter stands for.
pub struct Trie<V> {
    nodes: Vec<Node<V>>,
}

struct Node<V> {
    literal: HashMap<Box<str>, usize, RandomState>,
    plus: Option<usize>,
    /// Values of filters that end here.
    ends: Vec<V>,
    /// Values of filters that end here with `#`.
    rests: Vec<V>,
}

impl<V> Default for Node<V> {
    fn default() -> Self {
        Self { literal: HashMap::default(), plus: None, ends: Vec::new(), rests: Vec::new() }
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl<V: Copy> Trie<V> {
    pub fn insert(&mut self, filter: &TopicFilter, value: V) {
        let mut at = 0;
        for level in filter.levels().split('/') {
            match level {
                "#" => return self.nodes[at].rests.push(value),
                "+" => at = self.plus_child(at),
                literal => at = self.literal_child(at, literal),
            }
        }
        self.nodes[at].ends.push(value);
    }

    /// Appends the values of all filters that match `topic`, in no particular order.
    pub fn matching(&self, topic: &str, found: &mut Vec<V>) {
        let mut here = vec![0];
        let mut below = Vec::new();
        let mut hidden = topic.starts_with('$');
        for level in topic.split('/') {
            for at in here.drain(..) {
                let node: &Node<V> = &self.nodes[at];
                if !hidden {
                    found.extend_from_slice(&node.rests);
                    below.extend(node.plus);
                }
                below.extend(node.literal.get(level));
            }
            std::mem::swap(&mut here, &mut below);
            hidden = false;
        }
        for at in here {
            found.extend_from_slice(&self.nodes[at].ends);
            found.extend_from_slice(&self.nodes[at].rests);
        }
    }

    /// Appends the values of all filters that cover `filter`: whatever it would receive, they receive too.
    pub fn covering(&self, filter: &TopicFilter, found: &mut Vec<V>) {
        let mut here = vec![0];
        let mut below = Vec::new();
        let mut hidden = filter.levels().starts_with('$');
        for level in filter.levels().split('/') {
            for at in here.drain(..) {
                let node = &self.nodes[at];
                if !hidden {
                    found.extend_from_slice(&node.rests);
                }
                match level {
                    "#" => {}
                    "+" => below.extend(node.plus),
                    literal => {
                        below.extend(node.plus.filter(|_| !hidden));
                        below.extend(node.literal.get(literal));
                    }
                }
            }
            std::mem::swap(&mut here, &mut below);
            hidden = false;
        }
        for at in here {
            found.extend_from_slice(&self.nodes[at].ends);
            found.extend_from_slice(&self.nodes[at].rests);
        }
    }

    fn plus_child(&mut self, at: usize) -> usize {
        match self.nodes[at].plus {
            Some(child) => child,
            None => {
                let child = self.add();
                *self.nodes[at].plus.insert(child)
            }
        }
    }

    fn literal_child(&mut self, at: usize, level: &str) -> usize {
        match self.nodes[at].literal.get(level) {
            Some(child) => *child,
            None => {
                let child = self.add();
                self.nodes[at].literal.insert(level.into(), child);
                child
            }
        }
    }

    fn add(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("b"), Just(""), Just("$x")]
    }

    fn filter() -> impl Strategy<Value = TopicFilter> {
        let any_level = prop_oneof![2 => level(), 1 => Just("+")];
        (prop::collection::vec(any_level, 1..4), any::<bool>()).prop_filter_map("empty", |(levels, rest)| {
            let text = levels.join("/") + if rest { "/#" } else { "" };
            TopicFilter::parse(&text).ok()
        })
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_each_filter_asked_alone(
            filters in prop::collection::vec(filter(), 1..20),
            levels in prop::collection::vec(level(), 1..5),
        ) {
            let topic = levels.join("/");
            let mut trie = Trie::default();
            for (value, filter) in filters.iter().enumerate() {
                trie.insert(filter, value);
            }
            let mut found = Vec::new();
            trie.matching(&topic, &mut found);
            found.sort_unstable();
            let expected: Vec<usize> = (0..filters.len()).filter(|value| filters[*value].matches(&topic)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn covering_agrees_with_each_filter_asked_alone(filters in prop::collection::vec(filter(), 1..20), asked in filter()) {
            let mut trie = Trie::default();
            for (value, filter) in filters.iter().enumerate() {
                trie.insert(filter, value);
            }
            let mut found = Vec::new();
            trie.covering(&asked, &mut found);
            found.sort_unstable();
            let expected: Vec<usize> = (0..filters.len()).filter(|value| filters[*value].covers(&asked)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
