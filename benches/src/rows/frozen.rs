//! What the bridge burns while Kafka stands still.

use super::{standing, usual_plan};
use crate::bridge::Bridge;
use crate::failure::{Context, Failure, Tried};
use crate::report::{Limit, RowReport};
use crate::rig::{Bench, Ends, SETTLE, TOPIC};
use crate::sink::Counter;
use crate::sys::{self, Signal};
use serde_json::json;
use std::thread;
use std::time::Duration;

/// Messages a second before, while and after.
const RATE: u64 = 5000;
/// How long Kafka stands still.
const FROZEN: Duration = Duration::from_secs(30);
const FROZEN_QUICK: Duration = Duration::from_secs(8);
/// Time under load before the freeze, and between the freeze and the measurement: the window is full by then.
const LEAD: Duration = Duration::from_secs(2);
/// Longest wait for everything after the thaw; librdkafka may first have to give up a request.
const THAW: Duration = Duration::from_secs(120);

pub(super) fn row(bench: &mut Bench) -> Tried<RowReport> {
    let frozen = if bench.args.quick { FROZEN_QUICK } else { FROZEN };
    let messages = RATE * (2 * LEAD + frozen).as_secs();
    let about =
        format!("{RATE} msg/s (open loop), window 1024; the Kafka process is stopped for {frozen:?}, then goes on");
    let mut report = RowReport::new("frozen", about);

    let mut ends = Ends::start(bench.args.qos, super::RULES)?;
    let mut bridge = bench.start_bridge(&bench.programs.subject, &ends, &usual_plan(1024, messages))?;
    bridge.wait_until_ready()?;
    ends.flood.order(&format!("run {messages} {RATE}"))?;
    thread::sleep(LEAD);
    let share = cpu_share_while_frozen(&ends, &bridge, frozen)?;
    ends.flood.event("done", THAW).context("wait for everything after the thaw")?;
    let at_sink = Counter::new(&ends.kafka.brokers, TOPIC)?.wait_for(messages, SETTLE)?;
    let peak = bridge.peak_mib()?;
    bridge.end();

    report.line(format!("{:.1} % of a core while frozen, {peak:.1} MiB peak", share * 100.0));
    report.line(format!("{messages} messages sent, {at_sink} records at the sink"));
    report.raw = json!({"cpu_share": share, "peak_mib": peak, "messages": messages, "at_sink": at_sink});
    let standing = standing(bench, at_sink < messages);
    report.check("share of a core while frozen", share, Limit::AtMost(0.1), standing);
    Ok(report)
}

/// Stops the mock, measures, and lets it go on whatever happened.
fn cpu_share_while_frozen(ends: &Ends, bridge: &Bridge, frozen: Duration) -> Tried<f64> {
    let mock = ends.kafka.mock_pid().ok_or_else(|| Failure::new("only the mock cluster can be frozen"))?;
    sys::send_signal(mock, Signal::Stop)?;
    thread::sleep(LEAD);
    let before = bridge.usage();
    thread::sleep(frozen.saturating_sub(LEAD));
    let after = bridge.usage();
    sys::send_signal(mock, Signal::Continue)?;
    let (before, after) = (before?, after?);
    Ok((after.cpu - before.cpu).as_secs_f64() / after.at.duration_since(before.at).as_secs_f64())
}
