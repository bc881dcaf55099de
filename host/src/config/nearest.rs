//! Which known name was meant.

/// The name among `known` that `given` most likely meant, if any is near enough.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    if given.len() > 100 {
        return None;
    }
    let scored = known.into_iter().map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    let length = given.chars().count().max(name.chars().count());
    (distance <= (length / 3).max(1) && distance < length).then_some(name)
}

/// What to tell beside an unknown name: the nearest one, else all of them.
pub(super) fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const LISTED_MAX: usize = 24;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(given, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => None,
        1..=LISTED_MAX => Some(format!("known here: {}", all.join(", "))),
        _ => Some(format!("known here: {} and {} more", all[..LISTED_MAX].join(", "), all.len() - LISTED_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_understood() {
        let known = ["window", "window_bytes", "keep_alive", "url"];
        for (given, meant) in [("windwo", "window"), ("Window", "window"), ("keepalive", "keep_alive"), ("urls", "url")]
        {
            assert_eq!(nearest(given, known), Some(meant), "{given}");
        }
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn without_a_near_name_all_are_listed() {
        assert_eq!(suggestion("zzzzzzz", ["a", "b"]), Some("known here: `a`, `b`".into()));
        assert_eq!(suggestion("plnat", ["plant"]), Some("did you mean `plant`?".into()));
        assert_eq!(suggestion("x", []), None);
    }
}
