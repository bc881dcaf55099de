//! Which subscriptions we want, which the broker holds, and the requests that bring the two together.
//!
//! Invariant: pure. New and changed subscriptions are asked for before any is given up, so that no message falls
//! between an old filter and its replacement; what is held as wanted is not touched.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::back::FIRST_ID;
use super::reason::{ReasonCode, Violation};
use crate::message::{Qos, SubscriptionId};
use crate::seam::Subscription;
use crate::topic::TopicFilter;

/// Most requests that wait for an answer at a time.
const REQUESTS_MAX: usize = 256;
/// Most filters in one request without subscription identifier: what the smallest known broker limit allows.
const FILTERS_MAX: usize = 8;

/// A packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Subscribe { packet_id: u16, id: Option<SubscriptionId>, filters: Vec<(TopicFilter, Qos)> },
    Unsubscribe { packet_id: u16, filters: Vec<TopicFilter> },
}

/// A filter that the broker does not serve as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub filter: String,
    pub code: u8,
    pub text: &'static str,
}

/// A filter that the broker serves with a lower QoS than asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowered {
    pub filter: String,
    pub granted: Qos,
}

/// How a broker wants to be asked, which depends on protocol and CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Each SUBSCRIBE carries its subscription's identifier.
    pub with_ids: bool,
    /// Asking again for what the broker's kept session should hold is harmless: it sends retained messages only for
    /// what is new to it.
    pub ask_again: bool,
}

/// What a subscription asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Terms {
    qos: Qos,
    /// `None` where the broker allows none.
    id: Option<SubscriptionId>,
}

enum Asked {
    Subscribe(Vec<(TopicFilter, Terms)>),
    Unsubscribe(Vec<TopicFilter>),
}

/// The subscriptions of one source.
pub(super) struct Subscriptions {
    manner: Manner,
    wanted: HashMap<TopicFilter, Subscription>,
    /// Acknowledged by the broker in its present session.
    held: HashMap<TopicFilter, Terms>,
    asked: HashMap<u16, Asked>,
    /// Filters of `asked`.
    busy: HashSet<TopicFilter>,
    refused: BTreeMap<TopicFilter, ReasonCode>,
    /// Granted with a lower QoS than asked for.
    lowered: BTreeMap<TopicFilter, Qos>,
    /// Filters to look at, in the order they were wanted.
    due: VecDeque<TopicFilter>,
    next_packet_id: u16,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            manner: Manner { with_ids: false, ask_again: false },
            wanted: HashMap::new(),
            held: HashMap::new(),
            asked: HashMap::new(),
            busy: HashSet::new(),
            refused: BTreeMap::new(),
            lowered: BTreeMap::new(),
            due: VecDeque::new(),
            next_packet_id: 0,
        }
    }
}

impl Subscriptions {
    /// The rules want these, all of them and no others.
    pub(super) fn want(&mut self, wanted: &[Subscription]) {
        self.wanted = wanted.iter().map(|one| (one.filter.clone(), one.clone())).collect();
        self.refused.retain(|filter, _| self.wanted.contains_key(filter));
        self.lowered.retain(|filter, _| self.wanted.contains_key(filter));
        self.due = wanted.iter().map(|one| one.filter.clone()).collect();
    }

    /// A new connection stands; what was asked on the old one is void.
    pub(super) fn linked(&mut self, resumed: bool, manner: Manner) {
        self.manner = manner;
        self.asked.clear();
        self.busy.clear();
        self.refused.clear();
        if !resumed {
            self.held.clear();
        } else if manner.ask_again {
            self.held.retain(|filter, _| !self.wanted.contains_key(filter));
        }
        let mut due: Vec<&Subscription> = self.wanted.values().collect();
        due.sort_by_key(|one| one.id);
        self.due = due.into_iter().map(|one| one.filter.clone()).collect();
    }

    /// Asks again for what was refused.
    pub(super) fn retry(&mut self) {
        self.due.extend(self.refused.keys().cloned());
    }

    /// The next packet to send, if any may be sent now.
    pub(super) fn take_next(&mut self) -> Option<Request> {
        if self.asked.len() >= REQUESTS_MAX {
            return None;
        }
        self.next_subscribe().or_else(|| self.next_unsubscribe())
    }

    /// # Errors
    /// Where the SUBACK answers nothing that we asked.
    pub(super) fn suback(&mut self, packet_id: u16, codes: &[ReasonCode]) -> Result<(), Violation> {
        let unasked = Violation::protocol("a SUBACK that answers no SUBSCRIBE of ours");
        let Some(Asked::Subscribe(filters)) = self.asked.remove(&packet_id) else { return Err(unasked) };
        if filters.len() != codes.len() {
            return Err(unasked);
        }
        for ((filter, terms), code) in filters.into_iter().zip(codes) {
            self.busy.remove(&filter);
            self.answered(filter, terms, *code);
        }
        Ok(())
    }

    /// # Errors
    /// Where the UNSUBACK answers nothing that we asked.
    pub(super) fn unsuback(&mut self, packet_id: u16) -> Result<(), Violation> {
        let Some(Asked::Unsubscribe(filters)) = self.asked.remove(&packet_id) else {
            return Err(Violation::protocol("an UNSUBACK that answers no UNSUBSCRIBE of ours"));
        };
        for filter in filters {
            self.busy.remove(&filter);
            self.held.remove(&filter);
            self.due.push_back(filter);
        }
        Ok(())
    }

    /// Whether the broker holds all that is wanted.
    #[must_use]
    pub(super) fn is_settled(&self) -> bool {
        self.asked.is_empty() && self.due.is_empty() && self.refused.is_empty()
    }

    /// Whether an answer of the broker is outstanding.
    #[must_use]
    pub(super) fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// What the broker would not subscribe, in filter order.
    #[must_use]
    pub(super) fn refused(&self) -> Vec<Refused> {
        let told = |(filter, code): (&TopicFilter, &ReasonCode)| Refused {
            filter: filter.to_string(),
            code: code.0,
            text: code.text(),
        };
        self.refused.iter().map(told).collect()
    }

    /// What the broker grants only with a lower QoS, in filter order.
    #[must_use]
    pub(super) fn lowered(&self) -> Vec<Lowered> {
        let told = |(filter, granted): (&TopicFilter, &Qos)| Lowered { filter: filter.to_string(), granted: *granted };
        self.lowered.iter().map(told).collect()
    }

    fn next_subscribe(&mut self) -> Option<Request> {
        let mut filters: Vec<(TopicFilter, Terms)> = Vec::new();
        let filters_max = if self.manner.with_ids { 1 } else { FILTERS_MAX };
        while filters.len() < filters_max {
            let Some(filter) = self.due.pop_front() else { break };
            let Some(terms) = self.terms_due(&filter) else { continue };
            self.busy.insert(filter.clone());
            filters.push((filter, terms));
        }
        let id = filters.first()?.1.id;
        let packet_id = self.free_packet_id();
        let request =
            Request::Subscribe { packet_id, id, filters: filters.iter().map(|(f, t)| (f.clone(), t.qos)).collect() };
        self.asked.insert(packet_id, Asked::Subscribe(filters));
        Some(request)
    }

    /// What to ask for `filter`; `None` where it is not wanted, held as wanted, or asked already (its answer decides).
    fn terms_due(&self, filter: &TopicFilter) -> Option<Terms> {
        let wanted = self.wanted.get(filter)?;
        let terms = Terms { qos: wanted.qos, id: Some(wanted.id).filter(|_| self.manner.with_ids) };
        let needed = self.held.get(filter) != Some(&terms) && !self.busy.contains(filter);
        needed.then_some(terms)
    }

    /// Only when nothing more is asked for: new before old.
    fn next_unsubscribe(&mut self) -> Option<Request> {
        if !self.asked.is_empty() {
            return None;
        }
        let unwanted = self.held.keys().filter(|filter| !self.wanted.contains_key(*filter));
        let filters: Vec<TopicFilter> = unwanted.take(FILTERS_MAX).cloned().collect();
        if filters.is_empty() {
            return None;
        }
        let packet_id = self.free_packet_id();
        self.busy.extend(filters.iter().cloned());
        self.asked.insert(packet_id, Asked::Unsubscribe(filters.clone()));
        Some(Request::Unsubscribe { packet_id, filters })
    }

    fn answered(&mut self, filter: TopicFilter, terms: Terms, code: ReasonCode) {
        self.lowered.remove(&filter);
        if code.is_failure() {
            self.held.remove(&filter);
            if self.wanted.contains_key(&filter) {
                self.refused.insert(filter, code);
            }
            return;
        }
        self.refused.remove(&filter);
        if let Some(granted) = Qos::from_level(code.0).filter(|granted| *granted < terms.qos) {
            self.lowered.insert(filter.clone(), granted);
        }
        self.held.insert(filter.clone(), terms);
        // It may be wanted otherwise by now.
        if self.terms_due(&filter).is_some() {
            self.due.push_back(filter);
        }
    }

    fn free_packet_id(&mut self) -> u16 {
        loop {
            let next = self.next_packet_id + 1;
            self.next_packet_id = if next < FIRST_ID { next } else { 1 };
            if !self.asked.contains_key(&self.next_packet_id) {
                return self.next_packet_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V5: Manner = Manner { with_ids: true, ask_again: true };
    const V311: Manner = Manner { with_ids: false, ask_again: false };

    fn wanted(list: &[(&str, u8, u32)]) -> Vec<Subscription> {
        let one = |(filter, qos, id): &(&str, u8, u32)| Subscription {
            filter: TopicFilter::parse(filter).unwrap(),
            qos: Qos::from_level(*qos).unwrap(),
            id: SubscriptionId(*id),
        };
        list.iter().map(one).collect()
    }

    fn linked(list: &[(&str, u8, u32)], manner: Manner) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        subscriptions.want(&wanted(list));
        subscriptions.linked(false, manner);
        subscriptions
    }

    /// What is sent now, as text; subscriptions as `+filter qos`, the contrary as `-filter`.
    fn sent(subscriptions: &mut Subscriptions) -> Vec<(u16, String)> {
        std::iter::from_fn(|| subscriptions.take_next())
            .map(|request| match request {
                Request::Subscribe { packet_id, filters, .. } => {
                    let each: Vec<String> = filters.iter().map(|(f, qos)| format!("+{f} {}", qos.level())).collect();
                    (packet_id, each.join(" "))
                }
                Request::Unsubscribe { packet_id, filters } => {
                    let mut each: Vec<String> = filters.iter().map(|filter| format!("-{filter}")).collect();
                    each.sort();
                    (packet_id, each.join(" "))
                }
            })
            .collect()
    }

    /// Sends, grants all, until nothing more is sent; returns everything sent.
    fn settle(subscriptions: &mut Subscriptions) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let now = sent(subscriptions);
            if now.is_empty() {
                return all;
            }
            for (packet_id, text) in now {
                match text.starts_with('+') {
                    true => subscriptions.suback(packet_id, &vec![ReasonCode(1); text.matches('+').count()]).unwrap(),
                    false => subscriptions.unsuback(packet_id).unwrap(),
                }
                all.push(text);
            }
        }
    }

    #[test]
    fn with_identifiers_each_filter_goes_alone() {
        let mut subscriptions = linked(&[("a", 1, 1), ("b", 2, 2)], V5);
        assert!(!subscriptions.is_settled());
        assert_eq!(settle(&mut subscriptions), ["+a 1", "+b 2"]);
        assert!(subscriptions.is_settled());
    }

    #[test]
    fn without_identifiers_filters_go_in_groups() {
        let mut subscriptions = linked(&[("a", 1, 1), ("b", 2, 2)], V311);
        assert_eq!(settle(&mut subscriptions), ["+a 1 +b 2"]);
    }

    #[test]
    fn only_the_difference_is_sent_and_new_comes_before_old() {
        let mut subscriptions = linked(&[("a", 1, 1), ("b", 1, 2), ("c", 1, 3)], V5);
        settle(&mut subscriptions);
        subscriptions.want(&wanted(&[("a", 1, 1), ("b", 2, 2), ("d", 1, 4)]));
        let first = sent(&mut subscriptions);
        assert_eq!(first.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["+b 2", "+d 1"]);
        subscriptions.suback(first[0].0, &[ReasonCode(2)]).unwrap();
        assert_eq!(sent(&mut subscriptions), []);
        subscriptions.suback(first[1].0, &[ReasonCode(1)]).unwrap();
        assert_eq!(settle(&mut subscriptions), ["-c"]);
        assert!(subscriptions.is_settled());
    }

    #[test]
    fn a_changed_identifier_is_asked_for_again() {
        let mut subscriptions = linked(&[("a", 1, 1)], V5);
        settle(&mut subscriptions);
        subscriptions.want(&wanted(&[("a", 1, 9)]));
        assert_eq!(settle(&mut subscriptions), ["+a 1"]);
        subscriptions.want(&wanted(&[("a", 1, 9)]));
        assert_eq!(settle(&mut subscriptions), [""; 0]);
    }

    #[test]
    fn what_changes_its_mind_while_asked_ends_as_wanted_last() {
        let mut subscriptions = linked(&[("a", 1, 1)], V5);
        let first = sent(&mut subscriptions);
        subscriptions.want(&wanted(&[("a", 2, 1)]));
        assert_eq!(sent(&mut subscriptions), []);
        subscriptions.suback(first[0].0, &[ReasonCode(1)]).unwrap();
        assert_eq!(settle(&mut subscriptions), ["+a 2"]);
        subscriptions.want(&[]);
        let removing = sent(&mut subscriptions);
        subscriptions.want(&wanted(&[("a", 2, 1)]));
        assert_eq!(sent(&mut subscriptions), []);
        subscriptions.unsuback(removing[0].0).unwrap();
        assert_eq!(settle(&mut subscriptions), ["+a 2"]);
    }

    #[test]
    fn a_refused_filter_is_told_and_asked_again_only_on_retry() {
        let mut subscriptions = linked(&[("a", 1, 1), ("b", 1, 2)], V5);
        let asked = sent(&mut subscriptions);
        subscriptions.suback(asked[0].0, &[ReasonCode(0x87)]).unwrap();
        subscriptions.suback(asked[1].0, &[ReasonCode(1)]).unwrap();
        assert!(!subscriptions.is_settled());
        assert_eq!(subscriptions.refused(), [Refused { filter: "a".into(), code: 0x87, text: "not authorized" }]);
        assert_eq!(sent(&mut subscriptions), []);
        subscriptions.retry();
        assert_eq!(settle(&mut subscriptions), ["+a 1"]);
        assert!(subscriptions.is_settled());
    }

    #[test]
    fn a_resumed_session_is_asked_again_only_where_that_is_harmless() {
        for (manner, expected) in [(V5, vec!["+a 1"]), (V311, vec![])] {
            let mut subscriptions = linked(&[("a", 1, 1)], manner);
            settle(&mut subscriptions);
            subscriptions.linked(true, manner);
            assert_eq!(settle(&mut subscriptions), expected);
            subscriptions.linked(false, manner);
            assert_eq!(settle(&mut subscriptions), ["+a 1"]);
        }
    }

    #[test]
    fn what_was_given_up_while_away_is_unsubscribed_in_the_kept_session() {
        let mut subscriptions = linked(&[("a", 1, 1), ("b", 1, 2)], V311);
        settle(&mut subscriptions);
        subscriptions.want(&wanted(&[("a", 1, 1), ("c", 1, 3)]));
        subscriptions.linked(true, V311);
        assert_eq!(settle(&mut subscriptions), ["+c 1", "-b"]);
    }

    #[test]
    fn answers_to_nothing_break_the_protocol() {
        let mut subscriptions = linked(&[("a", 1, 1)], V5);
        let asked = sent(&mut subscriptions)[0].0;
        assert!(subscriptions.suback(asked + 1, &[ReasonCode(0)]).is_err());
        assert!(subscriptions.unsuback(asked).is_err());
        let mut subscriptions = linked(&[("a", 1, 1)], V5);
        let asked = sent(&mut subscriptions)[0].0;
        assert!(subscriptions.suback(asked, &[ReasonCode(0); 2]).is_err());
    }

    #[test]
    fn a_lower_qos_than_asked_for_is_told() {
        let mut subscriptions = linked(&[("a", 1, 1)], V5);
        let asked = sent(&mut subscriptions)[0].0;
        subscriptions.suback(asked, &[ReasonCode(0)]).unwrap();
        assert!(subscriptions.is_settled());
        assert_eq!(subscriptions.lowered(), [Lowered { filter: "a".into(), granted: Qos::AtMostOnce }]);
    }

    #[test]
    fn ten_thousand_filters_are_asked_in_bounded_steps() {
        let names: Vec<String> = (0..10_000).map(|no| format!("t/{no}")).collect();
        let list: Vec<(&str, u8, u32)> = names.iter().zip(1..).map(|(name, id)| (name.as_str(), 1, id)).collect();
        let mut subscriptions = linked(&list, V5);
        assert_eq!(sent(&mut subscriptions).len(), REQUESTS_MAX);
        let mut subscriptions = linked(&list, V5);
        assert_eq!(settle(&mut subscriptions).len(), 10_000);
        assert!(subscriptions.is_settled());
    }
}
