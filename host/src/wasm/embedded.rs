//! Plugins that come with the binary; `build.rs` makes them from `plugins/`.

/// Decodes the simulated plant of `tidegate demo`; `plugins/plant/README.md`.
pub const PLANT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugins/plant.wasm"));

/// Forwards everything; what `plugin bench` measures the boundary with. No rule finds it.
pub const IDENTITY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugins/identity.wasm"));

/// The Sparkplug host; `plugins/sparkplug/README.md`.
const SPARKPLUG: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugins/sparkplug.wasm"));

/// The names under which rules find the built-in plugins.
pub const NAMES: &[&str] = &["plant", "sparkplug"];

/// The component of a built-in plugin.
#[must_use]
pub fn plugin(name: &str) -> Option<&'static [u8]> {
    match name {
        "plant" => Some(PLANT),
        "sparkplug" => Some(SPARKPLUG),
        _ => None,
    }
}
