//! Secrets: a text, `{ env = NAME }` or `{ file = PATH }`.

use crate::config::Secret;
use crate::config::files::read_limited;
use crate::config::item::Item;
use crate::config::load::beside;
use crate::config::raw::Value;
use crate::config::reader::{Section, shown};
use crate::config::settings::SECRET;

const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The secret below `name` of `section`; what hinders reading it is told.
pub(super) fn secret(section: &Section<'_, '_>, name: &'static str) -> Option<Secret> {
    let item = section.item(name)?;
    match &item.node.value {
        Value::Text(text) => {
            item.review.mask(item.node.span);
            Some(Secret::new(text.clone()))
        }
        Value::Table(table) => {
            // Whatever else stands here was meant to be the secret itself.
            for (_, entry) in table.entries.iter().filter(|(name, _)| !matches!(name.as_ref(), "env" | "file")) {
                item.review.mask(entry.node.span);
            }
            let section = Section::of(item.review, table, &SECRET, item.path.clone(), item.node.span);
            from_elsewhere(&item, &section, table.entries.is_empty())
        }
        _ => {
            item.review.mask(item.node.span);
            item.wrong_type("a text, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`", None)
        }
    }
}

fn from_elsewhere(item: &Item<'_, '_>, section: &Section<'_, '_>, is_empty: bool) -> Option<Secret> {
    match (section.item("env"), section.item("file")) {
        (Some(env), None) => from_environment(&env),
        (None, Some(file)) => from_file(&file),
        // Its unknown keys have been told.
        (None, None) if !is_empty => None,
        (Some(_), Some(_)) | (None, None) => {
            let message = format!("`{}` needs one of `env` and `file`", item.path);
            item.error("bad-secret", message, "write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned());
            None
        }
    }
}

fn from_environment(item: &Item<'_, '_>) -> Option<Secret> {
    let name = item.filled_text()?;
    let value = (item.review.outside.env)(name);
    if value.is_none() {
        let message = format!("the environment variable `{}` is not set", shown(name));
        item.error("unset-variable", message, "set it where the program is started".to_owned());
    }
    value.map(Secret::new)
}

fn from_file(item: &Item<'_, '_>) -> Option<Secret> {
    let path = beside(&item.review.text(item.node.span.file).path, item.filled_text()?);
    item.review.watch(&path);
    let read = read_limited(&path, SECRET_BYTES_MAX).map_err(|error| error.to_string());
    match read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())) {
        Ok(text) => Some(Secret::new(without_line_break(&text).to_owned())),
        Err(error) => {
            let message = format!("the secret cannot be read from {}: {error}", path.display());
            item.error("missing-file", message, "the path is relative to the file it stands in".to_owned());
            None
        }
    }
}

fn without_line_break(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_no_part_of_a_secret() {
        for (text, secret) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("a\r", "a\r"), ("", "")] {
            assert_eq!(without_line_break(text), secret);
        }
    }
}
