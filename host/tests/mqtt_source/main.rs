//! The MQTT source against a scripted broker that speaks raw bytes, and against a real Mosquitto.

mod broker;
mod connections;
mod delivery;
mod intake;
mod mosquitto;
mod mutations;
mod subscriptions;
