//! `Order`: what of a message is kept in order. Messages with one order key go through one lane, one after the other.

use std::borrow::Cow;

use super::template::{Bindings, Template};

/// Where the order key comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Order {
    /// The whole MQTT topic.
    #[default]
    Topic,
    /// Levels of the MQTT topic, counted from 0, as a plugin asked for.
    Levels(Vec<u32>),
    /// The rule's own words.
    Template(Template),
}

impl Order {
    /// The order key of a message.
    #[must_use]
    pub fn key<'b>(&self, bindings: &Bindings<'b>) -> Cow<'b, str> {
        match self {
            Self::Topic => bindings.topic.into(),
            Self::Levels(levels) => of_levels(levels, bindings.topic).into(),
            Self::Template(template) => template.render(bindings).into(),
        }
    }
}

fn of_levels(levels: &[u32], topic: &str) -> String {
    let mut key = String::new();
    for level in levels {
        let at = usize::try_from(*level).unwrap_or(usize::MAX);
        key.push_str(topic.split('/').nth(at).unwrap_or_default());
        key.push('/');
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(order: &Order, topic: &str, key: &str) {
        let captures = [("area", "ulm")];
        assert_eq!(order.key(&Bindings { topic, source: "s", rule: "r", captures: &captures }), key);
    }

    #[test]
    fn levels_count_from_0_and_may_be_missing() {
        let order = Order::Levels(vec![1, 3]);
        check(&order, "spBv1.0/group/DDATA/node/device", "group/node/");
        check(&order, "spBv1.0/group/NBIRTH/node", "group/node/");
        check(&order, "spBv1.0/STATE/host", "STATE//");
    }

    #[test]
    fn a_rule_names_captures() {
        check(&Order::Topic, "a/b", "a/b");
        check(&Order::Template(Template::parse("{area}-x").unwrap()), "a/b", "ulm-x");
    }
}
