//! Patterns for ids and metric names.

use serde::Deserialize;

/// `*` stands for any characters, `/` too; `?` for one; everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Takes at most pattern times text steps.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), text.chars());
        let mut retry = None;
        loop {
            let here = rest.clone();
            match (pattern.next(), rest.next()) {
                (Some('*'), _) => {
                    rest = here.clone();
                    retry = Some((pattern.clone(), here));
                }
                (None, None) => return true,
                (Some('?'), Some(_)) => {}
                (Some(wanted), Some(found)) if wanted == found => {}
                (Some(_) | None, _) => {
                    let Some((after_star, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    pattern = after_star.clone();
                    rest = from.clone();
                }
            }
        }
    }
}

/// Matches where all of its given patterns do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    pub group: Option<Glob>,
    pub node: Option<Glob>,
    /// Matches no metric of the node itself.
    pub device: Option<Glob>,
    pub metric: Option<Glob>,
}

impl Selector {
    #[must_use]
    pub fn metric(pattern: &str) -> Self {
        Self { metric: Some(Glob::new(pattern)), ..Self::default() }
    }

    #[must_use]
    pub fn matches(&self, group: &str, node: &str, device: Option<&str>, metric: &str) -> bool {
        let fits = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|glob| glob.matches(text));
        let device_fits = match (&self.device, device) {
            (Some(glob), Some(device)) => glob.matches(device),
            (Some(_), None) => false,
            (None, _) => true,
        };
        device_fits && fits(&self.group, group) && fits(&self.node, node) && fits(&self.metric, metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
    }

    #[test]
    fn stars_stand_for_anything() {
        check("", "", true);
        check("*", "", true);
        check("Node Control/*", "Node Control/Rebirth", true);
        check("Node Control/*", "Node/Rebirth", false);
        check("*/temp", "a/b/temp", true);
        check("*/temp", "a/temp/b", false);
        check("a*b*c", "a--b--b--c", true);
        check("a*b*c", "a--c--b", false);
    }

    #[test]
    fn a_question_mark_stands_for_one_character() {
        check("t?", "té", true);
        check("t?", "t", false);
        check("t?", "tab", false);
    }

    #[test]
    fn many_stars_end_soon() {
        check(&"*a".repeat(200), &"a".repeat(5000), true);
        check(&format!("{}b", "*a".repeat(200)), &"a".repeat(5000), false);
    }

    #[test]
    fn a_device_pattern_matches_no_node_metric() {
        let selector = Selector { device: Some(Glob::new("*")), ..Selector::default() };
        assert!(selector.matches("g", "n", Some("d"), "m"));
        assert!(!selector.matches("g", "n", None, "m"));
    }
}
