//! Which rules a topic has, and what they make of it.

pub mod pattern;
pub mod template;
