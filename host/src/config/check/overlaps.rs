//! Warns of filters that overlap on a source whose broker cannot say which subscription a message came for. MQTT 3.1.1
//! knows no subscription identifiers, and many brokers send one copy for each matching subscription.

use super::rule::Checked;
use crate::config::reader::Section;
use crate::config::review::At;
use crate::config::{Protocol, SourceConfig};
use crate::router::pattern::Pattern;
use crate::topic::TopicFilter;

/// Past this many filters with wildcards the search would take longer than it is worth.
const COMPARED_MAX: usize = 2_000;

/// Tells of every filter that overlaps an earlier one of its source, where neither covers the other. One that covers
/// the other is harmless: only the wider one is subscribed to.
pub(super) fn warn_of_overlaps(root: &Section<'_, '_>, sources: &[SourceConfig], rules: &[Checked]) {
    for (place, source) in sources.iter().enumerate().filter(|(_, source)| source.protocol == Protocol::V311) {
        let mine = rules.iter().filter(|rule| rule.enabled && rule.config.source == place);
        let filters = mine.flat_map(|rule| rule.config.from.iter().map(Pattern::filter).zip(&rule.from_at));
        let wild: Vec<(&TopicFilter, &At)> =
            filters.filter(|(filter, _)| filter.levels().contains(['+', '#'])).take(COMPARED_MAX).collect();
        for (at, (later, where_later)) in wild.iter().enumerate() {
            let clash = wild[..at].iter().find(|(earlier, _)| overlap(earlier, later));
            if let Some((earlier, _)) = clash {
                let message =
                    format!("`{later}` overlaps `{earlier}`; over MQTT 3.1.1 a message of both may come twice");
                let help = format!("use protocol = \"5\" for `mqtt.{}`, or one filter that covers both", source.name);
                root.review.warn(where_later, "overlapping-filters", message, help);
            }
        }
    }
}

/// Whether some topic matches both, though neither covers the other.
fn overlap(one: &TopicFilter, other: &TopicFilter) -> bool {
    !one.is_shared() && !other.is_shared() && !one.covers(other) && !other.covers(one) && meet(one, other)
}

fn meet(one: &TopicFilter, other: &TopicFilter) -> bool {
    let (mut ones, mut others) = (one.levels().split('/'), other.levels().split('/'));
    loop {
        match (ones.next(), others.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(one), Some(other)) if one == other => {}
            (Some(_), Some(_) | None) | (None, Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, expected: bool) {
        let [one, other] = [one, other].map(|text| TopicFilter::parse(text).unwrap());
        assert_eq!(overlap(&one, &other), expected, "{one} and {other}");
        assert_eq!(overlap(&other, &one), expected, "{other} and {one}");
    }

    #[test]
    fn only_filters_that_meet_without_covering_overlap() {
        check("a/+", "+/b", true);
        check("a/#", "+/b/#", true);
        check("a/+", "a/#", false);
        check("a/+", "b/+", false);
        check("a/+", "a/+", false);
        check("a/+/c", "a/b", false);
        check("$share/g/a/+", "+/b", false);
    }
}
