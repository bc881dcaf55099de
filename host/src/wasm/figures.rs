//! `metrics`: the figures of a plugin's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

use super::clean::clean;
use crate::meters::PluginMeters;

const NAME_BYTES_MAX: usize = 64;

/// The figures of one plugin in one rule.
#[derive(Debug)]
pub(super) struct Figures {
    rule: String,
    plugin: String,
    meters: Arc<PluginMeters>,
    names_max: u32,
    has_told: AtomicBool,
}

impl Figures {
    pub(super) fn new([rule, plugin]: [&str; 2], meters: Arc<PluginMeters>, names_max: u32) -> Arc<Self> {
        Arc::new(Self { rule: rule.into(), plugin: plugin.into(), meters, names_max, has_told: AtomicBool::new(false) })
    }

    pub(super) fn count(&self, name: &str, by: u64) {
        if self.admits(name, self.meters.counters.contains_key(name)) {
            let mut count = self.meters.counters.entry(name.into()).or_default();
            *count = count.wrapping_add(by);
        }
    }

    pub(super) fn gauge(&self, name: &str, value: f64) {
        if self.admits(name, self.meters.gauges.contains_key(name)) {
            self.meters.gauges.insert(name.into(), value);
        }
    }

    fn admits(&self, name: &str, is_known: bool) -> bool {
        if is_known {
            return true;
        }
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_plain);
        let names = self.meters.counters.len() + self.meters.gauges.len();
        let is_admitted = is_name && names < self.names_max as usize;
        if !is_admitted && !self.has_told.swap(true, Ordering::Relaxed) {
            let (rule, plugin, name) = (&self.rule, &self.plugin, clean(name));
            warn!(
                rule,
                plugin, name, "a figure of a plugin is left out: its name is not of a-z, 0-9 and _, or it has too many"
            );
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_bounded_in_names() {
        let meters = Arc::new(PluginMeters::default());
        let figures = Figures::new(["r", "p"], meters.clone(), 2);
        figures.count("seen", 2);
        figures.count("seen", 3);
        figures.gauge("level", 0.5);
        figures.count("third", 1);
        figures.count("Not a name", 1);
        assert_eq!(meters.counters.get("seen").map(|count| *count), Some(5));
        assert_eq!(meters.gauges.get("level").map(|value| *value), Some(0.5));
        assert_eq!(meters.counters.len() + meters.gauges.len(), 2);
    }
}
