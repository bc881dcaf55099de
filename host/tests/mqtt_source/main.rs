//! The MQTT source against a scripted broker that speaks raw bytes, and against a real Mosquitto.

#![expect(clippy::unwrap_used, reason = "this crate is all tests")]

mod broker;
mod connections;
mod cost;
mod delivery;
mod intake;
mod mosquitto;
mod mutations;
mod subscriptions;
