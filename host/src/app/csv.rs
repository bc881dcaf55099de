//! CSV as RFC 4180 has it: fields parted by commas, quoted where they hold a comma, a quote or a line break.

/// The records of `text`, each with its fields. Empty lines are left out.
pub(super) fn records(text: &str) -> impl Iterator<Item = Result<Vec<String>, String>> + '_ {
    // Spreadsheets put a byte order mark in front.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['\r', '\n']);
        if rest.is_empty() {
            return None;
        }
        let record = record(&mut rest);
        if record.is_err() {
            rest = "";
        }
        Some(record)
    })
}

fn record(rest: &mut &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    loop {
        fields.push(field(rest)?);
        match rest.strip_prefix(',') {
            Some(more) => *rest = more,
            None if rest.is_empty() || rest.starts_with(['\r', '\n']) => return Ok(fields),
            None => {
                return Err(format!(
                    "text stands behind a closing quote in the record that begins with `{}`",
                    fields[0].escape_debug()
                ));
            }
        }
    }
}

fn field(rest: &mut &str) -> Result<String, String> {
    let Some(mut quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', '\r', '\n']).unwrap_or(rest.len());
        let (field, more) = rest.split_at(end);
        *rest = more;
        return Ok(field.to_owned());
    };
    let mut field = String::new();
    loop {
        let (part, more) = quoted.split_once('"').ok_or("a quote is not closed")?;
        field.push_str(part);
        match more.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                quoted = more;
            }
            None => {
                *rest = more;
                return Ok(field);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&[&str]]) {
        let found: Vec<_> = records(text).collect::<Result<_, _>>().unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn fields_are_parted_and_quoted() {
        check("a,b\r\n1,\n", &[&["a", "b"], &["1", ""]]);
        check("\u{feff}a\n\n\"x,\"\"y\"\"\nz\"", &[&["a"], &["x,\"y\"\nz"]]);
        check("", &[]);
    }

    #[test]
    fn what_is_no_csv_is_told() {
        for text in ["\"a", "\"a\"b,c"] {
            assert!(records(text).any(|record| record.is_err()), "{text}");
        }
    }
}
