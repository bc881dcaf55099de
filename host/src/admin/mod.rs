//! The admin interface: health, metrics, status and reload over HTTP.
//!
//! Invariant: nothing here knows the data path. What is told and done comes through `Bridge`; the interface lives on a
//! thread of its own with a bound on every connection, so that nothing that happens here is felt there.

pub mod bridge;
pub mod routes;
pub mod server;
pub mod status;
pub mod token;

pub use bridge::{Bridge, Readiness, ReloadOutcome, ReloadReply};
pub use server::{AdminError, AdminHandle, serve};
pub use status::Status;
