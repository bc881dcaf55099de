//! `grants` of an entry of `via`.

use super::known::Known;
use crate::config::item::Item;
use crate::config::nearest::suggestion;
use crate::config::raw::Value;
use crate::config::reader::{Section, shown};
use crate::config::settings::Kind;
use crate::config::{Grant, Grants, LookupGrant, PublishGrant};
use crate::topic::TopicFilter;

/// Everything that the list grants, with everything wrong about it told.
pub(super) fn grants(section: &Section<'_, '_>, known: &Known<'_>) -> Grants {
    let entries = section.item("grants").and_then(|item| item.list()).unwrap_or_default();
    let mut grants = Grants::default();
    for entry in &entries {
        match &entry.node.value {
            Value::Table(_) => table(entry, known, &mut grants),
            _ => name(entry, &mut grants),
        }
    }
    grants
}

fn name(entry: &Item<'_, '_>, grants: &mut Grants) {
    if matches!(&entry.node.value, Value::Text(text) if text == Grant::Publish.name()) {
        let help = "write `{ publish = [\"plant/+/commands\"] }`".to_owned();
        entry.error("publish-needs-topics", "to grant `publish`, name the topics", help);
        return;
    }
    let Kind::Either(choice, _) = entry.kind else { return };
    let named = Item { kind: choice, ..entry.clone() }.choice();
    match named.and_then(Grant::named) {
        Some(Grant::State) => grants.state = true,
        Some(Grant::Clock) => grants.clock = true,
        Some(Grant::Metrics) => grants.metrics = true,
        Some(Grant::Lookup) => grants.lookup = Some(LookupGrant::All),
        Some(Grant::Publish) | None => {}
    }
}

fn table(entry: &Item<'_, '_>, known: &Known<'_>, grants: &mut Grants) {
    let Some(section) = entry.section() else { return };
    let publish = section.item("publish");
    let lookup = section.item("lookup");
    let per_s_max = u32::try_from(section.whole("rate")).unwrap_or(u32::MAX);
    if publish.is_none() && lookup.is_none() {
        let help = "write `{ publish = [\"FILTER\"] }` or `{ lookup = [\"TABLE\"] }`".to_owned();
        entry.error("empty-value", "this table grants nothing", help);
    }
    if let (None, Some(rate)) = (&publish, section.item("rate")) {
        rate.error("bad-value", "`rate` belongs to `publish`", None);
    }
    if let Some(topics) = publish.and_then(|item| item.list()) {
        let topics = topics.iter().filter_map(filter).collect();
        grants.publish = Some(PublishGrant { topics, per_s_max });
    }
    if let Some(tables) = lookup.and_then(|item| item.list()) {
        grants.lookup = Some(LookupGrant::Tables(tables.iter().filter_map(|item| table_name(item, known)).collect()));
    }
}

fn filter(item: &Item<'_, '_>) -> Option<TopicFilter> {
    let text = item.text()?;
    let parsed = TopicFilter::parse(text);
    if let Err(error) = &parsed {
        item.error("bad-filter", format!("`{}` is no MQTT filter: {error}", shown(text)), None);
    }
    parsed.ok()
}

fn table_name(item: &Item<'_, '_>, known: &Known<'_>) -> Option<String> {
    let name = item.filled_text()?;
    if !known.lookups.contains(&name) && !item.review.may_be_hidden(name) {
        let near = suggestion(name, known.lookups.iter().copied());
        let help = near.unwrap_or_else(|| format!("add `[lookup.{}]`", shown(name)));
        item.error("unknown-table", format!("there is no table `{}`", shown(name)), help);
    }
    Some(name.into())
}
