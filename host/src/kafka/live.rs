//! The producer in use, with a handle for each topic that was named so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::native::{Native, TopicHandle};
use crate::topic::KafkaTopic;

/// A producer and its topics.
pub(super) struct Live {
    pub(super) native: Arc<Native>,
    /// By `KafkaTopic::id`.
    topics: Vec<Option<LiveTopic>>,
}

/// One topic of the producer in use.
pub(super) struct LiveTopic {
    pub(super) topic: KafkaTopic,
    pub(super) handle: TopicHandle,
    parked: AtomicBool,
}

impl Live {
    pub(super) fn new(native: Arc<Native>) -> Self {
        Self { native, topics: Vec::new() }
    }

    pub(super) fn topic(&self, id: u32) -> Option<&LiveTopic> {
        self.topics.get(id as usize)?.as_ref()
    }

    /// The name of the topic with `id`.
    pub(super) fn topic_name(&self, id: u32) -> Option<String> {
        self.topic(id).map(|topic| topic.topic.name().to_owned())
    }

    /// Whether any topic was named yet.
    pub(super) fn has_topics(&self) -> bool {
        !self.topics.is_empty()
    }

    /// Makes the handle of `topic` where there is none. `parked` tells whether its records wait elsewhere.
    pub(super) fn add(&mut self, topic: &KafkaTopic, parked: bool) {
        let place = topic.id as usize;
        if self.topics.len() <= place {
            self.topics.resize_with(place + 1, || None);
        }
        if self.topics[place].is_none()
            && let Some(handle) = self.native.topic(topic.name(), topic.id)
        {
            self.topics[place] = Some(LiveTopic { topic: topic.clone(), handle, parked: AtomicBool::new(parked) });
        }
    }
}

impl LiveTopic {
    pub(super) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Acquire)
    }

    /// Only while `State::parked` is locked.
    pub(super) fn set_parked(&self, parked: bool) {
        self.parked.store(parked, Ordering::Release);
    }
}
