//! End-to-end tests of the real program. `quick`: against a scripted MQTT broker and a mock Kafka in this process.
//! `full`: against real Mosquitto and real Apache Kafka; ignored unless asked for, since they need both
//! (`cargo xtask test` asks for them).

mod full;
mod quick;
