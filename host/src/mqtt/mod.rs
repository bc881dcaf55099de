//! (being written)
pub mod publisher;
