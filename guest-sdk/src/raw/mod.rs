//! The raw calls: generated from `wit/` for wasm, a stand-in on the machine that runs the tests.

#[cfg(target_family = "wasm")]
#[path = "wasm.rs"]
pub(crate) mod host;

#[cfg(not(target_family = "wasm"))]
#[path = "native.rs"]
pub(crate) mod host;

#[cfg(target_family = "wasm")]
pub use host::bindings;
#[cfg(target_family = "wasm")]
pub use host::bindings::export_component;
#[cfg(target_family = "wasm")]
pub use host::bindings::exports::tidegate::plugin::transform::Guest;
