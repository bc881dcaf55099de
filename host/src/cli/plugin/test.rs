//! `tidegate plugin test`: the plugin against its cases.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{Target, engine, print_json, tell_troubles};
use crate::cli::{Exit, Format, print, tell};
use crate::config::cases::{self, Cases};
use crate::config::{Problem, report};
use crate::plugin_tools::advice::Trouble;
use crate::plugin_tools::cases::{CaseReport, kind_expected, run};
use crate::plugin_tools::subject::Subject;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The cases. Default: NAME.cases.toml beside the plugin.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    plugin: &'a str,
    file: String,
    sha256: &'a str,
    cases_file: String,
    /// Of the plugin file and of the cases file.
    problems: Vec<Value>,
    cases: Vec<Entry<'a>>,
    passed: usize,
    failed: usize,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    line: usize,
    passed: bool,
    expected: &'static str,
    got: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    ms: f64,
}

/// What was wrong before any case could run.
enum Hindrance {
    Cases(Vec<Problem>),
    Plugin(Trouble),
}

/// Exit 1 where a case fails, or the plugin or its cases cannot be used; 2 where there are no cases.
pub fn test(arguments: &Arguments) -> Exit {
    let subject = match arguments.target.read() {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    let path = arguments.cases.clone().unwrap_or_else(|| subject.cases_path());
    if !path.is_file() {
        eprintln!("tidegate: there are no cases at {}", path.display());
        eprintln!(
            "  = help: write them there, or name the file with --cases; `tidegate plugin new` shows how they look"
        );
        return Exit::CouldNotRun;
    }
    let engine = match engine() {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    let ran = cases::load(&path).map_err(Hindrance::Cases).and_then(|loaded| {
        let plugin = subject.load(&engine).map_err(Hindrance::Plugin)?;
        let reports = run(&plugin, &loaded);
        Ok((loaded, reports))
    });
    let file = path.display().to_string();
    match (ran, arguments.target.format()) {
        (Ok((loaded, reports)), Format::Human) => show(&subject, &file, &loaded, &reports),
        (Ok((loaded, reports)), Format::Json) => {
            print_json(&answer(&subject, &file, &loaded, &reports));
            exit(&reports)
        }
        (Err(hindrance), format) => hindered(&subject, file, &hindrance, format),
    }
}

fn exit(reports: &[CaseReport]) -> Exit {
    if failed(reports) == 0 { Exit::Fine } else { Exit::FoundProblems }
}

fn show(subject: &Subject, file: &str, cases: &Cases, reports: &[CaseReport]) -> Exit {
    let mut text = format!("{}: {} cases of {file}\n", subject.file(), reports.len());
    for report in reports {
        let case = &cases.cases[report.case];
        match &report.failure {
            None => text.push_str(&format!("  ok    {}\n", case.name)),
            Some(failure) => {
                text.push_str(&format!("  FAIL  {}  ({file}:{})\n        {failure}\n", case.name, case.place.line));
            }
        }
    }
    let failed = failed(reports);
    text.push_str(&format!("{} passed, {failed} failed\n", reports.len() - failed));
    print(&text);
    exit(reports)
}

fn hindered(subject: &Subject, cases_file: String, hindrance: &Hindrance, format: Format) -> Exit {
    let problems = match (hindrance, format) {
        (Hindrance::Cases(problems), Format::Human) => {
            tell(problems);
            return Exit::FoundProblems;
        }
        (Hindrance::Plugin(trouble), Format::Human) => {
            tell_troubles(&subject.path, std::slice::from_ref(trouble));
            return Exit::FoundProblems;
        }
        (Hindrance::Cases(problems), Format::Json) => report::json_values(problems),
        (Hindrance::Plugin(trouble), Format::Json) => serde_json::to_value([trouble]),
    };
    let problems = problems.ok().and_then(|problems| problems.as_array().cloned()).unwrap_or_default();
    print_json(&Answer { problems, ..empty(subject, cases_file) });
    Exit::FoundProblems
}

fn empty(subject: &Subject, cases_file: String) -> Answer<'_> {
    Answer {
        plugin: &subject.name,
        file: subject.file(),
        sha256: &subject.sha256,
        cases_file,
        problems: Vec::new(),
        cases: Vec::new(),
        passed: 0,
        failed: 0,
    }
}

fn answer<'a>(subject: &'a Subject, file: &str, cases: &'a Cases, reports: &'a [CaseReport]) -> Answer<'a> {
    let failed = failed(reports);
    Answer {
        cases: reports.iter().map(|report| entry(cases, report)).collect(),
        passed: reports.len() - failed,
        failed,
        ..empty(subject, file.into())
    }
}

fn entry<'a>(cases: &'a Cases, report: &'a CaseReport) -> Entry<'a> {
    let case = &cases.cases[report.case];
    Entry {
        name: &case.name,
        line: case.place.line,
        passed: report.failure.is_none(),
        expected: kind_expected(&case.expect),
        got: report.got,
        message: report.failure.as_deref(),
        ms: ms(report.took),
    }
}

fn failed(reports: &[CaseReport]) -> usize {
    reports.iter().filter(|report| report.failure.is_some()).count()
}

fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
