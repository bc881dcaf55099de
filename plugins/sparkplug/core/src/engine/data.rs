//! Data, their order, and what waits.

use super::Failure;
use super::core::{Core, Incoming, is_back, sent};
use super::resolve::{Leftover, Manner};
use crate::host::Host;
use crate::options::{HoldExpired, ReorderPolicy, Trigger, Unresolved};
use crate::output::Event;
use crate::session::{Held, Liveness, Node, Step};
use crate::topic::Topic;
use crate::wire::Payload;

/// What the sequence number makes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now {
        out_of_order: bool,
    },
    /// It waits for its turn, or is dropped because it came after it.
    NotNow,
}

impl Core {
    pub fn data(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) -> Result<(), Failure> {
        let continues = message.seq().is_some_and(|seq| node.sequence.step(seq) == Step::InOrder);
        let Turn::Now { out_of_order } = self.turn(host, node, message) else { return Ok(()) };
        let dead = node.liveness == Liveness::Offline;
        // After a death only the unbroken sequence shows that it is still the session whose births we know.
        let blind = dead && !continues && !message.released && !message.retain;
        if !message.retain {
            self.greet(host, node, message);
        }
        let device_dead = |id: &str| node.devices.get(id).is_some_and(|device| !device.online);
        let stale = message.retain || dead || message.address.device.is_some_and(device_dead);
        let emit_unresolved = self.options.unresolved == Unresolved::EmitRaw;
        let manner = Manner { birth: false, stale, out_of_order, blind, emit_unresolved };
        if self.options.unresolved == Unresolved::DeadLetter
            && let Some(metric) = self.first_unresolved(node, message, manner)
        {
            self.counters.unresolved += 1;
            self.after_turn(host, node, message);
            return Err(Failure::Unresolved { metric });
        }
        let mut leftover = self.show(host, node, message, manner);
        if dead && !message.retain {
            leftover.trigger = Some(Trigger::UnknownNode);
        }
        self.settle(host, node, message, leftover);
        self.after_turn(host, node, message);
        Ok(())
    }

    /// Holds or drops what could not be resolved, and asks for a rebirth.
    fn settle(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>, leftover: Leftover) {
        if !leftover.unresolved.is_empty() {
            self.counters.unresolved += leftover.unresolved.len() as u64;
            match self.options.unresolved {
                Unresolved::Hold if !message.retain => self.hold(host, node, message, leftover.unresolved),
                Unresolved::Hold | Unresolved::Drop | Unresolved::EmitRaw | Unresolved::DeadLetter => {
                    let reason = format!("{} metrics dropped", leftover.unresolved.len());
                    self.tell(host, &sent(node, message), Event::Unresolved, message.received_ms, Some(&reason));
                }
            }
        }
        if let Some(trigger) = leftover.trigger.filter(|_| !message.retain) {
            self.want_rebirth(host, node, trigger, message.received_ms);
        }
    }

    fn hold(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>, only: Vec<u32>) {
        self.counters.held += 1;
        let gone = node.held.push(held(message, only, None), &self.options.hold_limit);
        let newest = node.held.iter().last().map(|(id, _)| *id);
        node.changed.held.extend(newest);
        for (id, held) in gone {
            self.give_one_up(host, node, id, &held, message.received_ms, "too much is held for this node");
        }
    }

    /// A node that speaks after we lost its broker is there again; so is its device.
    pub fn greet(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) {
        if is_back(node) {
            let lost_ms = node.since_ms;
            node.liveness = Liveness::Online;
            node.since_ms = message.received_ms;
            node.changed.head = true;
            let reason = Some("it speaks again after the broker was lost");
            self.tell(host, &sent(node, message), Event::NodeOnline, message.received_ms, reason);
            for device in node.devices.values_mut().filter(|device| device.born && device.since_ms == lost_ms) {
                device.online = true;
                device.since_ms = message.received_ms;
            }
        }
    }

    /// Places a message in the sequence of its node (Sparkplug 6.4.2).
    pub fn turn(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) -> Turn {
        let now = Turn::Now { out_of_order: false };
        if message.retain || message.released {
            return now;
        }
        let Some(seq) = message.seq() else {
            self.counters.seq_missing += 1;
            return now;
        };
        node.changed.sequence = true;
        match node.sequence.step(seq) {
            Step::First | Step::InOrder => {
                node.sequence.advance_to(seq);
                now
            }
            Step::Duplicate => {
                self.counters.duplicates += 1;
                let reason = format!("sequence number {seq} again");
                self.tell(host, &sent(node, message), Event::Duplicate, message.received_ms, Some(&reason));
                now
            }
            Step::Late => {
                self.counters.late += 1;
                node.sequence.mark(seq);
                self.late(host, node, message, seq)
            }
            Step::Ahead { missing } => self.ahead(host, node, message, seq, missing),
        }
    }

    fn late(&mut self, host: &mut dyn Host, node: &Node, message: &Incoming<'_>, seq: u8) -> Turn {
        if self.options.reorder_timeout.0 == 0 || self.options.reorder_policy != ReorderPolicy::DropLate {
            return Turn::Now { out_of_order: true };
        }
        let reason = format!("sequence number {seq} came too late and was dropped");
        self.tell(host, &sent(node, message), Event::Gap, message.received_ms, Some(&reason));
        Turn::NotNow
    }

    fn ahead(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>, seq: u8, missing: u8) -> Turn {
        let now_ms = message.received_ms;
        if self.options.reorder_timeout.0 == 0 {
            self.gap(host, node, now_ms, Some(message), missing);
            node.sequence.advance_to(seq);
            return Turn::Now { out_of_order: false };
        }
        let deadline = now_ms.saturating_add(self.options.reorder_timeout.0);
        node.reorder_until_ms.get_or_insert(deadline);
        if self.options.reorder_policy == ReorderPolicy::PassThroughAndFlag {
            node.sequence.mark(seq);
            return Turn::Now { out_of_order: true };
        }
        let waiting = held(message, Vec::new(), Some(seq));
        let limit = &self.options.hold_limit;
        if node.held.len() >= limit.messages || node.held.bytes() + waiting.bytes() > limit.bytes.0 {
            self.close_window(host, node, now_ms, Some("too much waits for a missing sequence number"));
            node.sequence.advance_to(seq);
            return Turn::Now { out_of_order: false };
        }
        node.sequence.mark(seq);
        self.counters.held += 1;
        node.held.push(waiting, &self.options.hold_limit);
        let newest = node.held.iter().last().map(|(id, _)| *id);
        node.changed.held.extend(newest);
        Turn::NotNow
    }

    fn gap(&mut self, host: &mut dyn Host, node: &mut Node, now_ms: u64, message: Option<&Incoming<'_>>, missing: u8) {
        self.counters.gaps += 1;
        let next = node.sequence.next().unwrap_or_default();
        let reason = format!("{missing} missing from sequence number {next} on");
        match message {
            Some(message) => self.tell(host, &sent(node, message), Event::Gap, now_ms, Some(&reason)),
            None => self.tell_of(host, node, None, Event::Gap, now_ms, &reason),
        }
        self.want_rebirth(host, node, Trigger::Gap, now_ms);
    }

    /// Behind a message in its turn: what came early may follow.
    pub fn after_turn(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) {
        if node.reorder_until_ms.is_none() || message.released {
            return;
        }
        while node.sequence.next_is_seen() {
            let Some(next) = node.sequence.next() else { break };
            node.sequence.advance_to(next);
            for (id, held) in node.held.take(|held| held.seq == Some(next)) {
                self.run_held(host, node, id, &held);
            }
        }
        if !node.sequence.has_ahead() {
            node.reorder_until_ms = None;
        }
    }

    /// Gives up on missing numbers: tells the gap, and releases in order what waited behind it.
    pub fn close_window(&mut self, host: &mut dyn Host, node: &mut Node, now_ms: u64, reason: Option<&str>) {
        if node.reorder_until_ms.take().is_none() {
            return;
        }
        let next = node.sequence.next().unwrap_or_default();
        let mut waiting = node.held.take(|held| held.seq.is_some());
        waiting.sort_by_key(|(_, held)| held.seq.map(|seq| seq.wrapping_sub(next)));
        if reason.is_some() {
            let first = (0..128).find(|ahead| node.sequence.step(next.wrapping_add(*ahead)) == Step::Duplicate);
            self.gap(host, node, now_ms, None, first.unwrap_or(1));
        }
        node.sequence.skip_to_last_seen();
        node.changed.sequence = true;
        for (id, held) in waiting {
            self.run_held(host, node, id, &held);
        }
    }

    /// The birth has come: what waited for it goes out, in order.
    pub fn release(&mut self, host: &mut dyn Host, node: &mut Node, device: Option<&str>) {
        for (id, held) in node.held.take(|held| held.seq.is_none() && held.device.as_deref() == device) {
            self.run_held(host, node, id, &held);
        }
    }

    fn run_held(&mut self, host: &mut dyn Host, node: &mut Node, id: u64, held: &Held) {
        node.changed.held.insert(id);
        self.counters.released += 1;
        let outcome = self.with_held(node, held, |core, node, message| {
            if held.seq.is_some() {
                // It had its turn to wait for, not its birth: it may now have to wait for that.
                return core.dispatch(host, node, message);
            }
            let emit_unresolved = core.options.hold_expired == HoldExpired::EmitRaw;
            let leftover = core.show(host, node, message, Manner { emit_unresolved, ..Manner::default() });
            if !leftover.unresolved.is_empty() {
                core.counters.given_up += 1;
                let reason = format!("{} metrics are not in the birth", leftover.unresolved.len());
                core.tell(host, &sent(node, message), Event::Unresolved, message.received_ms, Some(&reason));
            }
            Ok(())
        });
        if outcome != Some(Ok(())) {
            self.counters.given_up += 1;
            host.given_up(&held.topic, &held.payload, "it could not be decoded any more");
        }
    }

    fn with_held<R>(
        &mut self,
        node: &mut Node,
        held: &Held,
        act: impl FnOnce(&mut Self, &mut Node, &Incoming<'_>) -> R,
    ) -> Option<R> {
        let prefix = self.options.topic_prefix.clone();
        let Ok(Topic::Message { kind, address }) = Topic::parse(&held.topic, &prefix) else { return None };
        let limits = crate::options::Limits { payload_bytes: usize::MAX, ..self.options.limits.clone() };
        let payload = Payload::parse(&held.payload, &limits).ok()?;
        let broker = node.broker.clone();
        let message = Incoming {
            kind,
            address,
            broker: &broker,
            topic: &held.topic,
            received_ms: held.received_ms,
            retain: held.retain,
            bytes: &held.payload,
            payload: &payload,
            only: &held.only,
            released: true,
        };
        Some(act(self, node, &message))
    }

    /// Held messages for which `choose` holds will not be emitted, or only raw.
    pub fn give_up(
        &mut self,
        host: &mut dyn Host,
        node: &mut Node,
        now_ms: u64,
        reason: &str,
        choose: impl FnMut(&Held) -> bool,
    ) {
        for (id, held) in node.held.take(choose) {
            self.give_one_up(host, node, id, &held, now_ms, reason);
        }
    }

    fn give_one_up(&mut self, host: &mut dyn Host, node: &mut Node, id: u64, held: &Held, now_ms: u64, reason: &str) {
        node.changed.held.insert(id);
        self.counters.given_up += 1;
        let emit_raw = self.options.hold_expired == HoldExpired::EmitRaw;
        self.with_held(node, held, |core, node, message| {
            core.tell(host, &sent(node, message), Event::Unresolved, now_ms, Some(reason));
            if emit_raw {
                let manner = Manner { emit_unresolved: true, blind: true, ..Manner::default() };
                core.show(host, node, message, manner);
            } else {
                host.given_up(message.topic, message.bytes, reason);
            }
        });
    }

    /// Commands of other hosts: shown, and without any influence.
    pub fn command_records(&mut self, host: &mut dyn Host, node: &mut Node, message: &Incoming<'_>) {
        self.show(host, node, message, Manner { emit_unresolved: true, ..Manner::default() });
    }
}

fn held(message: &Incoming<'_>, only: Vec<u32>, seq: Option<u8>) -> Held {
    Held {
        kind: message.kind,
        device: message.address.device.map(Into::into),
        topic: message.topic.into(),
        received_ms: message.received_ms,
        retain: message.retain,
        payload: message.bytes.into(),
        only,
        seq,
    }
}
