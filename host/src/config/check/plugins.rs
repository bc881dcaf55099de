//! `[plugins]` and `[plugin.NAME]`.

use std::collections::BTreeMap;
use std::thread::available_parallelism;

use super::known::Known;
use super::section_or_empty;
use crate::config::nearest::suggestion;
use crate::config::raw::Table;
use crate::config::reader::{Section, default_duration, default_size};
use crate::config::settings::{LIMITS, Setting};
use crate::config::{PluginConfig, PluginLimits, PluginsConfig, StateLimits};

/// The settings of all plugins.
pub(super) fn plugins(root: &Section<'_, '_>, known: &Known<'_>) -> PluginsConfig {
    let empty = Table::default();
    let section = section_or_empty(root, "plugins", &empty);
    section.text("folder");
    let limits = limits(section.section("limits").as_ref(), &default_limits());
    let named = root.item("plugin").map(|item| item.named()).unwrap_or_default();
    let each = named.iter().map(|(name, section)| ((*name).to_owned(), plugin(name, section, known, &limits)));
    let each: BTreeMap<_, _> = each.collect();
    PluginsConfig { folder: known.folder.clone(), limits, each, lanes: lanes(&section) }
}

fn lanes(section: &Section<'_, '_>) -> usize {
    let lanes = section.item("lanes").and_then(|item| item.whole()).and_then(|lanes| usize::try_from(lanes).ok());
    lanes.unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
}

fn plugin(name: &str, section: &Section<'_, '_>, known: &Known<'_>, limits_of_all: &PluginLimits) -> PluginConfig {
    if !known.has_plugin(name) {
        let message = format!("there is no plugin `{name}`, so these settings have no effect");
        let help = suggestion(name, known.plugins.iter().map(String::as_str));
        section.review.warn(&section.at(), "unused-plugin", message, help.unwrap_or_else(|| "take them out".into()));
    }
    PluginConfig {
        trusted: section.boolean("trusted"),
        sha256: sha256(section),
        limits: limits(section.section("limits").as_ref(), limits_of_all),
    }
}

fn sha256(section: &Section<'_, '_>) -> Option<String> {
    const DIGITS: usize = 64;
    let item = section.item("sha256")?;
    let text = item.text()?;
    if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("`{}` must be {DIGITS} hexadecimal digits", item.path);
        item.error("bad-sha256", message, "`tidegate plugin inspect FILE` shows it".to_owned());
    }
    Some(text.to_ascii_lowercase())
}

/// The limits of a configuration that sets none.
pub(in crate::config) fn default_limits() -> PluginLimits {
    let setting = |name: &str| -> &'static Setting {
        LIMITS.iter().find(|setting| setting.name == name).expect("the limits stand in the settings")
    };
    let whole = |name| setting(name).default.and_then(|number| number.parse().ok()).unwrap_or_default();
    PluginLimits {
        memory_bytes: default_size(setting("memory")),
        call: default_duration(setting("call")),
        init: default_duration(setting("init")),
        output_bytes: default_size(setting("output")),
        file_bytes: default_size(setting("file")),
        log_lines_per_s: whole("log"),
        records_max: whole("records"),
        compile: default_duration(setting("compile")),
        recycle_bytes: default_size(setting("recycle")),
        failures_max: whole("failures"),
        rest_max: default_duration(setting("rest")),
        state: StateLimits {
            keys_max: whole("state_keys").into(),
            key_bytes_max: default_size(setting("state_key")),
            value_bytes_max: default_size(setting("state_value")),
            bytes_max: default_size(setting("state")),
        },
        metrics_max: whole("metrics"),
    }
}

/// The limits that `section` sets, the others as they were.
fn limits(section: Option<&Section<'_, '_>>, others: &PluginLimits) -> PluginLimits {
    let Some(section) = section else { return *others };
    let size = |name, other| section.item(name).and_then(|item| item.size()).unwrap_or(other);
    let duration = |name, other| section.item(name).and_then(|item| item.duration()).unwrap_or(other);
    let whole = |name, other: u32| {
        let number = section.item(name).and_then(|item| item.whole());
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or(other)
    };
    let state_keys = section.item("state_keys").and_then(|item| item.whole());
    PluginLimits {
        memory_bytes: size("memory", others.memory_bytes),
        call: duration("call", others.call),
        init: duration("init", others.init),
        output_bytes: size("output", others.output_bytes),
        file_bytes: size("file", others.file_bytes),
        log_lines_per_s: whole("log", others.log_lines_per_s),
        records_max: whole("records", others.records_max),
        compile: duration("compile", others.compile),
        recycle_bytes: size("recycle", others.recycle_bytes),
        failures_max: whole("failures", others.failures_max),
        rest_max: duration("rest", others.rest_max),
        state: StateLimits {
            keys_max: state_keys.and_then(|keys| u64::try_from(keys).ok()).unwrap_or(others.state.keys_max),
            key_bytes_max: size("state_key", others.state.key_bytes_max),
            value_bytes_max: size("state_value", others.state.value_bytes_max),
            bytes_max: size("state", others.state.bytes_max),
        },
        metrics_max: whole("metrics", others.metrics_max),
    }
}
