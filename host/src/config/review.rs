//! `Review`: what one reading of the configuration gathers: the files, the findings, what to hide, what to watch.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::text::{SourceText, Span};
use super::{Outside, Place, Problem, Severity};

/// Most findings that are told; who has more has one cause.
const FINDINGS_MAX: usize = 1_000;
/// Codes that a file's syntax gets; they are told even where the rest of a line is not to be trusted.
const SYNTAX_CODES: [&str; 4] = ["syntax", "duplicate-key", "not-utf8", "unreadable-file"];

/// Where a finding stands: bytes of a file, and the dotted key.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) span: Span,
    pub(super) key: String,
}

#[derive(Debug)]
struct Finding {
    severity: Severity,
    code: &'static str,
    at: At,
    message: String,
    help: Option<String>,
}

/// What a syntax error makes unsure: in `silent` nothing else is told, and a name that stands in `hides` may well be
/// defined there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    pub(super) silent: Span,
    pub(super) hides: Span,
}

/// One reading of the configuration.
pub(super) struct Review<'a> {
    pub(super) outside: &'a Outside<'a>,
    texts: RefCell<Vec<Rc<SourceText>>>,
    findings: RefCell<Vec<Finding>>,
    masks: RefCell<Vec<Span>>,
    broken: RefCell<Vec<Broken>>,
    watched: RefCell<BTreeSet<PathBuf>>,
    is_literal: bool,
}

impl<'a> Review<'a> {
    pub(super) fn new(outside: &'a Outside<'a>) -> Self {
        Self {
            outside,
            is_literal: false,
            texts: RefCell::default(),
            findings: RefCell::default(),
            masks: RefCell::default(),
            broken: RefCell::default(),
            watched: RefCell::default(),
        }
    }

    /// The same where `${NAME}` in a text is no variable, but what it says.
    pub(super) fn literal(outside: &'a Outside<'a>) -> Self {
        Self { is_literal: true, ..Self::new(outside) }
    }

    pub(super) fn is_literal(&self) -> bool {
        self.is_literal
    }

    /// Takes a file in; the answer is its place in every `Span`.
    pub(super) fn add_text(&self, text: SourceText) -> usize {
        let mut texts = self.texts.borrow_mut();
        texts.push(Rc::new(text));
        texts.len() - 1
    }

    pub(super) fn text(&self, file: usize) -> Rc<SourceText> {
        Rc::clone(&self.texts.borrow()[file])
    }

    pub(super) fn error(&self, at: &At, code: &'static str, message: impl Into<String>) {
        self.add(Severity::Error, at, code, message.into(), None);
    }

    pub(super) fn error_with(
        &self,
        at: &At,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(Severity::Error, at, code, message.into(), help.into());
    }

    pub(super) fn warn(&self, at: &At, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, at, code, message.into(), Some(help.into()));
    }

    /// Hides these bytes in every excerpt.
    pub(super) fn mask(&self, span: Span) {
        self.masks.borrow_mut().push(span);
    }

    pub(super) fn mark_broken(&self, broken: Broken) {
        self.broken.borrow_mut().push(broken);
    }

    /// Whether `name` stands where a syntax error kept the file from being understood, so that it is not surely absent.
    pub(super) fn may_be_hidden(&self, name: &str) -> bool {
        let hides = |broken: &Broken| {
            let text = self.text(broken.hides.file);
            text.text.get(broken.hides.start..broken.hides.end).is_none_or(|part| part.contains(name))
        };
        self.broken.borrow().iter().any(hides)
    }

    /// Whether any file could not be understood whole.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken.borrow().is_empty()
    }

    /// A change of `path` means a reload.
    pub(super) fn watch(&self, path: &Path) {
        self.watched.borrow_mut().insert(path.to_path_buf());
    }

    pub(super) fn watched(&self) -> Vec<PathBuf> {
        self.watched.borrow().iter().cloned().collect()
    }

    /// `FILE:LINE` of a span, for messages that point elsewhere.
    pub(super) fn pointer(&self, span: Span) -> String {
        let text = self.text(span.file);
        format!("{}:{}", text.name, text.line_and_column(span.start).0)
    }

    pub(super) fn place(&self, at: &At) -> Place {
        let text = self.text(at.span.file);
        let (line, column) = text.line_and_column(at.span.start);
        Place { file: text.name.clone(), line, column, key: at.key.clone() }
    }

    /// All problems in the order of the files and of the places in them.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut findings = self.findings.take();
        let broken = self.broken.borrow().clone();
        findings.retain(|finding| {
            let silenced = |broken: &Broken| holds(broken.silent, finding.at.span);
            SYNTAX_CODES.contains(&finding.code) || !broken.iter().any(silenced)
        });
        findings.sort_by_key(|finding| (finding.at.span.file, finding.at.span.start, finding.severity));
        findings.dedup_by(|a, b| a.at.span == b.at.span && a.code == b.code && a.message == b.message);
        findings.into_iter().map(|finding| self.problem(finding)).collect()
    }

    fn problem(&self, finding: Finding) -> Problem {
        let span = finding.at.span;
        let masks = self.masks.borrow();
        let in_file: Vec<_> = masks.iter().filter(|mask| mask.file == span.file).map(|m| m.start..m.end).collect();
        Problem {
            severity: finding.severity,
            code: finding.code,
            place: self.place(&finding.at),
            message: finding.message,
            help: finding.help,
            excerpt: Some(self.text(span.file).excerpt(span, &in_file)),
        }
    }

    fn add(&self, severity: Severity, at: &At, code: &'static str, message: String, help: Option<String>) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() < FINDINGS_MAX {
            findings.push(Finding { severity, code, at: at.clone(), message, help });
        }
    }
}

fn holds(silent: Span, span: Span) -> bool {
    silent.file == span.file && (silent.start..silent.end).contains(&span.start)
}
