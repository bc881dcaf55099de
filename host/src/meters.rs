//! What the data path counts. Plain atomics, so that counting costs an addition; `telemetry` knows the names.
//!
//! Invariant: a meter is never removed while the process lives, so that counters never go back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;

use crate::ack::{FailureKind, RuleNo};
use crate::topic::{ClusterNo, KafkaTopic};

/// A count that only grows, or a gauge that is set.
#[derive(Debug, Default)]
pub struct Meter(AtomicU64);

impl Meter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets of every `Histogram`, in microseconds; one more bucket stands above the last.
pub const BUCKETS_US: [u64; 18] = [
    50,
    100,
    250,
    500,
    1_000,
    2_000,
    3_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
];

/// Durations in fixed buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Meter; BUCKETS_US.len() + 1],
    sum_us: Meter,
}

impl Histogram {
    pub fn observe(&self, took: Duration) {
        self.observe_many(took, 1);
    }

    /// The same duration `count` times.
    pub fn observe_many(&self, took: Duration, count: u64) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BUCKETS_US.partition_point(|bound_us| *bound_us < took_us);
        self.buckets[place].add(count);
        self.sum_us.add(took_us.saturating_mul(count));
    }

    /// Counts per bucket, not cumulated, the one above the last bound last; and the sum in microseconds.
    #[must_use]
    pub fn read(&self) -> ([u64; BUCKETS_US.len() + 1], u64) {
        (std::array::from_fn(|place| self.buckets[place].get()), self.sum_us.get())
    }
}

/// What one source counts.
#[derive(Debug, Default)]
pub struct SourceMeters {
    pub name: String,
    pub received: Meter,
    pub received_bytes: Meter,
    pub unrouted: Meter,
    pub acknowledged: Meter,
    pub abandoned: Meter,
    /// Gauge.
    pub in_flight: Meter,
    /// Gauge: most messages that the broker may have in flight to us.
    pub window: Meter,
    /// Redeliveries that took up a standing debt, so that nothing was produced twice.
    pub rejoined: Meter,
    /// Gauge: 1 while a connection stands.
    pub connected: Meter,
    pub connects: Meter,
    /// Connections on which the broker had forgotten our session although we asked it to keep one.
    pub sessions_lost: Meter,
    /// Packets that broke the protocol.
    pub protocol_errors: Meter,
    /// By `on_error = "drop"`.
    pub dropped_by_rule: Meter,
    /// QoS 0 messages forgotten with their connection or at the end of a drain.
    pub dropped_qos_0: Meter,
}

/// What one rule counts.
#[derive(Debug)]
pub struct RuleMeters {
    pub name: String,
    pub filtered: Meter,
    pub dead_lettered: DashMap<FailureKind, u64>,
    /// Arrival to Kafka's acknowledgement.
    pub delivery: Histogram,
    /// By place in the chain.
    pub plugins: DashMap<String, Arc<PluginMeters>>,
}

/// What one plugin of one rule counts.
#[derive(Debug, Default)]
pub struct PluginMeters {
    pub call: Histogram,
    pub failures: DashMap<FailureKind, u64>,
    /// Gauge, per lane; the metric is their sum.
    pub memory_bytes: DashMap<usize, u64>,
    /// The plugin's own, by name.
    pub counters: DashMap<String, u64>,
    /// The plugin's own, by name.
    pub gauges: DashMap<String, f64>,
}

/// What one cluster counts.
#[derive(Debug, Default)]
pub struct ClusterMeters {
    pub name: String,
    /// Gauge: 1 while at least one broker is connected.
    pub connected: Meter,
    /// Records that wait for a topic that is missing or may not be written (gauge).
    pub held: Meter,
    /// Producers made anew after a fatal error.
    pub recreated: Meter,
    /// Records handed to the producer and not settled (gauge).
    pub queued: Meter,
}

/// What `tidegate_config_*` tell.
#[derive(Debug, Default)]
pub struct ConfigMeters {
    pub generation: Meter,
    /// 1 or 0.
    pub last_reload_successful: Meter,
    /// Seconds since 1970.
    pub last_success_s: Meter,
}

/// Most topics of one rule that get a series of their own; the others share `_other`.
pub const TOPICS_PER_RULE_MAX: usize = 200;

/// A topic of one rule, as a series of `tidegate_records_produced_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducedKey {
    pub rule: RuleNo,
    pub cluster: ClusterNo,
    pub topic: u32,
}

/// Count and label of one such series.
#[derive(Debug)]
pub struct Produced {
    pub topic: String,
    pub records: Meter,
}

/// All meters of the process.
#[derive(Debug, Default)]
pub struct Meters {
    pub sources: OnceLock<Vec<Arc<SourceMeters>>>,
    pub clusters: OnceLock<Vec<Arc<ClusterMeters>>>,
    /// By `RuleNo`.
    pub rules: DashMap<RuleNo, Arc<RuleMeters>>,
    pub produced: DashMap<ProducedKey, Arc<Produced>>,
    pub config: ConfigMeters,
}

impl Meters {
    /// The meters of rule `name`, made on first use.
    pub fn rule(&self, rule: RuleNo, name: &str) -> Arc<RuleMeters> {
        let new = || {
            Arc::new(RuleMeters {
                name: name.into(),
                filtered: Meter::default(),
                dead_lettered: DashMap::new(),
                delivery: Histogram::default(),
                plugins: DashMap::new(),
            })
        };
        self.rules.entry(rule).or_insert_with(new).clone()
    }

    /// The series of `rule` and `topic`, made on first use; callers keep it for the records that follow.
    pub fn produced(&self, rule: RuleNo, topic: &KafkaTopic) -> Arc<Produced> {
        let key = ProducedKey { rule, cluster: topic.cluster, topic: topic.id };
        if let Some(known) = self.produced.get(&key) {
            return known.clone();
        }
        let of_rule = self.produced.iter().filter(|known| known.key().rule == rule).count();
        let (key, topic) = match of_rule < TOPICS_PER_RULE_MAX {
            true => (key, topic.name()),
            false => (ProducedKey { topic: u32::MAX, ..key }, "_other"),
        };
        let new = || Arc::new(Produced { topic: topic.into(), records: Meter::default() });
        self.produced.entry(key).or_insert_with(new).clone()
    }
}
