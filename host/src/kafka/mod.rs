//! (being written)
pub mod mock;
pub mod reader;
