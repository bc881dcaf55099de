//! `${NAME}` and `${NAME:-default}` in the strings of the configuration. `$${` stands for `${` itself.

use std::borrow::Cow;

/// Why a string's variables cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum VariableError {
    #[error("the environment variable `{name}` is not set")]
    Unset { name: String },
    #[error("`${{` is never closed with `}}`")]
    Unclosed,
    #[error("`{name}` is no name of an environment variable")]
    BadName { name: String },
    #[error("the default of `${{{name}:-…}}` may not hold another `${{`")]
    Nested { name: String },
}

impl VariableError {
    pub(super) fn help(&self) -> String {
        match self {
            Self::Unset { name } => format!("set it, or give a default: `${{{name}:-default}}`"),
            Self::Unclosed | Self::BadName { .. } => {
                "write `${NAME}` or `${NAME:-default}`, and `$${` for a `${` that is meant as such".into()
            }
            Self::Nested { .. } => "give a plain text as the default".into(),
        }
    }
}

/// `text` with its variables filled in, or everything that hinders it. What a variable holds is not looked into again.
pub(super) fn expand<'t>(
    text: &'t str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Cow<'t, str>, Vec<VariableError>> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let (mut expanded, mut errors) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            expanded.extend([before, "${"]);
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let Some((inner, behind)) = after.split_once('}') else {
            errors.push(VariableError::Unclosed);
            break;
        };
        match value(inner, env) {
            Ok(value) => expanded.push_str(&value),
            Err(error) => errors.push(error),
        }
        rest = behind;
    }
    expanded.push_str(rest);
    if errors.is_empty() { Ok(Cow::Owned(expanded)) } else { Err(errors) }
}

/// An empty variable counts as absent where there is a default, as in the shell.
fn value(inner: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, VariableError> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_variable_name(name) {
        return Err(VariableError::BadName { name: name.into() });
    }
    match (env(name), default) {
        (_, Some(default)) if default.contains("${") => Err(VariableError::Nested { name: name.into() }),
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.into()),
        (None, None) => Err(VariableError::Unset { name: name.into() }),
    }
}

/// What POSIX shells take as a name.
pub(super) fn is_variable_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Vec<VariableError>> {
        let env = |name: &str| match name {
            "A" => Some("a${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expand(text, &env).map(Cow::into_owned)
    }

    fn check(text: &str, value: &str) {
        assert_eq!(expanded(text).as_deref(), Ok(value), "{text}");
    }

    #[test]
    fn variables_and_defaults_are_filled_in() {
        check("x", "x");
        check("x ${A} y", "x a${B} y");
        check("${NO:-d}${A:-d}", "da${B}");
        check("${EMPTY}|${EMPTY:-d}", "|d");
        check("${NO:-}", "");
        check("${NO:-a:-b}", "a:-b");
    }

    #[test]
    fn a_doubled_dollar_keeps_the_brace() {
        check("$${A}", "${A}");
        check("$5 {x} $", "$5 {x} $");
    }

    #[test]
    fn what_is_wrong_is_told_all_at_once() {
        let unset = |name: &str| VariableError::Unset { name: name.into() };
        assert_eq!(expanded("${X} ${Y}"), Err(vec![unset("X"), unset("Y")]));
        assert_eq!(expanded("${A"), Err(vec![VariableError::Unclosed]));
        assert_eq!(expanded("${}"), Err(vec![VariableError::BadName { name: String::new() }]));
        assert_eq!(expanded("${1A}"), Err(vec![VariableError::BadName { name: "1A".into() }]));
        assert_eq!(expanded("${X:-${Y}}"), Err(vec![VariableError::Nested { name: "X".into() }]));
    }
}
