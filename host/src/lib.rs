//! Tidegate: MQTT to Kafka through WebAssembly plugins, acknowledged end to end.

pub mod ack;
pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod digest;
pub mod dlq;
pub mod kafka;
pub mod message;
pub mod meters;
pub mod mqtt;
pub mod pipeline;
pub mod plugin_tools;
pub mod router;
pub mod seam;
pub mod telemetry;
pub mod topic;
pub mod wasm;
