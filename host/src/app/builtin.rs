//! What the built-in plugins are given by themselves, so that a rule need not.

use serde_json::{Map, Value};

use crate::config::{PublishGrant, ViaConfig};
use crate::topic::TopicFilter;

/// The built-in Sparkplug host; `plugins/sparkplug`.
const SPARKPLUG: &str = "sparkplug";
/// Bounds what goes out if its own budget for rebirths fails to.
const SPARKPLUG_PER_S_MAX: u32 = 1_000;

/// The entry as if its rule had written out what the built-in plugin of this name has: the name of the source and state;
/// and commands to nodes where its role asks for them. What the rule says itself wins.
pub fn equipped(via: &ViaConfig, source: &str) -> ViaConfig {
    let mut via = via.clone();
    if via.plugin == SPARKPLUG
        && let Some(mut config) = table(&via.config)
    {
        via.grants.state = true;
        let topics = commands(&config);
        via.grants.publish.get_or_insert(PublishGrant { topics, per_s_max: SPARKPLUG_PER_S_MAX });
        config.entry("broker").or_insert_with(|| source.into());
        via.config = Value::Object(config).to_string();
    }
    via
}

/// How many topic levels stand in front of those that the built-in plugin names in its order key.
pub fn levels_in_front(via: &ViaConfig) -> u32 {
    match table(&via.config).filter(|_| via.plugin == SPARKPLUG) {
        Some(config) => prefix(&config).map_or(0, |prefix| prefix.split('/').count() as u32),
        None => 0,
    }
}

/// What is no table is left for the plugin to refuse.
fn table(config: &str) -> Option<Map<String, Value>> {
    match config {
        "" => Some(Map::new()),
        config => serde_json::from_str(config).ok(),
    }
}

fn prefix(config: &Map<String, Value>) -> Option<&str> {
    config.get("topic_prefix").and_then(Value::as_str).filter(|prefix| !prefix.is_empty())
}

/// NCMD and DCMD; an observer says nothing.
fn commands(config: &Map<String, Value>) -> Vec<TopicFilter> {
    if config.get("role").is_none_or(|role| role == "observer") {
        return Vec::new();
    }
    let prefix = prefix(config).map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let filters = ["spBv1.0/+/NCMD/+", "spBv1.0/+/DCMD/+/+"].map(|filter| format!("{prefix}{filter}"));
    filters.iter().filter_map(|filter| TopicFilter::parse(filter).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Grants, Place};

    fn via(plugin: &str, config: &str) -> ViaConfig {
        ViaConfig { plugin: plugin.into(), config: config.into(), grants: Grants::default(), place: Place::default() }
    }

    fn published(config: &str) -> Vec<String> {
        let grant = equipped(&via("sparkplug", config), "plant").grants.publish.unwrap();
        grant.topics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn it_keeps_state_and_knows_its_source() {
        let given = equipped(&via("sparkplug", ""), "plant");
        assert!(given.grants.state);
        assert_eq!(given.config, r#"{"broker":"plant"}"#);
        assert_eq!(equipped(&via("sparkplug", r#"{"broker":"b"}"#), "plant").config, r#"{"broker":"b"}"#);
    }

    #[test]
    fn only_a_role_that_asks_nodes_may_publish() {
        assert_eq!(published(""), [""; 0]);
        assert_eq!(published(r#"{"role":"observer"}"#), [""; 0]);
        let config = r#"{"role":"active","topic_prefix":"site/ulm"}"#;
        assert_eq!(published(config), ["site/ulm/spBv1.0/+/NCMD/+", "site/ulm/spBv1.0/+/DCMD/+/+"]);
    }

    #[test]
    fn a_prefix_moves_the_order_key() {
        assert_eq!(levels_in_front(&via("sparkplug", "")), 0);
        assert_eq!(levels_in_front(&via("sparkplug", r#"{"topic_prefix":"site/ulm"}"#)), 2);
        assert_eq!(levels_in_front(&via("other", r#"{"topic_prefix":"site/ulm"}"#)), 0);
    }

    #[test]
    fn other_plugins_get_nothing() {
        let given = equipped(&via("other", "{}"), "plant");
        assert_eq!((given.config.as_str(), given.grants), ("{}", Grants::default()));
    }
}
