//! What the end-to-end tests stand on: real and scripted servers, the bridge as a process, numbered publishers, and the
//! oracle that judges what arrived. `tests/e2e` holds the tests themselves.

pub mod bridge;
pub mod client;
pub mod faults;
pub mod guests;
pub mod http;
pub mod kafka;
pub mod languages;
pub mod metrics;
pub mod mock;
pub mod mosquitto;
pub mod net;
pub mod partition;
pub mod payload;
pub mod places;
pub mod process;
pub mod publish;
pub mod read;
pub mod scripted;
pub mod sparkplug;
pub mod tier;
pub mod tls;
pub mod verdict;
pub mod wire;
