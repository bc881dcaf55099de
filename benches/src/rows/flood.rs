//! Rows with the flood broker: against the baseline, with a plugin, with many rules.

use super::{RULES, standing, usual_plan};
use crate::bridge::{Program, Rules};
use crate::failure::{Failure, Tried};
use crate::paired::{Arm, Comparison, Sample, median_of};
use crate::report::{Limit, RowReport};
use crate::rig::{Bench, Plan, plain_rules};

/// Lines, and rules that match anything, of the row `rules`: the traffic must be the same on both sides.
const FEW_RULES: usize = 10;
const MANY_RULES: usize = 10_000;

pub(super) fn window_1024(bench: &mut Bench) -> Tried<RowReport> {
    let plan = usual_plan(1024, bench.args.messages(600_000));
    let mut report = RowReport::new("flood-1024", about(bench, &plan));
    let comparison = against_baseline(bench, &plan)?;
    let standing = standing(bench, comparison.lossy_runs() > 0);
    let ratio = report.compare(["baseline", bench.programs.subject.name()], &comparison, &mut bench.random);
    report.check("CPU ratio", ratio.median, Limit::AtMost(0.45), standing);
    report.check("peak memory, MiB", peak(&comparison), Limit::AtMost(80.0), standing);
    Ok(report)
}

pub(super) fn window_65535(bench: &mut Bench) -> Tried<RowReport> {
    let plan = usual_plan(65_535, bench.args.messages(2_000_000));
    let mut report = RowReport::new("flood-65535", about(bench, &plan));
    let comparison = against_baseline(bench, &plan)?;
    let standing = standing(bench, comparison.lossy_runs() > 0);
    let ratio = report.compare(["baseline", bench.programs.subject.name()], &comparison, &mut bench.random);
    let rate = comparison.ratio(|sample| sample.rate, &mut bench.random);
    report.check("CPU ratio", ratio.median, Limit::AtMost(0.40), standing);
    report.check("rate ratio", rate.median, Limit::AtLeast(3.0), standing);
    report.check("peak memory, MiB", peak(&comparison), Limit::AtMost(80.0), standing);
    Ok(report)
}

/// What a plugin adds is a difference, not a ratio: CPU seconds per million with it less those without it.
pub(super) fn plugin(bench: &mut Bench) -> Tried<RowReport> {
    let file = bench.programs.identity.clone().map_err(Failure::new)?;
    let without = usual_plan(1024, bench.args.messages(600_000));
    let with = Plan { rules: Rules { count: RULES, plugin: Some(file) }, ..without.clone() };
    let mut report =
        RowReport::new("plugin", format!("{}; every rule with an identity plugin", about(bench, &without)));
    let comparison = of_tidegate(bench, &without, &with)?;
    let standing = standing(bench, comparison.lossy_runs() > 0);
    report.compare(["tidegate", "tidegate with the plugin"], &comparison, &mut bench.random);
    let added = comparison.difference(|sample| sample.cpu_per_million, &mut bench.random);
    report.line(format!("the plugin adds {added} CPU-s per million"));
    report.check("CPU-s per million added", added.median, Limit::AtMost(0.25), standing);
    Ok(report)
}

pub(super) fn rules(bench: &mut Bench) -> Tried<RowReport> {
    let few =
        Plan { lines: FEW_RULES, rules: plain_rules(FEW_RULES), ..usual_plan(1024, bench.args.messages(600_000)) };
    let many = Plan { rules: plain_rules(MANY_RULES), ..few.clone() };
    let mut report = RowReport::new("rules", format!("{}; then {MANY_RULES} rules, same traffic", about(bench, &few)));
    let comparison = of_tidegate(bench, &few, &many)?;
    let standing = standing(bench, comparison.lossy_runs() > 0);
    let ratio = report.compare(["10 rules", "10,000 rules"], &comparison, &mut bench.random);
    report.check("CPU ratio", ratio.median, Limit::AtMost(1.2), standing);
    Ok(report)
}

fn against_baseline(bench: &mut Bench, plan: &Plan) -> Tried<Comparison> {
    let (rounds, mut random) = (bench.args.rounds(), bench.random.clone());
    let comparison = Comparison::run(rounds, &mut random, |arm| match arm {
        Arm::Reference | Arm::Control => bench.flood_run(&bench.programs.baseline, plan),
        Arm::Subject => bench.flood_run(&bench.programs.subject, plan),
    });
    bench.random = random;
    comparison
}

/// Tidegate with one plan against Tidegate with another.
fn of_tidegate(bench: &mut Bench, reference: &Plan, subject: &Plan) -> Tried<Comparison> {
    if let Program::Baseline(_) = bench.programs.subject {
        return Err(Failure::new("the baseline has neither rules nor plugins"));
    }
    let (rounds, mut random) = (bench.args.rounds(), bench.random.clone());
    let comparison = Comparison::run(rounds, &mut random, |arm| match arm {
        Arm::Reference | Arm::Control => bench.flood_run(&bench.programs.subject, reference),
        Arm::Subject => bench.flood_run(&bench.programs.subject, subject),
    });
    bench.random = random;
    comparison
}

fn peak(comparison: &Comparison) -> f64 {
    median_of(&comparison.subject, |sample: &Sample| sample.peak_mib)
}

fn about(bench: &Bench, plan: &Plan) -> String {
    let Plan { window, messages, rules, .. } = plan;
    let (qos, rounds) = (bench.args.qos, bench.args.rounds());
    format!(
        "MQTT 5, QoS {qos}, 200 B, 1,000 topics, {} rules, window {window}, linger 1 ms, 6 partitions, \
         {messages} messages a run, {rounds} rounds",
        rules.count
    )
}
