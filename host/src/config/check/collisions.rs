//! Warns where different MQTT topics can land on one Kafka topic without anybody having asked for it.

use crate::config::item::Item;
use crate::router::pattern::Pattern;
use crate::router::template::{Part, Template, kafka_topic_text};

/// Tells of the first reason why the template cannot tell some topics apart.
pub(super) fn warn_of_collisions(item: &Item<'_, '_>, template: &Template, patterns: &[Pattern]) {
    if let Some(why) = collision(template, patterns) {
        let message = format!("different MQTT topics can land on one Kafka topic unseen: {why}");
        item.review.warn(
            &item.at(),
            "topics-collide",
            message,
            "the header `mqtt.topic` and the default key still tell them apart",
        );
    }
}

fn collision(template: &Template, patterns: &[Pattern]) -> Option<String> {
    let one_topic_each = patterns.iter().all(|pattern| !pattern.filter().levels().contains(['+', '#']));
    if one_topic_each {
        return None;
    }
    let mut before: Option<(&str, String)> = None;
    for part in template.parts() {
        match part {
            Part::Topic => return Some("in `{topic}`, `/` becomes `.` and what Kafka forbids `_`".into()),
            Part::Capture(name) if patterns.iter().any(|pattern| pattern.takes_rest(name)) => {
                return Some(format!("`{{{name}}}` takes several levels, and `/` becomes `.`"));
            }
            Part::Capture(name) => {
                if let Some((earlier, joint)) = before.filter(|(_, joint)| joint.chars().all(is_joint)) {
                    return Some(collision_of(earlier, name, &joint));
                }
                before = Some((name, String::new()));
            }
            Part::Text(text) => before = before.map(|(name, joint)| (name, joint + &kafka_topic_text(text))),
            // Of one rule they are always the same, so they are as good as text.
            Part::Source | Part::Rule => before = None,
        }
    }
    None
}

fn is_joint(character: char) -> bool {
    matches!(character, '.' | '_' | '-')
}

fn collision_of(earlier: &str, later: &str, joint: &str) -> String {
    match joint {
        "" => format!("nothing stands between `{{{earlier}}}` and `{{{later}}}`"),
        _ => format!("`{{{earlier}}}` and `{{{later}}}` may hold the `{joint}` that stands between them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, topic: &str, collides: bool) {
        let patterns = [Pattern::parse(from).unwrap()];
        assert_eq!(collision(&Template::parse(topic).unwrap(), &patterns).is_some(), collides, "{from} to {topic}");
    }

    #[test]
    fn captures_joined_by_what_topics_may_hold_collide() {
        check("{a}/{b}", "x.{a}.{b}", true);
        check("{a}/{b}", "{a}_{b}", true);
        check("{a}/{b}", "{a}-{b}", true);
        check("{a}/{b}", "{a}/{b}", true);
        check("{a}/{b}", "{a}{b}", true);
        check("{a}/{b}", "{a}.x.{b}", false);
        check("{a}/{b}", "x.{a}", false);
        check("{a}/+", "x", false);
    }

    #[test]
    fn the_rest_and_the_whole_topic_collide() {
        check("a/{rest...}", "{rest}", true);
        check("a/#", "{topic}", true);
        check("a/b", "{topic}", false);
        check("a/+", "{source}.{rule}", false);
    }
}
