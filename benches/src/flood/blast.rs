//! One run: so many messages, as fast as the window allows or at a given rate.

use super::flight::Flight;
use super::session::Session;
use crate::traffic;
use crate::wire::{self, Template};
use serde_json::{Value, json};
use std::io;
use std::time::{Duration, Instant};

/// Bytes made before they are offered to the socket.
const OUTBOX_BYTES: usize = 256 * 1024;
/// Longest wait when nothing is due by the clock.
const PATIENCE: Duration = Duration::from_millis(100);
/// Largest rate that is understood, in messages a second.
const RATE_MAX: f64 = 1e9;

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Order {
    /// How many messages.
    pub(super) messages: u64,
    /// Messages a second; none is as fast as the window allows.
    pub(super) rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    messages: u64,
    /// First PUBLISH written to last acknowledgement read.
    whole: Duration,
    /// First acknowledgement read to last acknowledgement read.
    between_acks: Duration,
    out_of_order: u64,
    unknown: u64,
    /// Reads that brought acknowledgements: how well the bridge batches them.
    ack_reads: u64,
}

impl Order {
    /// Understands `run N` and `run N RATE`.
    #[must_use]
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let ("run", Some(messages)) = (words.next()?, words.next()?.parse().ok()) else { return None };
        let rate = words.next().map(str::parse::<f64>).transpose().ok()?;
        let sane = rate.is_none_or(|rate| rate > 0.0 && rate <= RATE_MAX) && words.next().is_none();
        sane.then_some(Order { messages, rate })
    }

    /// How many messages should have been sent by now.
    fn due(self, elapsed: Duration) -> u64 {
        let by_clock = self.rate.map(|rate| (elapsed.as_secs_f64() * rate) as u64 + 1);
        by_clock.map_or(self.messages, |due| due.min(self.messages))
    }

    /// How long until the message after the first `sent` is due.
    fn until_next(self, sent: u64, elapsed: Duration) -> Duration {
        let Some(rate) = self.rate.filter(|_| sent < self.messages) else { return PATIENCE };
        Duration::from_secs_f64((sent as f64 / rate).min(1e9)).saturating_sub(elapsed).min(PATIENCE)
    }
}

impl Outcome {
    /// The event of the end of a run.
    #[must_use]
    pub(super) fn to_json(self) -> Value {
        json!({
            "event": "done",
            "messages": self.messages,
            "seconds": self.whole.as_secs_f64(),
            "seconds_first_to_last_ack": self.between_acks.as_secs_f64(),
            "out_of_order": self.out_of_order,
            "unknown_acks": self.unknown,
            "ack_reads": self.ack_reads,
        })
    }
}

impl Session {
    /// Sends what was ordered and waits until all of it is acknowledged.
    ///
    /// # Errors
    /// When the subscriber is gone, talks nonsense, or has not asked for one of the topics.
    pub(super) fn blast(&mut self, order: Order) -> io::Result<Outcome> {
        let templates = self.templates()?;
        self.state.flight = Flight::new(self.state.window);
        let begun = Instant::now();
        let mut first_ack = None;
        let mut ack_reads = 0;
        while self.state.flight.done() < order.messages || self.link.outbox.backlog() > 0 {
            self.load(&templates, order.due(begun.elapsed()));
            let before = self.state.flight.done();
            self.turn(self.patience(order, begun.elapsed()))?;
            if self.state.flight.done() > before {
                first_ack.get_or_insert_with(|| begun.elapsed());
                ack_reads += 1;
            }
        }
        let whole = begun.elapsed();
        let flight = &self.state.flight;
        Ok(Outcome {
            messages: flight.done(),
            whole,
            between_acks: whole.saturating_sub(first_ack.unwrap_or(whole)),
            out_of_order: flight.out_of_order(),
            unknown: flight.unknown(),
            ack_reads,
        })
    }

    /// No wait at all while there is room in the window and something due.
    fn patience(&self, order: Order, elapsed: Duration) -> Duration {
        let sent = self.state.flight.sent();
        let busy = sent < order.due(elapsed) && self.state.flight.room() > 0;
        if busy && self.link.outbox.backlog() < OUTBOX_BYTES { Duration::ZERO } else { order.until_next(sent, elapsed) }
    }

    /// Encodes what is due as far as window and buffer reach.
    fn load(&mut self, templates: &[Template], due: u64) {
        let flight = &mut self.state.flight;
        let out = &mut self.link.outbox;
        while flight.sent() < due && flight.room() > 0 && out.backlog() < OUTBOX_BYTES {
            let template = &templates[flight.sent() as usize % templates.len()];
            if template.id_at.is_some() {
                let id = flight.take_id();
                template.put(&mut out.bytes, id);
            } else {
                template.put(&mut out.bytes, 0);
                flight.sent_without_id();
            }
        }
    }

    /// One encoded PUBLISH for each topic.
    fn templates(&self) -> io::Result<Vec<Template>> {
        let payload = traffic::payload(self.options.payload_bytes);
        let topics = self.options.topics.names();
        topics.iter().map(|topic| self.template(topic, &payload)).collect()
    }

    fn template(&self, topic: &str, payload: &[u8]) -> io::Result<Template> {
        let matches = self.state.subscriptions.matching(topic);
        if matches.count == 0 {
            return Err(wire::malformed(&format!("no subscription that covers {topic}")));
        }
        Ok(Template::new(self.state.protocol, topic, self.options.qos, &matches.identifiers, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_understood_or_refused() {
        assert_eq!(Order::parse("run 10"), Some(Order { messages: 10, rate: None }));
        assert_eq!(Order::parse("run 10 2.5"), Some(Order { messages: 10, rate: Some(2.5) }));
        for nonsense in ["", "run", "run x", "run 1 0", "run 1 -3", "run 1 nan", "run 1 2 3", "go 1"] {
            assert_eq!(Order::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_rate_says_what_is_due() {
        let order = Order { messages: 100, rate: Some(10.0) };
        assert_eq!(order.due(Duration::ZERO), 1);
        assert_eq!(order.due(Duration::from_secs(2)), 21);
        assert_eq!(order.due(Duration::from_secs(60)), 100);
        assert_eq!(order.until_next(1, Duration::from_millis(60)), Duration::from_millis(40));
        assert_eq!(order.until_next(1, Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn without_a_rate_all_is_due() {
        let order = Order { messages: 100, rate: None };
        assert_eq!((order.due(Duration::ZERO), order.until_next(5, Duration::ZERO)), (100, PATIENCE));
    }
}
