//! Plugins that come with the binary; `build.rs` makes them from `plugins/`.

/// Decodes the simulated plant of `tidegate demo`; `plugins/plant/README.md`.
pub const PLANT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugins/plant.wasm"));
