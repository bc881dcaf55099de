//! What a run of the matrix says: a table for people, a file for programs, a part of a page.

use std::fmt::Write;

use serde_json::{Value, json};

use super::absent::ABSENT;
use super::{Figures, Outcome, Ran};

/// The lines between which the page holds the matrix.
pub const BEGIN: &str = "<!-- matrix: written by `cargo xtask faults --write-docs` -->";
pub const END: &str = "<!-- end of matrix -->";

/// One row as one line for people, with what is broken beneath.
#[must_use]
pub fn line(ran: &Ran) -> String {
    let head = format!("{:<11} {:<52} {:>5.1} s  ", ran.id, short(ran.fault, 52), ran.took.as_secs_f64());
    match &ran.outcome {
        Outcome::Absent(reason) => format!("{head}not run: {reason}"),
        Outcome::Broke(text) => format!("{head}BROKEN  seed {}\n{}", ran.seed, indented(text)),
        Outcome::Judged(figures) => format!("{head}{}", judged(ran, figures)),
    }
}

fn judged(ran: &Ran, figures: &Figures) -> String {
    let broken = figures.broken();
    let verdict = if broken.is_empty() { "green " } else { "BROKEN" };
    let mut text = format!("{verdict}  seed {}  {}", ran.seed, summary(figures));
    for measure in &figures.measures {
        write!(text, "; {measure}").expect("a String takes it");
    }
    for (invariant, what) in &broken {
        write!(text, "\n    {}: {what}", invariant.id()).expect("a String takes it");
    }
    if !broken.is_empty() {
        let cut = |example: &String| example.chars().take(400).collect::<String>();
        let examples = figures.verdict.examples.iter().take(3).map(cut).collect::<Vec<_>>().join("\n");
        text.push_str(&format!("\n{}", indented(&examples)).replace("\n\n", "\n"));
    }
    text
}

/// The figures of the invariants in one line.
#[must_use]
pub fn summary(figures: &Figures) -> String {
    let verdict = &figures.verdict;
    let mut text = format!(
        "{} sent, {} lost, {} inverted, {} invented, {} of at most {} duplicates",
        figures.sent, verdict.lost, verdict.inversions, verdict.invented, verdict.duplicates, figures.duplicates_max
    );
    if let Some(healed) = figures.healed {
        match healed {
            Ok(took) => write!(text, "; fresh after {:.2} s", took.as_secs_f64()),
            Err(waited) => write!(text, "; nothing fresh in {} s", waited.as_secs()),
        }
        .expect("a String takes it");
    }
    if figures.usage.is_some() {
        write!(text, "; memory +{} MiB", figures.memory_growth_bytes() >> 20).expect("a String takes it");
    }
    text
}

fn short(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

fn indented(text: &str) -> String {
    text.lines().take(30).map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// All rows for programs.
#[must_use]
pub fn json(ran: &[Ran]) -> Value {
    let rows: Vec<_> = ran.iter().map(row).collect();
    let absent: Vec<_> =
        ABSENT.iter().map(|one| json!({"id": one.id, "fault": one.fault, "reason": one.reason})).collect();
    json!({"rows": rows, "absent": absent, "green": ran.iter().all(Ran::is_green)})
}

fn row(ran: &Ran) -> Value {
    let mut row = json!({
        "id": ran.id, "fault": ran.fault, "load": ran.load, "seed": ran.seed, "seconds": ran.took.as_secs_f64(),
    });
    match &ran.outcome {
        Outcome::Absent(reason) => row["absent"] = json!(reason),
        Outcome::Broke(text) => (row["verdict"], row["error"]) = (json!("broken"), json!(text)),
        Outcome::Judged(figures) => {
            row["verdict"] = json!(if figures.broken().is_empty() { "green" } else { "broken" });
            row["figures"] = figures_json(figures);
        }
    }
    row
}

fn figures_json(figures: &Figures) -> Value {
    let verdict = &figures.verdict;
    let broken = figures.broken();
    let broken: Vec<_> =
        broken.iter().map(|(invariant, what)| json!({"invariant": invariant.id(), "what": what})).collect();
    let measures: Vec<_> = figures
        .measures
        .iter()
        .map(|one| json!({"what": one.what, "value": one.value, "unit": one.unit, "holds": one.holds()}))
        .collect();
    json!({
        "sent": figures.sent, "records": verdict.records, "lost": verdict.lost, "inversions": verdict.inversions,
        "invented": verdict.invented, "duplicates": verdict.duplicates, "duplicates_max": figures.duplicates_max,
        "healed_s": figures.healed.and_then(Result::ok).map(|took| took.as_secs_f64()),
        "messages_missing": figures.accounts.map(|accounts| accounts.messages_missing),
        "records_missing": figures.accounts.map(|accounts| accounts.records_missing),
        "memory_growth_bytes": figures.usage.map(|_| figures.memory_growth_bytes()),
        "descriptors": figures.usage.map(|(before, after, _)| [before.descriptors, after.descriptors]),
        "threads": figures.usage.map(|(before, after, _)| [before.threads, after.threads]),
        "ack_violations": figures.ack_violations, "measures": measures, "broken": broken, "examples": verdict.examples,
    })
}

/// The report before, with the rows that were run now in the place of their older figures, in the order of the matrix.
#[must_use]
pub fn merged(before: Option<&Value>, now: &Value) -> Value {
    let rows_of = |report: &Value| report["rows"].as_array().cloned().unwrap_or_default();
    let newest = |id: &str| {
        let found = |report: &Value| rows_of(report).into_iter().rev().find(|row| row["id"] == id);
        found(now).or_else(|| before.and_then(found))
    };
    let rows: Vec<_> = super::rows().iter().filter_map(|row| newest(row.id)).collect();
    let green = rows.iter().all(|row| row["verdict"] != "broken");
    json!({"rows": rows, "absent": now["absent"], "green": green})
}

/// The matrix as a part of a page, from the file for programs.
#[must_use]
pub fn page(report: &Value) -> String {
    let mut text = format!("{BEGIN}\n\n| row | fault | load | figures | verdict |\n|---|---|---|---|---|\n");
    for row in report["rows"].as_array().into_iter().flatten() {
        let of = |name: &str| row[name].as_str().unwrap_or_default();
        let verdict =
            row["absent"].as_str().map_or_else(|| of("verdict").to_owned(), |reason| format!("not run: {reason}"));
        let figures = page_figures(&row["figures"]);
        writeln!(text, "| {} | {} | {} | {figures} | {verdict} |", of("id"), of("fault"), of("load"))
            .expect("a String takes it");
    }
    text.push_str("\nNot run by the program:\n\n| row | fault | reason |\n|---|---|---|\n");
    for row in report["absent"].as_array().into_iter().flatten() {
        let of = |name: &str| row[name].as_str().unwrap_or_default();
        writeln!(text, "| {} | {} | {} |", of("id"), of("fault"), of("reason")).expect("a String takes it");
    }
    text.push_str(&format!("\n{END}"));
    text
}

fn page_figures(figures: &Value) -> String {
    if figures.is_null() {
        return String::new();
    }
    let number = |name: &str| figures[name].as_u64().unwrap_or(0);
    let mut text = format!(
        "{} sent, {} lost, {} inverted, {} duplicates",
        number("sent"),
        number("lost"),
        number("inversions"),
        number("duplicates")
    );
    if let Some(healed) = figures["healed_s"].as_f64() {
        write!(text, ", fresh after {healed:.2} s").expect("a String takes it");
    }
    for measure in figures["measures"].as_array().into_iter().flatten() {
        let (what, unit) = (measure["what"].as_str().unwrap_or_default(), measure["unit"].as_str().unwrap_or_default());
        let value = measure["value"].as_f64().unwrap_or(0.0);
        let digits = if value.fract().abs() < 0.005 { 0 } else { 2 };
        write!(text, ", {what} {value:.digits$} {unit}").expect("a String takes it");
        text.truncate(text.trim_end().len());
    }
    text
}

/// Puts the matrix into `page`, between its two lines.
///
/// # Errors
/// One of the lines is missing.
pub fn put(page_text: &str, report: &Value) -> Result<String, String> {
    let missing = |line: &str| format!("the page has no line `{line}`");
    let (before, rest) = page_text.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{}{after}", page(report)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ran(figures: Figures) -> Ran {
        let outcome = Outcome::Judged(Box::new(figures));
        Ran { id: "K1", fault: "slow", load: "some", seed: 7, took: Duration::from_secs(1), outcome }
    }

    #[test]
    fn a_broken_row_names_its_invariant_and_its_seed() {
        let mut figures = Figures::default();
        figures.verdict.lost = 3;
        let ran = ran(figures);
        assert!(line(&ran).contains("BROKEN  seed 7") && line(&ran).contains("O1: 3 lost"), "{}", line(&ran));
        assert_eq!(json(&[ran])["rows"][0]["figures"]["broken"][0]["invariant"], "O1");
    }

    #[test]
    fn a_row_alone_replaces_its_own_figures() {
        let mut lost = Figures::default();
        lost.verdict.lost = 1;
        let old = json(&[ran(lost), Ran { id: "K3", ..ran(Figures::default()) }]);
        let both = merged(Some(&old), &json(&[ran(Figures::default())]));
        let ids: Vec<_> = both["rows"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, ["K1", "K3"]);
        assert_eq!((&both["green"], &old["green"]), (&json!(true), &json!(false)));
    }

    #[test]
    fn the_matrix_replaces_what_the_page_had() {
        let report = json(&[ran(Figures::default())]);
        let page = put(&format!("before\n{BEGIN}\nold\n{END}\nafter\n"), &report).expect("both lines are there");
        assert!(page.starts_with("before\n") && page.ends_with("after\n") && !page.contains("old"), "{page}");
        assert!(page.contains("| K1 | slow | some | 0 sent"), "{page}");
        assert_eq!(put(&page, &report).expect("they still are"), page);
        assert!(put("nothing", &report).is_err());
    }
}
