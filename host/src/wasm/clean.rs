//! A guest's text, made fit for logs, terminals and headers.

use std::fmt::Write;

/// Longest line that a guest gets.
pub(super) const LINE_BYTES_MAX: usize = 1024;

/// One line of at most `LINE_BYTES_MAX` with control characters and those that reorder text written out.
pub(super) fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LINE_BYTES_MAX));
    for letter in text.chars() {
        let fits = match is_plain(letter) {
            true => push(&mut line, letter.encode_utf8(&mut [0; 4])),
            false => {
                let mut escaped = String::new();
                write!(escaped, "{}", letter.escape_default()).is_ok() && push(&mut line, &escaped)
            }
        };
        if !fits {
            line.push('…');
            break;
        }
    }
    line
}

fn push(line: &mut String, part: &str) -> bool {
    let fits = line.len() + part.len() <= LINE_BYTES_MAX - '…'.len_utf8();
    if fits {
        line.push_str(part);
    }
    fits
}

fn is_plain(letter: char) -> bool {
    let reorders = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !letter.is_control() && !reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(clean(text), expected);
    }

    #[test]
    fn ordinary_text_stays() {
        check("21 °C in Zürich", "21 °C in Zürich");
    }

    #[test]
    fn control_characters_are_written_out() {
        check("a\nb\r\0\x1b[31mred", "a\\nb\\r\\u{0}\\u{1b}[31mred");
        check("\u{202e}gpj.exe", "\\u{202e}gpj.exe");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let cut = clean(&"é".repeat(10_000));
        assert!(cut.len() <= LINE_BYTES_MAX && cut.ends_with("é…"), "{}", cut.len());
    }
}
