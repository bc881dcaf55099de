//! One entry of a rule's `via`.

use super::grants::grants;
use super::json::json_text;
use super::known::Known;
use crate::config::item::Item;
use crate::config::raw::Value;
use crate::config::reader::{Section, shown};
use crate::config::review::At;
use crate::config::settings::VIA;
use crate::config::{Grants, ViaConfig};

/// The plugin that an entry names, with what it is given.
pub(super) fn via(item: &Item<'_, '_>, known: &Known<'_>) -> Option<ViaConfig> {
    match &item.node.value {
        Value::Text(_) => {
            let plugin = plugin(item, item, known)?;
            Some(ViaConfig {
                plugin,
                config: String::new(),
                grants: Grants::default(),
                place: item.review.place(&item.at()),
            })
        }
        Value::Table(table) => {
            let section = Section::of(item.review, table, &VIA, item.path.clone(), item.node.span);
            let config = section.item("config").map(|config| json_text(&config));
            let grants = grants(&section, known);
            let plugin = plugin(item, &section.item("plugin")?, known)?;
            Some(ViaConfig {
                plugin,
                config: config.flatten().unwrap_or_default(),
                grants,
                place: item.review.place(&item.at()),
            })
        }
        _ => item.wrong_type(
            "a plugin's name or a table",
            Some("write `\"NAME\"` or `{ plugin = \"NAME\", config = { … } }`"),
        ),
    }
}

/// Problems with a plugin stand at the entry that names it.
fn plugin(entry: &Item<'_, '_>, item: &Item<'_, '_>, known: &Known<'_>) -> Option<String> {
    let name = item.filled_text()?;
    if !known.has_plugin(name) {
        let at = At { span: item.node.span, key: entry.path.clone() };
        let message = format!("there is no plugin `{}`", shown(name));
        item.review.error_with(&at, "unknown-plugin", message, known.plugin_help(name));
    }
    Some(name.into())
}
