//! The raw calls: the canonical ABI of `wit/` on wasm32, by hand, and a stand-in on the machine that runs the tests.
//!
//! By hand because generated bindings take each string into the heap and free it again, a third of what a call costs:
//! here the host writes a batch into one `arena`, plugins read it in place, and the `answer` is read where they left it.
//! The `world` is what the linker needs to make a component; a test compares it with `wit/`.

#[cfg(target_family = "wasm")]
pub mod answer;
#[cfg(target_family = "wasm")]
pub mod arena;
#[cfg(target_family = "wasm")]
pub mod exports;
#[cfg(target_family = "wasm")]
#[path = "imports.rs"]
pub mod host;
#[cfg(not(target_family = "wasm"))]
#[path = "native.rs"]
pub mod host;
pub mod layout;
#[cfg(target_family = "wasm")]
mod services;
pub mod world;
