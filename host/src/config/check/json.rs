//! A TOML table as JSON, for a plugin's `init`.

use serde_json::{Map, Number, Value as Json};

use crate::config::item::Item;
use crate::config::raw::{Table, Value};

/// The table as JSON text; `None` where something in it has no JSON, which is told.
pub(in crate::config) fn json_text(item: &Item<'_, '_>) -> Option<String> {
    table(item, item.table()?).map(|json| json.to_string())
}

fn json(item: &Item<'_, '_>) -> Option<Json> {
    match &item.node.value {
        Value::Text(text) | Value::Time(text) => Some(Json::String(text.clone())),
        Value::Boolean(yes) => Some(Json::Bool(*yes)),
        Value::Whole(Some(number)) => Some(Json::Number((*number).into())),
        Value::Whole(None) => no_json(item, "this number is too large"),
        Value::Fraction(number) => match Number::from_f64(*number) {
            Some(number) => Some(Json::Number(number)),
            None => no_json(item, "JSON knows neither `inf` nor `nan`"),
        },
        Value::List(nodes) => {
            let entry = |(at, node)| json(&Item { node, path: format!("{}[{at}]", item.path), ..item.clone() });
            nodes.iter().enumerate().map(entry).collect::<Option<Vec<_>>>().map(Json::Array)
        }
        Value::Table(inner) => table(item, inner),
        Value::Broken => None,
    }
}

fn table(item: &Item<'_, '_>, table: &Table) -> Option<Json> {
    let entry = |(name, item): (&str, Item<'_, '_>)| Some((name.to_owned(), json(&item)?));
    // Collected first, so that all problems are told and not the first alone.
    let entries: Vec<_> = item.children(table).map(entry).collect();
    entries.into_iter().collect::<Option<Map<_, _>>>().map(Json::Object)
}

fn no_json(item: &Item<'_, '_>, why: &str) -> Option<Json> {
    item.error("no-json", format!("`{}` cannot be given to the plugin as JSON: {why}", item.path), None);
    None
}
