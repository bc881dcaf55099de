//! Short ways to load, configure and call plugins.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidegate::config::{PluginLimits, StateLimits};
use tidegate::message::Qos;
use tidegate::seam::{Instance, Outcome, Stage, StageFault, StageMessage};
use tidegate::wasm::{Engine, Plugin, PluginError};

pub(crate) const LIMITS: PluginLimits = PluginLimits {
    memory_bytes: 64 << 20,
    call: Duration::from_millis(100),
    init: Duration::from_millis(500),
    output_bytes: 16 << 20,
    file_bytes: 64 << 20,
    log_lines_per_s: 100,
    records_max: 100_000,
    compile: Duration::from_secs(60),
    recycle_bytes: 48 << 20,
    failures_max: 20,
    rest_max: Duration::from_secs(30),
    state: StateLimits { keys_max: 100_000, key_bytes_max: 1 << 10, value_bytes_max: 1 << 20, bytes_max: 64 << 20 },
    metrics_max: 100,
};

pub(crate) fn engine() -> &'static Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().unwrap())
}

pub(crate) fn load(bytes: &[u8]) -> Result<Arc<Plugin>, PluginError> {
    engine().load("guest", bytes, false, LIMITS)
}

pub(crate) fn stage_of(bytes: &[u8], config: &str) -> Result<Arc<dyn Stage>, StageFault> {
    load(bytes).unwrap().stage("rule", config.into())
}

/// The hostile guest, loaded once.
pub(crate) fn hostile() -> Arc<dyn Stage> {
    static STAGE: OnceLock<Arc<dyn Stage>> = OnceLock::new();
    STAGE.get_or_init(|| stage_of(&crate::guests::hostile(), "").unwrap()).clone()
}

/// Lives as long as the test's process, so that messages can borrow it.
pub(crate) fn message(payload: impl Into<Vec<u8>>) -> StageMessage<'static> {
    StageMessage {
        topic: "site/ulm/l1/temp",
        payload: payload.into().leak(),
        received_ms: 1_700_000_000_000,
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: None,
    }
}

pub(crate) fn batch(payloads: &[&str]) -> Vec<StageMessage<'static>> {
    payloads.iter().map(|payload| message(*payload)).collect()
}

/// The outcome of one message.
pub(crate) fn ask(instance: &mut dyn Instance, payload: &str) -> Result<Outcome, StageFault> {
    let mut outcomes = instance.process(&batch(&[payload]))?;
    assert_eq!(outcomes.len(), 1);
    Ok(outcomes.remove(0))
}
