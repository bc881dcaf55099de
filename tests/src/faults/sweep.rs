//! B1: kill -9 at the Nth system call of the program as it is shipped, for a sweep of N, by `strace`'s injection.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::figures::{Figures, Limit};
use super::follow::Follower;
use super::scene::{PATIENCE, PAYLOAD_BYTES, Plan, WINDOW, expected, topic_of};
use super::session::{Numbered, Session};
use super::{Need, Row, Trial};
use crate::bridge::Bridge;
use crate::guests::component;
use crate::mock::Mock;
use crate::process::wait_until;
use crate::verdict::Verdict;

pub(super) const ROWS: &[Row] = &[Row {
    id: "B1",
    fault: "kill -9 at the Nth system call, then a new process",
    load: "2,000 messages a point, half through a plugin",
    needs: &[Need::Strace],
    run: sweep,
}];

const MESSAGES: u32 = 2_000;
const PUBLISHERS: u32 = 20;
/// Spread over time, so that the calls do not melt into a few large ones.
const RATE: u32 = 8_000;

/// What is counted: calls that bring bytes in, and calls that send bytes out.
const DIRECTIONS: [&str; 2] = ["recvfrom,recvmsg,read,readv", "sendto,sendmsg,write,writev"];

fn sweep(trial: &Trial) -> Figures {
    let points = trial.points.unwrap_or(60);
    let mut random = trial.random();
    let mut sum = Figures::default();
    let (mut reached, mut most, mut worst) = (0, 1, Vec::new());
    for point in 0..points {
        let direction = DIRECTIONS[usize::from(point % 2 == 1)];
        // From 1 up where every call is met, then by chance over a range that follows what was seen to be reached.
        let number = if point < points / 2 { 1 + point / 2 * step(points) } else { 1 + random.below(most * 3 / 2) };
        let (verdict, killed) = one(direction, number);
        if killed {
            (reached, most) = (reached + 1, most.max(number));
        }
        if verdict.lost + verdict.inversions + verdict.invented > 0 || verdict.duplicates > WINDOW {
            worst.push(format!("{direction} {number}: {verdict}"));
        }
        add(&mut sum, &verdict);
    }
    sum.duplicates_max = reached * WINDOW;
    sum.verdict.examples.extend(worst);
    sum.measure("points", points as f64, "", Limit::Free);
    sum.measure("points at which it was killed", reached as f64, "", Limit::AtLeast(points as f64 * 0.6));
    sum.measure("highest call reached", most as f64, "", Limit::Free);
    sum
}

/// Few points look far apart, many leave nothing out.
fn step(points: u64) -> u64 {
    (500 / points.max(1)).max(1)
}

fn add(sum: &mut Figures, verdict: &Verdict) {
    sum.sent += u64::from(MESSAGES);
    let all = &mut sum.verdict;
    all.records += verdict.records;
    all.lost += verdict.lost;
    all.duplicates += verdict.duplicates;
    all.inversions += verdict.inversions;
    all.invented += verdict.invented;
    all.wrong_topic += verdict.wrong_topic;
    all.wrong_key += verdict.wrong_key;
    all.wrong_headers += verdict.wrong_headers;
    all.wrong_partition += verdict.wrong_partition;
    all.wrong_payload += verdict.wrong_payload;
}

/// One run with fresh servers: the bridge is killed at its `number`th call of the kind in any one thread, then started
/// again. Says whether it was killed: a run may need fewer calls.
fn one(direction: &str, number: u64) -> (Verdict, bool) {
    let plan = Plan::usual();
    let session = Session::start(Numbered {
        publishers: PUBLISHERS,
        each: MESSAGES / PUBLISHERS,
        rate: Some(RATE),
        topic: Arc::new(topic_of),
        payload: Arc::new(|id| id.payload(PAYLOAD_BYTES)),
    });
    let mock = Mock::start(&plan.topics);
    let topics = ["all", "temp", "dlq"];
    let follower = Follower::start(&mock.client(), &topics, Arc::new(topic_of), PAYLOAD_BYTES, Box::new(expected));
    let tables = format!("{}\n{}\n{}", session.table("plant", ""), mock.table(), plan.more);
    let mut bridge = Bridge::new(&tables, &plan.rules);
    bridge.add_plugin("identity", &component("identity"));
    bridge.spawn_under(strace(direction, number));
    let done = || session.accepted() == u64::from(MESSAGES) && session.wait_settled(Duration::ZERO);
    let mut ended = false;
    wait_until(PATIENCE, || {
        ended = !bridge.process().is_running();
        ended || done()
    });
    if !ended {
        bridge.kill();
    }
    bridge.spawn();
    wait_until(PATIENCE, done);
    let published = session.published();
    (follower.finish(&published).0, ended)
}

/// `-D`: the bridge stays our own child, the tracer is beside it.
fn strace(direction: &str, number: u64) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
    command.arg(format!("--trace={direction}"));
    command.arg(format!("--inject={direction}:signal=SIGKILL:when={number}"));
    command
}
