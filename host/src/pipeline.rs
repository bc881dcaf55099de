//! The data path, top to bottom: a message arrives, finds its rules, is carried to Kafka or to a lane, and is
//! acknowledged when every share of it is settled.
//!
//! Invariant: nothing here waits. One `Pipeline` per source, on the source's own thread.

pub mod chain;
pub mod copies;
pub mod groups;
pub mod instances;
pub mod lane;
pub mod letters;
pub mod occasions;
pub mod records;
pub mod route;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use tracing::error;

use copies::Copies;
use lane::{Job, Lane, Outlets};
use letters::{Letters, Reply};
use occasions::{Called, Timetable, UnderWay};
use route::{Leg, Route, RouteCache};

use crate::ack::{Ack, AckLedger, AckToken, Desk, Failure, Report, RuleNo, Settlement, Slot};
use crate::message::Message;
use crate::meters::{Meters, RuleMeters, SourceMeters};
use crate::router::{Rule, RuleSet, Snapshot};
use crate::seam::{Arrival, Intake, Occasion, Shipment};

/// What a pipeline is joined to.
pub struct Wiring {
    pub desk: &'static Desk,
    pub live: Arc<ArcSwap<Snapshot>>,
    pub lanes: Arc<[Arc<Lane>]>,
    pub outlets: Arc<Outlets>,
    pub meters: Arc<Meters>,
    pub source_meters: Arc<SourceMeters>,
    pub limits: Limits,
    /// Rings at the desk after a while, for what must be tried again.
    pub ring_later: Box<dyn Fn(Duration) + Send>,
}

/// Most that a source may have in flight.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub messages_max: usize,
    pub bytes_max: usize,
}

/// What is kept of a message until it is settled.
pub struct Kept {
    pub message: Message,
    pub route: Arc<Route>,
    pub arrived: Instant,
    /// No message of the broker: a call that we made of ourselves.
    pub is_occasion: bool,
}

/// The data path of one source.
pub struct Pipeline {
    wiring: Wiring,
    snapshot: Arc<Snapshot>,
    /// A snapshot that waits for the lanes to be idle, since it moves a rule between lane and connection thread.
    next: Option<Arc<Snapshot>>,
    ledger: AckLedger<Kept>,
    routes: RouteCache,
    copies: Copies,
    letters: Letters,
    timetable: Timetable,
    /// When the desk rings for the next tick.
    rings_at: Option<Instant>,
    /// The route of what is no message.
    no_route: Arc<Route>,
    hashing: RandomState,
    /// By cluster: what the sink has not taken yet.
    outboxes: Vec<VecDeque<Shipment>>,
    /// By lane: what this batch has for it.
    lane_jobs: Vec<Vec<Job>>,
    reports: Vec<Report>,
    rule_meters: Vec<Option<Arc<RuleMeters>>>,
    batch_arrived: Option<Instant>,
    counts: Counts,
}

/// Counted on the way and filed once per batch: an atomic addition per message would cost more than the counting.
#[derive(Default)]
struct Counts {
    received: u64,
    received_bytes: u64,
    unrouted: u64,
}

impl Counts {
    fn file(&mut self, meters: &SourceMeters) {
        meters.received.add(self.received);
        meters.received_bytes.add(self.received_bytes);
        meters.unrouted.add(self.unrouted);
        *self = Self::default();
    }
}

/// How soon a full sink is offered its records again.
const OFFER_AGAIN: Duration = Duration::from_millis(2);
/// Shortest wait for a tick.
const TICK_REST_MIN: Duration = Duration::from_millis(1);

impl Pipeline {
    #[must_use]
    pub fn new(wiring: Wiring) -> Self {
        let mut pipeline = Self {
            snapshot: wiring.live.load_full(),
            next: None,
            ledger: AckLedger::default(),
            routes: RouteCache::new(),
            copies: Copies::default(),
            letters: Letters::default(),
            timetable: Timetable::default(),
            rings_at: None,
            no_route: Arc::new(Route::none()),
            hashing: RandomState::default(),
            outboxes: wiring.outlets.sinks.iter().map(|_| VecDeque::new()).collect(),
            lane_jobs: wiring.lanes.iter().map(|_| Vec::new()).collect(),
            reports: Vec::new(),
            rule_meters: Vec::new(),
            batch_arrived: None,
            counts: Counts::default(),
            wiring,
        };
        pipeline.plan_ticks();
        pipeline
    }

    /// Takes a message in and carries it to every rule that it is for.
    fn carry(&mut self, arrival: Arrival) {
        let Arrival { message, packet_id, .. } = arrival;
        let route = self.route_of(&message);
        let copy = self.copies.judge(&route, &message);
        let slot = self.ledger.next_slot();
        let mut shares = 0;
        for leg in route.legs.iter().filter(|leg| self.copies.is_for(leg, copy, &message)) {
            shares += dispatch(leg, &message, slot, &self.wiring, &mut self.outboxes, &mut self.lane_jobs);
        }
        self.counts.unrouted += u64::from(shares == 0);
        let (qos, size_bytes, arrived) = (message.qos, message.size_bytes(), self.batch_arrived());
        self.ledger.arrive(packet_id, qos, shares, size_bytes, Kept { message, route, arrived, is_occasion: false });
    }

    fn batch_arrived(&mut self) -> Instant {
        *self.batch_arrived.get_or_insert_with(Instant::now)
    }

    fn route_of(&mut self, message: &Message) -> Arc<Route> {
        let (set, topics) = (&self.snapshot.sources[self.wiring.desk.source().place()], &self.wiring.outlets.topics);
        self.routes.get(message, |topic| Route::find(set, topic, topics, &self.hashing))
    }

    fn settle(&mut self, report: Report, now: Instant) {
        let Report { slot, rule, dead_letter, settlement } = report;
        match settlement {
            Settlement::Delivered if dead_letter => self.letter_delivered(slot, rule),
            Settlement::Delivered => self.delivered(slot, rule, now),
            Settlement::Filtered => {
                self.letters.forget(slot, rule);
                self.meters_of(rule).filtered.add(1);
                self.ledger.pay(slot);
            }
            Settlement::Dropped => self.dropped(slot),
            Settlement::Nothing => drop(self.ledger.pay(slot)),
            Settlement::Split(more) => self.ledger.owe(slot, more),
            Settlement::Failed(failure) => self.failed(slot, rule, *failure, dead_letter),
            Settlement::Abandoned => {
                self.wiring.source_meters.abandoned.add(1);
                self.ledger.abandon(slot);
            }
        }
    }

    fn delivered(&mut self, slot: Slot, rule: RuleNo, now: Instant) {
        self.letters.forget(slot, rule);
        if let Some(arrived) = self.ledger.pay(slot).map(|kept| kept.arrived) {
            self.meters_of(rule).delivery.observe(now.saturating_duration_since(arrived));
        }
    }

    fn dropped(&mut self, slot: Slot) {
        self.wiring.source_meters.dropped_by_rule.add(1);
        self.ledger.pay(slot);
    }

    fn letter_delivered(&mut self, slot: Slot, rule: RuleNo) {
        let meters = self.meters_of(rule).clone();
        for _ in 0..self.letters.delivered(slot, rule, &meters) {
            self.ledger.pay(slot);
        }
    }

    /// A share could not be carried out: what its rule says about that is done.
    fn failed(&mut self, slot: Slot, rule: RuleNo, failure: Failure, dead_letter: bool) {
        let Some(kept) = self.ledger.kept(slot) else { return };
        if kept.is_occasion {
            error!(error = %failure.error, "a record that a plugin made without a message is lost");
            return self.dropped(slot);
        }
        let leg = kept.route.legs.iter().find(|leg| leg.rule.no == rule);
        let Some(leg) = leg.cloned() else { return };
        match self.letters.reply(&leg.rule, &kept.message, slot, failure, dead_letter, &self.snapshot) {
            Reply::Send(record) => {
                let cluster = usize::from(record.topic.cluster.0);
                let token = self.wiring.desk.dead_letter_token(slot, rule);
                self.outboxes[cluster].push_back(Shipment { record: *record, token });
            }
            Reply::Drop => self.dropped(slot),
            Reply::AlreadyOnItsWay => {}
            Reply::TryAgain { after } => (self.wiring.ring_later)(after),
        }
    }

    /// Carries again what waited for its time.
    fn carry_again(&mut self) {
        for (slot, rule) in self.letters.due(Instant::now()) {
            let Some(kept) = self.ledger.kept(slot) else {
                self.letters.forget(slot, rule);
                continue;
            };
            let (message, route) = (kept.message.clone(), kept.route.clone());
            let current = self.snapshot.rules().any(|known| known.no == rule);
            let route = if current { self.route_of(&message) } else { route };
            let Some(leg) = route.legs.iter().find(|leg| leg.rule.no == rule) else { continue };
            let shares = dispatch(leg, &message, slot, &self.wiring, &mut self.outboxes, &mut self.lane_jobs);
            self.ledger.owe(slot, shares.saturating_sub(1));
        }
    }

    /// Takes the live snapshot over, at once where that cannot change the order of what is under way, else as soon as
    /// the lanes have carried this source's messages.
    fn adopt(&mut self) {
        if self.next.is_none() && !Arc::ptr_eq(&self.snapshot, &self.wiring.live.load()) {
            self.next = Some(self.wiring.live.load_full());
        }
        let Some(next) = &self.next else { return };
        let source = self.wiring.desk.source().place();
        if moves_a_rule(&self.snapshot.sources[source], &next.sources[source]) && !self.is_quiet() {
            return;
        }
        self.snapshot = self.wiring.live.load_full();
        self.next = None;
        self.routes.clear();
        self.plan_ticks();
    }

    fn plan_ticks(&mut self) {
        let rules = &self.snapshot.sources[self.wiring.desk.source().place()];
        self.timetable = Timetable::of(rules, self.wiring.lanes.len(), &self.timetable, Instant::now());
        self.rings_at = None;
    }

    /// Calls the ticks that are due, and sees to it that we wake for the next.
    fn tick(&mut self, now: Instant) {
        let mut due = Vec::new();
        self.timetable.due(now, |rule, stage, lane, under_way| due.push((rule.clone(), stage, lane, under_way)));
        for (rule, stage, lane, under_way) in due {
            self.call(&rule, stage, lane, Occasion::Tick, Some(under_way));
        }
        let Some(next) = self.timetable.next() else { return };
        if self.rings_at.is_none_or(|at| at <= now || next < at) {
            self.rings_at = Some(next);
            (self.wiring.ring_later)(next.saturating_duration_since(now).max(TICK_REST_MIN));
        }
    }

    /// Tells all plugins that hear of the connection.
    fn tell(&mut self, occasion: Occasion) {
        let rules = self.snapshot.sources[self.wiring.desk.source().place()].clone();
        for rule in rules.rules() {
            for stage in occasions::hearers(rule) {
                (0..self.wiring.lanes.len()).for_each(|lane| self.call(rule, stage, lane, occasion, None));
            }
        }
        for (lane, jobs) in self.wiring.lanes.iter().zip(&mut self.lane_jobs) {
            lane.push(jobs);
        }
    }

    /// Enters a call without a message into the book and puts it behind the lane's messages.
    fn call(&mut self, rule: &Arc<Rule>, stage: usize, lane: usize, occasion: Occasion, under_way: Option<UnderWay>) {
        let source = self.snapshot.sources[self.wiring.desk.source().place()].source.clone();
        let message = occasions::stand_in(None);
        let kept =
            Kept { message: message.clone(), route: self.no_route.clone(), arrived: Instant::now(), is_occasion: true };
        let slot = self.ledger.occur(kept);
        let leg = Arc::new(Leg::of_rule(rule));
        let called = Some(Called { occasion, stage, source, under_way });
        let token = self.wiring.desk.token(slot, rule.no);
        self.lane_jobs[lane].push(Job { leg, message, token, called });
    }

    fn is_quiet(&self) -> bool {
        self.outboxes.iter().all(VecDeque::is_empty)
            && self.wiring.lanes.iter().all(|lane| lane.is_idle(self.wiring.desk))
    }

    fn meters_of(&mut self, rule: RuleNo) -> &Arc<RuleMeters> {
        if self.rule_meters.len() <= rule.place() {
            self.rule_meters.resize(rule.place() + 1, None);
        }
        let known = &mut self.rule_meters[rule.place()];
        known.get_or_insert_with(|| self.wiring.meters.rule(rule, ""))
    }

    /// What changes a source, in an order in which nothing is lost: settle, try again, adopt new rules.
    fn turn(&mut self) {
        let mut reports = std::mem::take(&mut self.reports);
        self.wiring.desk.collect(&mut reports);
        let now = Instant::now();
        for report in reports.drain(..) {
            self.settle(report, now);
        }
        self.reports = reports;
        self.carry_again();
        self.adopt();
        self.tick(now);
    }
}

/// Sends a message down one leg; returns how many shares that makes.
fn dispatch(
    leg: &Arc<Leg>,
    message: &Message,
    slot: Slot,
    wiring: &Wiring,
    outboxes: &mut [VecDeque<Shipment>],
    lane_jobs: &mut [Vec<Job>],
) -> u32 {
    let token = || -> AckToken { wiring.desk.token(slot, leg.rule.no) };
    if leg.rule.has_stages() {
        let lane = usize::try_from(leg.lane_hash).unwrap_or(0) % lane_jobs.len();
        lane_jobs[lane].push(Job { leg: leg.clone(), message: message.clone(), token: token(), called: None });
        return 1;
    }
    for bound in &leg.destinations {
        match records::record(bound, message, Some(message.payload.clone()), None, &wiring.outlets.topics) {
            Ok(record) => outboxes[bound.cluster].push_back(Shipment { record, token: token() }),
            Err(failure) => token().settle(Settlement::Failed(Box::new(failure))),
        }
    }
    u32::try_from(leg.destinations.len()).unwrap_or(u32::MAX)
}

/// Whether a rule goes through a lane in one set and not in the other, or through another one.
fn moves_a_rule(old: &RuleSet, new: &RuleSet) -> bool {
    let before: std::collections::HashMap<RuleNo, &Rule> = old.rules().iter().map(|rule| (rule.no, &**rule)).collect();
    let moves = |rule: &Rule, before: &Rule| {
        rule.has_stages() != before.has_stages() || (rule.has_stages() && rule.order != before.order)
    };
    new.rules().iter().any(|rule| before.get(&rule.no).is_some_and(|before| moves(rule, before)))
}

impl Intake for Pipeline {
    fn linked(&mut self, resumed: bool) {
        self.ledger.linked(resumed);
        if !resumed {
            self.copies.clear();
        }
        self.tell(Occasion::Linked { resumed });
    }

    fn lost(&mut self) {
        let open = self.ledger.lost();
        self.wiring.source_meters.abandoned.add(open);
        self.wiring.source_meters.in_flight.set(0);
        self.tell(Occasion::Lost);
    }

    fn arrive(&mut self, arrival: Arrival) {
        self.counts.received += 1;
        self.counts.received_bytes += arrival.message.size_bytes() as u64;
        let message = &arrival.message;
        let is_same = |kept: &Kept| kept.message.topic == message.topic && kept.message.payload == message.payload;
        match arrival.packet_id.filter(|_| arrival.dup) {
            Some(packet_id) if self.ledger.rejoin(packet_id, is_same) => self.wiring.source_meters.rejoined.add(1),
            Some(_) | None => self.carry(arrival),
        }
    }

    fn hand_over(&mut self) {
        self.batch_arrived = None;
        self.counts.file(&self.wiring.source_meters);
        let mut all_taken = true;
        for (sink, outbox) in self.wiring.outlets.sinks.iter().zip(&mut self.outboxes) {
            if !outbox.is_empty() {
                sink.send(outbox);
                all_taken &= outbox.is_empty();
            }
        }
        for (lane, jobs) in self.wiring.lanes.iter().zip(&mut self.lane_jobs) {
            lane.push(jobs);
        }
        if !all_taken {
            (self.wiring.ring_later)(OFFER_AGAIN);
        }
    }

    fn take_acks(&mut self, acks: &mut Vec<Ack>) {
        self.turn();
        self.hand_over();
        let left = self.ledger.take_acks(acks);
        self.wiring.source_meters.acknowledged.add(left.messages);
        self.wiring.source_meters.in_flight.set(self.ledger.in_flight() as u64);
    }

    fn has_room(&self) -> bool {
        let limits = self.wiring.limits;
        let is_ended = self.wiring.outlets.ended.load(Ordering::Relaxed);
        self.next.is_none()
            && !is_ended
            && self.ledger.in_flight() < limits.messages_max
            && self.ledger.in_flight_bytes() < limits.bytes_max
            && self.outboxes.iter().all(|outbox| outbox.len() < limits.messages_max)
    }

    fn in_flight(&self) -> usize {
        self.ledger.in_flight()
    }

    fn is_stuck(&self) -> bool {
        self.ledger.is_stuck()
    }
}
