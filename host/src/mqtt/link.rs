//! One connection, from the CONNACK to its end.
//!
//! Invariant: nothing here waits on anything but the socket, the clock and the wires; what is downstream says through
//! `Intake::has_room` when to stop reading, and pings go on then. Each wake-up is one round: read what is there, let it
//! arrive, take the acknowledgements, and write everything at once.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::{Interval, MissedTickBehavior};
use tracing::warn;

use super::connect::{Grant, Linked};
use super::convert::{Decoder, Incoming};
use super::inbound::{Inbound, Verdict};
use super::keep_alive::{Due, KeepAlive};
use super::loss::Loss;
use super::outbox::Outbox;
use super::pace::Pace;
use super::publish::Publish;
use super::reason::{ReasonCode, Violation};
use super::source::{Stop, Wires, changed};
use super::subscribe::Subscriptions;
use super::transport::Stream;
use crate::ack::{Ack, PacketId};
use crate::config::Protocol;
use crate::message::Message;
use crate::seam::{Arrival, Intake};

/// Most bytes read in one round, so that acknowledgements and pings get their turn.
const ROUND_BYTES: usize = 256 * 1024;
/// Refused filters are asked for again after this long.
const REFUSED_RETRY: Duration = Duration::from_secs(30);
/// Longest wait for a SUBACK or UNSUBACK.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a broker has at least to take our last bytes and close.
const FAREWELL: Duration = Duration::from_secs(1);

/// What of a session outlives a connection.
#[derive(Default)]
pub(super) struct Memory {
    pub inbound: Inbound,
    pub subscriptions: Subscriptions,
}

/// One connection that stands.
pub(super) struct Link<'a, I> {
    wires: &'a mut Wires,
    intake: &'a mut I,
    memory: &'a mut Memory,
    stream: Stream,
    decoder: Decoder,
    outbox: Outbox,
    protocol: Protocol,
    keep_alive: KeepAlive,
    pace: Pace,
    tick: Interval,
    acks: Vec<Ack>,
    /// The last round stopped at its bound: more may be there although the socket does not say so.
    more: bool,
    /// Packets wait in the decoder because the intake was full. Nothing more is read before they are taken in.
    backlog: bool,
    /// Since when an answer to SUBSCRIBE or UNSUBSCRIBE is awaited while we listen.
    asked: Option<Instant>,
    /// When to ask again for refused filters.
    retry: Option<Instant>,
}

/// Why a wait ended.
enum Woke {
    Socket,
    Settled,
    Wanted,
    Tick,
    Stop,
}

impl<'a, I: Intake> Link<'a, I> {
    /// Takes up a connection: the intake and the session's memory have been told of it.
    pub(super) fn new(linked: Linked, wires: &'a mut Wires, intake: &'a mut I, memory: &'a mut Memory) -> Self {
        let Linked { stream, decoder, grant } = linked;
        let Grant { keep_alive, protocol, .. } = grant;
        let now = Instant::now();
        let keep_alive = KeepAlive::new(keep_alive, now);
        let mut tick = tokio::time::interval(keep_alive.tick());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            wires,
            intake,
            memory,
            stream,
            decoder,
            outbox: Outbox::new(protocol),
            protocol,
            keep_alive,
            pace: Pace::new(now),
            tick,
            acks: Vec::new(),
            // Packets may have come right behind the CONNACK.
            more: true,
            backlog: false,
            asked: None,
            retry: None,
        }
    }

    /// Works until the connection is lost, or a stop other than `Run` is asked for.
    pub(super) async fn serve(&mut self) -> Result<(), Loss> {
        self.ask();
        while *self.wires.stop.borrow() == Stop::Run {
            let listening = self.intake.has_room() && !self.outbox.is_full();
            match self.wait(listening).await? {
                Woke::Stop => {}
                Woke::Tick => self.on_tick(listening)?,
                Woke::Wanted => self.on_wanted(),
                Woke::Socket | Woke::Settled => {
                    self.nap();
                    self.round(listening).await?;
                }
            }
        }
        Ok(())
    }

    /// Does what the stop asks for: at `Drain`, reads no more, but lets acknowledgements leave until nothing is in
    /// flight or the time is over, then parts from the broker in peace. Returns how many messages stay unacknowledged.
    pub(super) async fn drain(&mut self) -> usize {
        let stop = *self.wires.stop.borrow();
        if let Stop::Drain { until } = stop
            && let Ok(Err(loss)) = tokio::time::timeout_at(until, self.write_until_settled()).await
        {
            warn!(source = %self.wires.meters.name, error = %loss.chain(), "connection lost while draining");
        }
        let left = self.intake.in_flight();
        let stop = *self.wires.stop.borrow();
        if let Stop::Drain { until } = stop {
            let spare = until.saturating_duration_since(tokio::time::Instant::now());
            self.part(ReasonCode::NORMAL, spare.max(FAREWELL)).await;
        }
        left
    }

    /// Parts from the broker because of `loss`, where the connection can still carry a word.
    pub(super) async fn part_over(&mut self, loss: &Loss) {
        if let Some(code) = loss.farewell() {
            self.part(code, FAREWELL).await;
        }
    }

    /// Sends what waits and a DISCONNECT, and waits for the broker to close: then it has seen our last
    /// acknowledgements.
    async fn part(&mut self, code: ReasonCode, patience: Duration) {
        self.outbox.disconnect(code);
        let (stream, bytes) = (&mut self.stream, &mut self.outbox.bytes);
        let farewell = async {
            poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
            stream.finish().await
        };
        if !matches!(tokio::time::timeout(patience, farewell).await, Ok(Ok(()))) {
            warn!(source = %self.wires.meters.name, "the broker did not close in time; it may send the last messages again");
        }
    }

    async fn write_until_settled(&mut self) -> Result<(), Loss> {
        loop {
            self.take_acks();
            let done = self.intake.in_flight() == 0 && self.outbox.is_empty();
            if done || *self.wires.stop.borrow() == Stop::Now {
                return Ok(());
            }
            match self.wait(false).await? {
                Woke::Tick => self.on_tick(false)?,
                Woke::Socket | Woke::Settled | Woke::Wanted | Woke::Stop => {}
            }
        }
    }

    /// Waits for something to do; writes what waits to be written meanwhile. Cancelling it loses nothing.
    async fn wait(&mut self, listening: bool) -> Result<Woke, Loss> {
        let more = (self.more || self.backlog) && listening;
        if more {
            // Lets the runtime look at its clock and sockets, which a flood would keep it from.
            tokio::task::yield_now().await;
        }
        let Self { wires, stream, outbox, keep_alive, tick, .. } = self;
        tokio::select! {
            biased;
            () = changed(&mut wires.stop) => Ok(Woke::Stop),
            _ = tick.tick() => Ok(Woke::Tick),
            () = changed(&mut wires.subscriptions) => Ok(Woke::Wanted),
            socket = poll_fn(|cx| poll_socket(cx, stream, outbox, keep_alive, listening, more)) => {
                socket.map(|()| Woke::Socket).map_err(Loss::Broken)
            }
            () = wires.settled.notified() => Ok(Woke::Settled),
        }
    }

    /// While traffic is dense, lets more of it gather. The whole thread sleeps: it is this connection's own, and what
    /// it could do meanwhile is what the nap puts together.
    fn nap(&self) {
        if let Some(nap) = self.pace.nap() {
            std::thread::sleep(nap);
        }
    }

    async fn round(&mut self, listening: bool) -> Result<(), Loss> {
        let mut arrived = 0;
        if listening {
            let end = match self.backlog {
                true => ControlFlow::Continue(()),
                false => poll_fn(|cx| Poll::Ready(self.read_what_is_there(cx))).await,
            };
            arrived = self.take_in()?;
            if let ControlFlow::Break(loss) = end {
                return Err(loss);
            }
        }
        self.intake.hand_over();
        self.take_acks();
        self.pace.note(Instant::now(), arrived);
        match self.intake.is_stuck() {
            true => Err(Loss::Stuck),
            false => Ok(()),
        }
    }

    /// Reads until nothing is left or the round is full. What was read before an end is still to be taken in.
    fn read_what_is_there(&mut self, cx: &mut Context<'_>) -> ControlFlow<Loss> {
        let mut total = 0;
        self.more = false;
        while total < ROUND_BYTES {
            match self.stream.poll_read(cx, self.decoder.room()) {
                Poll::Ready(Ok(0)) => return ControlFlow::Break(Loss::Closed),
                Poll::Ready(Ok(read)) => total += read,
                Poll::Ready(Err(error)) => return ControlFlow::Break(Loss::Broken(error)),
                Poll::Pending => break,
            }
        }
        self.more = total >= ROUND_BYTES;
        if total > 0 {
            self.keep_alive.received(Instant::now());
        }
        ControlFlow::Continue(())
    }

    /// Takes in the packets that are whole, as long as the intake has room: a broker that overruns its window must not
    /// make ours larger. Returns how many messages came.
    fn take_in(&mut self) -> Result<u64, Loss> {
        let received_ms = wall_clock_ms();
        let mut arrived = 0;
        self.backlog = false;
        loop {
            if !self.intake.has_room() {
                self.backlog = true;
                return Ok(arrived);
            }
            let Some(packet) = self.decoder.take_next()? else { return Ok(arrived) };
            match packet {
                Incoming::Publish(publish) => {
                    arrived += 1;
                    self.on_publish(publish, received_ms)?;
                }
                Incoming::Pubrel { packet_id } => self.on_pubrel(PacketId(packet_id)),
                Incoming::Puback { packet_id } => self.wires.back.acknowledged(packet_id),
                Incoming::Pingresp => {}
                Incoming::Suback { packet_id, codes } => self.on_suback(packet_id, &codes)?,
                Incoming::Unsuback { packet_id } => {
                    self.memory.subscriptions.unsuback(packet_id)?;
                    self.ask();
                }
                Incoming::Disconnect { code, reason } => return Err(Loss::Ended { code, reason }),
                Incoming::Connack(_) => return Err(Violation::protocol("a second CONNACK").into()),
            }
        }
    }

    #[inline]
    fn on_publish(&mut self, publish: Publish, received_ms: u64) -> Result<(), Loss> {
        let Publish { topic, payload, qos, packet_id, dup, retain, properties, subscriptions } = publish;
        match (self.memory.inbound.judge(qos, packet_id, dup)?, packet_id) {
            (Verdict::Take, _) => {
                let message = Message { topic, payload, qos, retain, received_ms, properties, subscriptions };
                self.intake.arrive(Arrival { message, packet_id, dup });
            }
            (Verdict::RecAgain, Some(id)) => self.outbox.ack(Ack::Pubrec(id)),
            (Verdict::RecAgain, None) | (Verdict::Ignore, _) => {}
        }
        Ok(())
    }

    fn on_pubrel(&mut self, id: PacketId) {
        let known = self.memory.inbound.released(id);
        self.outbox.pubcomp(id, known);
    }

    fn take_acks(&mut self) {
        self.intake.take_acks(&mut self.acks);
        for ack in self.acks.drain(..) {
            self.memory.inbound.acknowledged(ack);
            self.outbox.ack(ack);
        }
        self.send_back();
    }

    /// What plugins publish leaves with the acknowledgements, as far as there is room.
    fn send_back(&mut self) {
        let Self { wires, outbox, protocol, .. } = self;
        while !outbox.is_full() && wires.back.write_next(*protocol, &mut outbox.bytes) {}
    }

    fn on_suback(&mut self, packet_id: u16, codes: &[ReasonCode]) -> Result<(), Loss> {
        self.memory.subscriptions.suback(packet_id, codes)?;
        if codes.iter().any(|code| code.is_failure()) {
            for refused in self.memory.subscriptions.refused() {
                warn!(source = %self.wires.meters.name, filter = refused.filter, reason = refused.text, "the broker refused a subscription");
            }
            self.retry.get_or_insert(Instant::now() + REFUSED_RETRY);
        }
        self.ask();
        Ok(())
    }

    fn on_wanted(&mut self) {
        let wanted = self.wires.subscriptions.borrow_and_update().clone();
        self.memory.subscriptions.want(&wanted);
        self.ask();
    }

    /// Puts every request that may leave into the outbox, and tells how the subscriptions stand.
    fn ask(&mut self) {
        while let Some(request) = self.memory.subscriptions.take_next() {
            self.outbox.request(request);
        }
        let subscriptions = &self.memory.subscriptions;
        self.asked = subscriptions.is_waiting().then(Instant::now);
        self.wires.status.update(|standing| {
            standing.subscribed = subscriptions.is_settled();
            standing.refused = subscriptions.refused();
            standing.lowered = subscriptions.lowered();
        });
    }

    fn on_tick(&mut self, listening: bool) -> Result<(), Loss> {
        let now = Instant::now();
        // Settlements wake us by themselves; this is for what was put off because a queue was full.
        self.intake.hand_over();
        self.take_acks();
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = None;
            self.memory.subscriptions.retry();
            self.ask();
        }
        if !listening {
            self.asked = self.asked.map(|_| now);
        }
        if self.asked.is_some_and(|since| now - since >= ANSWER_MAX) {
            return Err(Loss::Unanswered);
        }
        match self.keep_alive.due(now, listening, !self.outbox.is_empty()) {
            Due::Nothing => Ok(()),
            Due::Ping => {
                self.outbox.ping();
                Ok(())
            }
            Due::Silent => Err(Loss::Silent),
            Due::Stalled => Err(Loss::Stalled),
        }
    }
}

/// Writes what waits, then tells whether there is something to read. Where nothing is read, ready when a full outbox
/// has emptied.
fn poll_socket(
    cx: &mut Context<'_>,
    stream: &mut Stream,
    outbox: &mut Outbox,
    keep_alive: &mut KeepAlive,
    listening: bool,
    more: bool,
) -> Poll<io::Result<()>> {
    let waited = !outbox.is_empty();
    match poll_out(cx, stream, outbox, keep_alive) {
        Err(error) => Poll::Ready(Err(error)),
        Ok(()) if more => Poll::Ready(Ok(())),
        Ok(()) if listening => stream.poll_readable(cx),
        Ok(()) if waited && outbox.is_empty() => Poll::Ready(Ok(())),
        Ok(()) => Poll::Pending,
    }
}

fn poll_out(
    cx: &mut Context<'_>,
    stream: &mut Stream,
    outbox: &mut Outbox,
    keep_alive: &mut KeepAlive,
) -> io::Result<()> {
    if outbox.is_empty() {
        return Ok(());
    }
    let before = outbox.bytes.len();
    let written = stream.poll_write(cx, &mut outbox.bytes);
    outbox.unflushed = written.is_pending();
    if outbox.bytes.len() < before || !outbox.unflushed {
        keep_alive.sent(Instant::now(), outbox.unflushed);
    }
    match written {
        Poll::Ready(written) => written,
        Poll::Pending => Ok(()),
    }
}

fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
