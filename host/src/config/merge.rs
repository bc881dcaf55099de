//! Joins the files: later ones add tables and rules, and may not set again what is set.

use super::raw::{Entry, Form, Node, Table, Value, child_path, form};
use super::review::{At, Review};

/// Adds `from` to `into`; what both set stays as it was first and is told at the later place.
pub(super) fn merge(review: &Review<'_>, into: &mut Table, mut from: Table) {
    if let Some(rule) = from.entries.get_mut("rule") {
        make_list(review, rule);
    }
    merge_table(review, into, from, "");
}

/// `[rule]` is one rule that lacks its second brackets; it is read all the same, for what else is wrong with it.
fn make_list(review: &Review<'_>, rule: &mut Entry) {
    if let Value::Table(_) = rule.node.value {
        let at = At { span: rule.node.span, key: "rule".into() };
        let help = "write its header with double brackets: `[[rule]]`".to_owned();
        review.error_with(&at, "wrong-type", "`rule` must be a list of tables, this is a table", help);
        let node = Node { value: Value::Broken, span: rule.node.span };
        let table = std::mem::replace(&mut rule.node, node);
        rule.node.value = Value::List(vec![table]);
    }
}

/// How many keys stood in both.
fn merge_table(review: &Review<'_>, into: &mut Table, from: Table, path: &str) -> usize {
    let mut repeated = 0;
    for (name, later) in from.entries {
        let path = child_path(path, &name);
        match into.entries.get_mut(&name) {
            Some(earlier) => repeated += merge_entry(review, earlier, later, &path),
            None => drop(into.entries.insert(name, later)),
        }
    }
    repeated
}

fn merge_entry(review: &Review<'_>, earlier: &mut Entry, later: Entry, path: &str) -> usize {
    let at = At { span: later.key_span, key: path.into() };
    let inline = form(review, later.node.span) == Form::Inline || form(review, earlier.node.span) == Form::Inline;
    let (earlier_span, later_span) = (earlier.node.span, later.node.span);
    match (&mut earlier.node.value, later.node.value) {
        (Value::List(rules), Value::List(more)) if path == "rule" => {
            rules.extend(more);
            0
        }
        (Value::Table(earlier), Value::Table(later)) if !inline => {
            let repeated = merge_table(review, earlier, later, path);
            let both_headed = [earlier_span, later_span].iter().all(|span| form(review, *span) == Form::Header);
            if repeated > 0 && both_headed {
                tell_repeated(
                    review,
                    &At { span: later_span, ..at },
                    &Node { value: Value::Broken, span: earlier_span },
                );
            }
            0
        }
        (_, _) => {
            tell_repeated(review, &at, &earlier.node);
            1
        }
    }
}

fn tell_repeated(review: &Review<'_>, at: &At, earlier: &Node) {
    let message = format!("`{}` stands in {} already", at.key, review.pointer(earlier.span));
    review.error_with(
        at,
        "duplicate-key",
        message,
        "a later file may add tables, keys and rules, not set one again".to_owned(),
    );
}
