//! How problems are shown: to people with the line and a caret, to programs as JSON.

use serde::Serialize;

use super::{Excerpt, Problem, Severity};

impl Severity {
    /// As in the JSON and before the code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The problems for people, one after the other, with a last line that counts them. Empty where there is none.
#[must_use]
pub fn human(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        write_problem(&mut text, problem);
        text.push('\n');
    }
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => {}
        (errors, 0) => text.push_str(&counted(errors, "error")),
        (0, warnings) => text.push_str(&counted(warnings, "warning")),
        (errors, warnings) => {
            text.push_str(&counted(errors, "error"));
            text.push_str(", ");
            text.push_str(&counted(warnings, "warning"));
        }
    }
    if !problems.is_empty() {
        text.push('\n');
    }
    text
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// One problem in the shape that compilers have made familiar.
fn write_problem(text: &mut String, problem: &Problem) {
    let Problem { severity, code, place, message, help, excerpt } = problem;
    let gutter = " ".repeat(place.line.to_string().len());
    let mut line = |content: String| {
        text.push_str(content.trim_end());
        text.push('\n');
    };
    line(format!("{}[{code}]: {message}", severity.as_str()));
    line(format!("{gutter}--> {}:{}:{}", place.file, place.line, place.column));
    if let Some(Excerpt { line: shown, column, width }) = excerpt {
        line(format!("{gutter} |"));
        line(format!("{} | {shown}", place.line));
        line(format!("{gutter} | {}{}", " ".repeat(column - 1), "^".repeat(*width)));
    }
    if let Some(help) = help {
        line(format!("{gutter} = help: {help}"));
    }
}

/// The document of `check --format json`.
///
/// # Errors
/// Never in practice: every part is a text or a number.
pub fn json(problems: &[Problem]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document { problems: problems.iter().map(Entry::of).collect() })
}

/// The problems as JSON values, for documents that hold them beside other things.
///
/// # Errors
/// Never in practice: every part is a text or a number.
pub fn json_values(problems: &[Problem]) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(problems.iter().map(Entry::of).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Document<'p> {
    problems: Vec<Entry<'p>>,
}

#[derive(Serialize)]
struct Entry<'p> {
    severity: &'static str,
    code: &'static str,
    file: &'p str,
    line: usize,
    column: usize,
    key: &'p str,
    message: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'p str>,
}

impl<'p> Entry<'p> {
    fn of(problem: &'p Problem) -> Self {
        Self {
            severity: problem.severity.as_str(),
            code: problem.code,
            file: &problem.place.file,
            line: problem.place.line,
            column: problem.place.column,
            key: &problem.place.key,
            message: &problem.message,
            help: problem.help.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;

    fn problem() -> Problem {
        Problem {
            severity: Severity::Error,
            code: "unknown-key",
            place: Place { file: "a.toml".into(), line: 12, column: 3, key: "mqtt.plant.windwo".into() },
            message: "the key `windwo` is not known".into(),
            help: Some("did you mean `window`?".into()),
            excerpt: Some(Excerpt { line: "  windwo = 5".into(), column: 3, width: 6 }),
        }
    }

    #[test]
    fn people_see_the_line_and_what_is_meant() {
        let expected = "\
error[unknown-key]: the key `windwo` is not known
  --> a.toml:12:3
   |
12 |   windwo = 5
   |   ^^^^^^
   = help: did you mean `window`?

1 error
";
        assert_eq!(human(&[problem()]), expected);
        assert_eq!(human(&[]), "");
    }

    #[test]
    fn programs_get_exactly_the_agreed_document() {
        let expected = serde_json::json!({"problems": [{
            "severity": "error", "code": "unknown-key", "file": "a.toml", "line": 12, "column": 3,
            "key": "mqtt.plant.windwo", "message": "the key `windwo` is not known", "help": "did you mean `window`?",
        }]});
        let document: serde_json::Value = serde_json::from_str(&json(&[problem()]).unwrap()).unwrap();
        assert_eq!(document, expected);
        let without_help = json(&[Problem { help: None, ..problem() }]).unwrap();
        assert!(!without_help.contains("help"));
    }
}
