//! The contract and the sources of the Rust SDK, as they stood when this program was built.

include!(concat!(env!("OUT_DIR"), "/texts.rs"));
