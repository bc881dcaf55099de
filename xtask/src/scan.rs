//! Reads Rust source just well enough to judge it: code without comments and texts, functions with their lengths, paths
//! that are named.

/// Source whose comments, texts and characters are blanks; lines stay where they were.
pub(crate) fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = token_end(&chars, at);
        let blank = end > at + 1 || chars[at] == '"';
        for taken in &chars[at..end] {
            out.push(if blank && *taken != '\n' { ' ' } else { *taken });
        }
        at = end;
    }
    out
}

/// Where the comment, text or character that begins at `at` ends; the next place where nothing begins.
fn token_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match (chars[at], next) {
        ('/', Some('/')) => find(chars, at, |rest| rest[0] == '\n'),
        ('/', Some('*')) => comment_end(chars, at),
        ('"', _) => text_end(chars, at + 1),
        ('r' | 'b' | 'c', _) if begins_word(chars, at) => raw_text_end(chars, at).unwrap_or(at + 1),
        ('\'', _) => char_end(chars, at).unwrap_or(at + 1),
        _ => at + 1,
    }
}

fn find(chars: &[char], from: usize, is_end: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|at| is_end(&chars[*at..])).unwrap_or(chars.len())
}

fn begins_word(chars: &[char], at: usize) -> bool {
    at == 0 || !(chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

/// Block comments nest.
fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn text_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br#"…"#`, `c"…"`; `None` where it is only a word.
fn raw_text_end(chars: &[char], at: usize) -> Option<usize> {
    let letters = chars[at..].iter().take_while(|letter| matches!(letter, 'r' | 'b' | 'c')).count();
    let hashes = chars[at + letters..].iter().take_while(|letter| **letter == '#').count();
    let open = at + letters + hashes;
    if letters > 2 || chars.get(open) != Some(&'"') {
        return None;
    }
    if !chars[at..at + letters].contains(&'r') {
        return Some(text_end(chars, open + 1));
    }
    let close =
        |rest: &[char]| rest[0] == '"' && rest[1..].iter().take_while(|letter| **letter == '#').count() >= hashes;
    Some((find(chars, open + 1, close) + 1 + hashes).min(chars.len()))
}

/// A character, not a lifetime.
fn char_end(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at + 1) == Some(&'\\') {
        return Some((find(chars, at + 3, |rest| rest[0] == '\'') + 1).min(chars.len()));
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(at + 3)
}

/// `code` with the bodies of test modules as blanks.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(found) = out[from..].find("#[cfg(test)]") {
        let start = from + found;
        let Some(end) = item_end(&out, start) else { return out };
        let blanks: String = out[start..end].chars().map(|one| if one == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blanks);
        from = start + blanks.len();
    }
    out
}

/// Where the item that follows `start` ends: its closing brace, or its semicolon where it has no body.
fn item_end(code: &str, start: usize) -> Option<usize> {
    let semicolon = code[start..].find(';').map_or(usize::MAX, |at| start + at + 1);
    let open = code[start..].find('{').map_or(usize::MAX, |at| start + at);
    if semicolon < open { Some(semicolon) } else { closing_brace(code, open) }
}

/// Behind the brace that closes the one at `open`.
fn closing_brace(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, letter) in code.get(open..)?.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + at + 1);
        }
    }
    None
}

/// A function and its lines, from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// All functions with a body.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    words(code).filter(|(_, word)| *word == "fn").filter_map(|(at, _)| function(code, at)).collect()
}

fn function(code: &str, at: usize) -> Option<Function> {
    let name: String = code[at + 2..].trim_start().chars().take_while(|one| is_word(*one)).collect();
    if name.is_empty() {
        return None; // a type such as `fn(u8)`
    }
    let body = body_start(code, at)?;
    let end = closing_brace(code, body)?;
    let line = code[..at].matches('\n').count() + 1;
    Some(Function { name, line, lines: code[at..end].matches('\n').count() + 1 })
}

/// The brace that opens the body; `None` for a declaration. Brackets hide the semicolons of array types.
fn body_start(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, letter) in code[at..].char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at + offset),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Every word with its place.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let end = code[start..].find(|letter| !is_word(letter)).map_or(code.len(), |length| start + length);
        at = end;
        Some((start, &code[start..end]))
    })
}

/// The first names behind `root` (such as `crate` or `super::super`): `root::name` and `root::{name, name::x}`.
pub(crate) fn names_behind(code: &str, root: &str) -> Vec<(usize, String)> {
    let mark = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&mark) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| is_word(letter) || letter == ':') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + mark.len()..];
        match rest.starts_with('{') {
            true => found.extend(group_names(rest).into_iter().map(|name| (line, name))),
            false => found.push((line, rest.chars().take_while(|letter| is_word(*letter)).collect())),
        }
    }
    found
}

/// The first name of each member of `{a::b, c, d::{e, f}}`.
fn group_names(rest: &str) -> Vec<String> {
    let end = closing_brace(rest, 0).unwrap_or(rest.len());
    let (mut depth, mut begins, mut names) = (0, true, Vec::new());
    for (at, letter) in rest[..end].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            letter if begins && is_word(letter) => {
                begins = false;
                names.push(rest[at..].chars().take_while(|letter| is_word(*letter)).collect());
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_code(source: &str, code: &str) {
        assert_eq!(code_only(source).split_whitespace().collect::<Vec<_>>().join(" "), code, "{source}");
    }

    #[test]
    fn comments_and_texts_are_no_code() {
        check_code("a // b\nc", "a c");
        check_code("a /* b /* c */ d */ e", "a e");
        check_code(r#"a "b \" {" c"#, "a c");
        check_code("a r#\"b \" {\"# c", "a c");
        check_code("a b\"{\" br##\"{\"# }\"## c", "a c");
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        check_code("a '{' '\\'' '\\u{7f}' b", "a b");
        check_code("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
    }

    fn check_functions(source: &str, wanted: &[(&str, usize)]) {
        let found = functions(&without_tests(&code_only(source)));
        let found: Vec<_> = found.iter().map(|function| (function.name.as_str(), function.lines)).collect();
        assert_eq!(found, wanted, "{source}");
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_end() {
        check_functions("fn a() {}\nfn b(\n) {\n  if x { y }\n}\n", &[("a", 1), ("b", 4)]);
        check_functions("trait T { fn a(&self); fn b(&self) -> [u8; 2] {\n} }", &[("b", 2)]);
        check_functions("let x: fn(u8) -> u8 = f;", &[]);
    }

    #[test]
    fn test_modules_do_not_count() {
        check_functions("fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}", &[("a", 1), ("c", 1)]);
        check_functions("#[cfg(test)]\nuse x::y;\nfn c() {}", &[("c", 1)]);
    }

    fn check_names(code: &str, wanted: &[&str]) {
        let names: Vec<_> = names_behind(code, "crate").into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, wanted, "{code}");
    }

    #[test]
    fn names_behind_the_root_are_found_in_every_form() {
        check_names("use crate::mqtt::Source;", &["mqtt"]);
        check_names("use crate::{ack::{Ack, Token}, topic};", &["ack", "topic"]);
        check_names("let x = crate::kafka::Sink::new();", &["kafka"]);
        check_names("pub(crate) fn f() {}", &[]);
        check_names("my_crate::mqtt", &[]);
    }
}
