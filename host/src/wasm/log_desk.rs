//! Log lines of one plugin in one rule, from all its instances: so many a second, the rest counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, debug, error, info, trace, warn};

use super::clean::clean;

const WINDOW: Duration = Duration::from_secs(1);

/// Where a guest's lines go.
#[derive(Debug)]
pub(super) struct LogDesk {
    plugin: String,
    rule: String,
    lines_per_s: u32,
    window: Mutex<Option<Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    left_out: u64,
}

impl LogDesk {
    pub(super) fn new(plugin: &str, rule: &str, lines_per_s: u32) -> Arc<Self> {
        Arc::new(Self { plugin: plugin.into(), rule: rule.into(), lines_per_s, window: Mutex::new(None) })
    }

    /// Writes the line if it is within the rate.
    pub(super) fn write(&self, level: Level, text: &str) {
        let Some(left_out) = self.admit(Instant::now()) else { return };
        let (plugin, rule) = (&self.plugin, &self.rule);
        if left_out > 0 {
            warn!(plugin, rule, left_out, "plugin logged more than its lines per second");
        }
        let line = clean(text);
        match level {
            Level::TRACE => trace!(plugin, rule, line, "plugin log"),
            Level::DEBUG => debug!(plugin, rule, line, "plugin log"),
            Level::INFO => info!(plugin, rule, line, "plugin log"),
            Level::WARN => warn!(plugin, rule, line, "plugin log"),
            Level::ERROR => error!(plugin, rule, line, "plugin log"),
        }
    }

    /// Whether a line may be written now, and how many were left out before it.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let over = window.take_if(|open| now.duration_since(open.began) >= WINDOW);
        let open = window.get_or_insert(Window { began: now, lines: 0, left_out: 0 });
        if open.lines >= self.lines_per_s {
            open.left_out += 1;
            return None;
        }
        open.lines += 1;
        Some(over.map_or(0, |over| over.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_the_rate_are_left_out_and_counted() {
        let desk = LogDesk::new("p", "r", 2);
        let start = Instant::now();
        let admitted: Vec<_> = (0..5).map(|ms| desk.admit(start + Duration::from_millis(ms))).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None, None]);
        assert_eq!(desk.admit(start + WINDOW), Some(3));
        assert_eq!(desk.admit(start + WINDOW), Some(0));
    }
}
