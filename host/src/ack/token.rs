//! `AckToken`: the debt that one share of a message carries from arrival to settlement.
//!
//! Invariant: a token is spent exactly once. Spending it files a `Report` at the `Desk` of its source; dropping it files
//! `Abandoned`, which never acknowledges. Forgetting it (a lost delivery report, `mem::forget`) files nothing, so the
//! message stays unacknowledged: the safe side.

use std::mem;
use std::sync::{Mutex, PoisonError};

/// Which `[mqtt.<name>]` a message came from: its place among the sources of this process, 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceNo(u8);

impl SourceNo {
    /// Most sources in one process.
    pub const COUNT_MAX: usize = 64;

    #[must_use]
    pub fn new(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|_| place < Self::COUNT_MAX).map(Self)
    }

    #[must_use]
    pub fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// A rule's number: given once per rule name and process, so that it means the same before and after a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleNo(u32);

impl RuleNo {
    /// Most different rule names in the life of one process.
    pub const COUNT_MAX: usize = 1 << 17;

    #[must_use]
    pub fn new(place: usize) -> Option<Self> {
        u32::try_from(place).ok().filter(|_| place < Self::COUNT_MAX).map(Self)
    }

    #[must_use]
    pub fn place(self) -> usize {
        self.0 as usize
    }
}

/// A message's place in the book of its source: counts up for the life of the process and is never reused, so a slot
/// of an older connection can never be taken for one of the present connection. 40 bits on the wire to librdkafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u64);

const SLOT_BITS: u32 = 40;
/// Slots count modulo this.
pub const SLOT_COUNT: u64 = 1 << SLOT_BITS;
const RULE_BITS: u32 = 17;

/// How one share was paid, or what became of it on the way.
#[derive(Debug)]
pub enum Settlement {
    /// Kafka has acknowledged the record.
    Delivered,
    /// A plugin or rule decided that nothing is to be sent.
    Filtered,
    /// There was nothing to send: a plugin was called without a message and made no record.
    Nothing,
    /// Set aside for good by the rule's `on_error = "drop"`, counted.
    Dropped,
    /// One share became `1 + n`: `n` more settlements are owed. Not a settlement by itself.
    Split(u32),
    /// The share could not be carried out; the source decides by the rule's `on_error`. The share stays owed.
    Failed(Box<Failure>),
    /// Forgotten. Never acknowledged.
    Abandoned,
}

/// Why a share could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// For people: what happened, in one line.
    pub error: String,
    /// The plugin that failed and its place in the chain, counted from 0.
    pub plugin: Option<FailedPlugin>,
}

/// Which plugin failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedPlugin {
    pub name: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    pub stage: u32,
}

/// The stable code of a failure: the value of `dlq.reason` and of the `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The plugin answered `fail`.
    PluginFailed,
    /// The plugin trapped.
    PluginTrap,
    /// The plugin ran longer than its call limit.
    PluginDeadline,
    /// The plugin asked for more memory than its limit.
    PluginMemory,
    /// The plugin gave more than its output limit.
    PluginOutput,
    /// The plugin's answer could not be used: wrong count, bad text, an instance that would not start.
    PluginRefused,
    /// The rendered Kafka topic is not one that Kafka allows.
    BadTopic,
    /// More different Kafka topics than the limit.
    TooManyTopics,
    /// The record is larger than the cluster takes.
    TooLarge,
    /// The topic does not exist or may not be written, and the cluster's setting says not to wait.
    TopicRefused,
    /// Kafka refuses this record for another lasting reason.
    KafkaRejected,
}

impl FailureKind {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::PluginFailed => "plugin-failed",
            Self::PluginTrap => "plugin-trap",
            Self::PluginDeadline => "plugin-deadline",
            Self::PluginMemory => "plugin-memory",
            Self::PluginOutput => "plugin-output",
            Self::PluginRefused => "plugin-refused",
            Self::BadTopic => "bad-topic",
            Self::TooManyTopics => "too-many-topics",
            Self::TooLarge => "too-large",
            Self::TopicRefused => "topic-refused",
            Self::KafkaRejected => "kafka-rejected",
        }
    }
}

/// What happened to one share, as told to the source that owns the message.
#[derive(Debug)]
pub struct Report {
    pub slot: Slot,
    pub rule: RuleNo,
    /// The share is a dead letter of its message, not a record of the rule.
    pub dead_letter: bool,
    pub settlement: Settlement,
}

/// Where the shares of one source report. One per source for the life of the process (`docs/decisions/0003`), hence
/// `&'static` in every token: a token costs no reference count.
pub struct Desk {
    source: SourceNo,
    reports: Mutex<Vec<Report>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Desk {
    /// Opens the desk of `source`; `wake` tells its thread that reports wait and must not block.
    #[must_use]
    pub fn open(source: SourceNo, wake: impl Fn() + Send + Sync + 'static) -> &'static Self {
        Box::leak(Box::new(Self { source, reports: Mutex::default(), wake: Box::new(wake) }))
    }

    #[must_use]
    pub fn source(&self) -> SourceNo {
        self.source
    }

    /// A share of the message at `slot` for `rule`.
    pub fn token(&'static self, slot: Slot, rule: RuleNo) -> AckToken {
        AckToken { slot, rule, dead_letter: false, desk: self }
    }

    /// A share for the dead letter of `rule`'s share.
    pub fn dead_letter_token(&'static self, slot: Slot, rule: RuleNo) -> AckToken {
        AckToken { slot, rule, dead_letter: true, desk: self }
    }

    /// Files many reports with one lock and one wake-up. Leaves `reports` empty with its capacity.
    pub fn file(&self, reports: &mut Vec<Report>) {
        if reports.is_empty() {
            return;
        }
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).append(reports);
        (self.wake)();
    }

    /// Wakes the source without a report: something that it waits for has changed.
    pub fn ring(&self) {
        (self.wake)();
    }

    /// Takes all reports filed so far, in filing order, into `into` (emptied first).
    pub fn collect(&self, into: &mut Vec<Report>) {
        into.clear();
        mem::swap(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

/// The debt of one share. No `Clone`; spent by value.
#[must_use = "an unsettled token is never acknowledged"]
pub struct AckToken {
    slot: Slot,
    rule: RuleNo,
    dead_letter: bool,
    desk: &'static Desk,
}

impl AckToken {
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.slot
    }

    #[must_use]
    pub fn rule(&self) -> RuleNo {
        self.rule
    }

    /// Whether this share is a dead letter of its message.
    #[must_use]
    pub fn is_dead_letter(&self) -> bool {
        self.dead_letter
    }

    #[must_use]
    pub fn desk(&self) -> &'static Desk {
        self.desk
    }

    /// Spends the token: the report to file at `self.desk()`. For those who file many at once.
    #[must_use = "file it at the token's desk"]
    pub fn report(self, settlement: Settlement) -> Report {
        let report = Report { slot: self.slot, rule: self.rule, dead_letter: self.dead_letter, settlement };
        mem::forget(self);
        report
    }

    /// Spends the token and files its report at once.
    pub fn settle(self, settlement: Settlement) {
        let desk = self.desk;
        desk.file(&mut vec![self.report(settlement)]);
    }

    /// Makes `count` tokens of this one (at least 1). The split is appended to `reports`, which must be filed at the desk
    /// before any of the new tokens is settled: else a share could settle the message early.
    pub fn split(self, count: u32, reports: &mut Vec<Report>) -> impl Iterator<Item = Self> + use<> {
        let Self { slot, rule, dead_letter, desk } = self;
        mem::forget(self);
        if count > 1 {
            reports.push(Report { slot, rule, dead_letter, settlement: Settlement::Split(count - 1) });
        }
        (0..count.max(1)).map(move |_| Self { slot, rule, dead_letter, desk })
    }

    /// Spends the token for the number that rides through librdkafka as a message's opaque. `redeem` gives it back; an
    /// opaque that never returns is a message that is never acknowledged.
    #[must_use = "an opaque that is lost is a message that is never acknowledged"]
    pub fn into_opaque(self) -> u64 {
        let opaque = (u64::from(self.desk.source.0) << (SLOT_BITS + RULE_BITS + 1))
            | ((self.slot.0 & ((1 << SLOT_BITS) - 1)) << (RULE_BITS + 1))
            | (u64::from(self.rule.0) << 1)
            | u64::from(self.dead_letter);
        mem::forget(self);
        opaque
    }

    /// The token that `into_opaque` spent. `desks` lists the desks by source place.
    #[must_use]
    pub fn redeem(opaque: u64, desks: &[&'static Desk]) -> Option<Self> {
        let source = opaque >> (SLOT_BITS + RULE_BITS + 1);
        let desk = *desks.get(usize::try_from(source).ok()?)?;
        let rule = RuleNo(((opaque >> 1) & ((1 << RULE_BITS) - 1)) as u32);
        let slot = Slot((opaque >> (RULE_BITS + 1)) & ((1 << SLOT_BITS) - 1));
        Some(Self { slot, rule, dead_letter: opaque & 1 == 1, desk })
    }
}

impl Drop for AckToken {
    fn drop(&mut self) {
        let report = Report {
            slot: self.slot,
            rule: self.rule,
            dead_letter: self.dead_letter,
            settlement: Settlement::Abandoned,
        };
        self.desk.file(&mut vec![report]);
    }
}
