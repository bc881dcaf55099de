//! `Route`: everything that a topic alone decides, worked out once and kept: which rules, which Kafka topics, keys and
//! headers. On the hot path a message costs one look-up.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;

use crate::message::{Header, Message, SubscriptionId};
use crate::router::template::Bindings;
use crate::router::{Destination, Match, Rule, RuleSet};
use crate::topic::{KafkaTopic, KafkaTopicError, KafkaTopics, TopicName};

/// The rules of one topic, bound to it.
pub struct Route {
    pub legs: Vec<Arc<Leg>>,
    /// Our subscriptions that can have brought the message.
    bringing: Vec<SubscriptionId>,
}

/// One rule on one topic.
pub struct Leg {
    pub rule: Arc<Rule>,
    pub destinations: Vec<Bound>,
    /// The order key's place among the lanes: the same key, the same lane.
    pub lane_hash: u64,
    serving: Vec<SubscriptionId>,
}

/// A destination with its templates rendered.
pub struct Bound {
    pub cluster: usize,
    /// Rendered by the rule; a plugin may name another.
    pub topic: Result<KafkaTopic, BadTopic>,
    pub key: Bytes,
    pub headers: Arc<[Header]>,
}

/// A rendered topic that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the rendered Kafka topic `{topic}` cannot be used: {cause}")]
pub struct BadTopic {
    pub topic: String,
    pub cause: KafkaTopicError,
}

impl Route {
    /// The route of what is no message.
    #[must_use]
    pub fn none() -> Self {
        Self { legs: Vec::new(), bringing: Vec::new() }
    }

    /// Works out the route of `topic`.
    #[must_use]
    pub fn find(rules: &RuleSet, topic: &TopicName, topics: &[Arc<KafkaTopics>], hashing: &RandomState) -> Self {
        let leg = |found: Match<'_>| Arc::new(Leg::bind(found, &rules.source, topic.as_str(), topics, hashing));
        Self {
            legs: rules.matching(topic.as_str()).into_iter().map(leg).collect(),
            bringing: rules.plan().bringing(topic.as_str()),
        }
    }

    /// Whether `id` is a subscription of ours that can have brought a message of this topic.
    #[must_use]
    pub fn knows(&self, id: SubscriptionId) -> bool {
        self.bringing.contains(&id)
    }
}

impl Leg {
    /// The leg of a rule for a topic that no message brings; `None` where the rule does not have the topic.
    #[must_use]
    pub fn about(rule: &Arc<Rule>, source: &str, topic: &TopicName, topics: &[Arc<KafkaTopics>]) -> Option<Self> {
        let pattern = rule.from.iter().position(|from| from.filter().matches(topic.as_str()))?;
        let found = Match { rule, pattern, serving: Vec::new() };
        Some(Self::bind(found, source, topic.as_str(), topics, &RandomState::default()))
    }

    /// Names the rule alone: for calls whose records get legs of their own.
    #[must_use]
    pub fn of_rule(rule: &Arc<Rule>) -> Self {
        Self { rule: rule.clone(), destinations: Vec::new(), lane_hash: 0, serving: Vec::new() }
    }

    /// The leg of a rule for records that speak of no topic: captures stand for nothing.
    #[must_use]
    pub fn without_message(rule: &Arc<Rule>, source: &str, topic: &str, topics: &[Arc<KafkaTopics>]) -> Self {
        let bindings = Bindings { topic, source, rule: &rule.name, captures: &[] };
        let destinations = rule.to.iter().map(|to| Bound::render(to, &bindings, topics)).collect();
        Self { rule: rule.clone(), destinations, lane_hash: 0, serving: Vec::new() }
    }

    fn bind(found: Match<'_>, source: &str, topic: &str, topics: &[Arc<KafkaTopics>], hashing: &RandomState) -> Self {
        let Match { rule, pattern, serving } = found;
        let captures = rule.from[pattern].captures(topic);
        let bindings = Bindings { topic, source, rule: &rule.name, captures: &captures };
        let destinations = rule.to.iter().map(|to| Bound::render(to, &bindings, topics)).collect();
        let lane_hash = hashing.hash_one(&*rule.order.key(&bindings));
        Self { rule: rule.clone(), destinations, lane_hash, serving }
    }

    /// Whether this copy of the message is the one that the rule answers.
    #[must_use]
    pub fn is_served_by(&self, ids: &[SubscriptionId]) -> bool {
        self.serving.iter().any(|serving| ids.contains(serving))
    }

    /// The subscriptions whose copies serve the rule; usually one.
    #[must_use]
    pub fn serving(&self) -> &[SubscriptionId] {
        &self.serving
    }
}

impl Bound {
    fn render(to: &Destination, bindings: &Bindings<'_>, topics: &[Arc<KafkaTopics>]) -> Self {
        let cluster = usize::from(to.cluster.0);
        let key = match &to.key {
            Some(key) => key.render(bindings),
            None => bindings.topic.to_owned(),
        };
        let header = |(name, value): &(Arc<str>, _)| Header { name: name.clone(), value: render(value, bindings) };
        Self {
            cluster,
            topic: named(&to.topic.render_kafka_topic(bindings), &topics[cluster]),
            key: key.into(),
            headers: to.headers.iter().map(header).collect(),
        }
    }
}

fn render(template: &crate::router::template::Template, bindings: &Bindings<'_>) -> Bytes {
    template.render(bindings).into()
}

/// The Kafka topic of that name.
///
/// # Errors
/// Where Kafka does not allow the name or there are too many.
pub fn named(name: &str, topics: &KafkaTopics) -> Result<KafkaTopic, BadTopic> {
    topics.intern(name).map_err(|cause| BadTopic { topic: name.into(), cause })
}

/// Routes by topic, bounded: two generations, of which the older goes when the younger is full.
pub struct RouteCache {
    young: HashMap<Bytes, Arc<Route>, RandomState>,
    old: HashMap<Bytes, Arc<Route>, RandomState>,
}

impl RouteCache {
    /// Most topics in one generation.
    const TOPICS_MAX: usize = 8192;

    #[must_use]
    pub fn new() -> Self {
        Self { young: HashMap::default(), old: HashMap::default() }
    }

    /// Forgets all routes: the rules have changed.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// The route of the message's topic, from the cache or by `find`.
    pub fn get(&mut self, message: &Message, find: impl FnOnce(&TopicName) -> Route) -> Arc<Route> {
        let topic = message.topic.as_bytes();
        if let Some(known) = self.young.get(topic) {
            return known.clone();
        }
        let route = match self.old.remove(topic) {
            Some(known) => known,
            None => Arc::new(find(&message.topic)),
        };
        if self.young.len() >= Self::TOPICS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        // A copy of the topic: a slice would keep the whole read buffer alive.
        self.young.insert(Bytes::copy_from_slice(topic), route.clone());
        route
    }
}

impl Default for RouteCache {
    fn default() -> Self {
        Self::new()
    }
}
