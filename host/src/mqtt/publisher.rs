//! A publisher for the demo: QoS 1 over rumqttc's own client, counting what the broker acknowledged.
//!
//! Invariant: publishing never waits; a full queue is told as `Busy`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};

/// Messages that may wait inside the client.
const QUEUE_MAX: usize = 1_000;
/// Messages that the broker may owe an acknowledgement for.
const IN_FLIGHT_MAX: u16 = 500;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Rest before the next try to connect.
const RECONNECT_REST: Duration = Duration::from_millis(200);

/// A connection to an MQTT broker that only publishes.
pub struct Publisher {
    client: Client,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Progress {
    acknowledged: AtomicU64,
    closing: AtomicBool,
    trouble: Mutex<Option<String>>,
}

/// The queue is full: try again in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the publisher's queue is full")]
pub struct Busy;

impl Publisher {
    /// Connects in the background and stays connected (MQTT 3.1.1).
    ///
    /// # Errors
    /// Where the connection's thread cannot be started.
    pub fn connect(host: &str, port: u16, client_id: &str) -> io::Result<Self> {
        let mut options = MqttOptions::new(client_id, host, port);
        options.set_keep_alive(KEEP_ALIVE).set_inflight(IN_FLIGHT_MAX);
        let (client, connection) = Client::new(options, QUEUE_MAX);
        let progress = Arc::new(Progress::default());
        let thread = thread::Builder::new().name("demo-publisher".into()).spawn({
            let progress = progress.clone();
            move || progress.follow(connection)
        })?;
        Ok(Self { client, progress, thread: Some(thread) })
    }

    /// Queues one message with QoS 1.
    ///
    /// # Errors
    /// Where the queue is full.
    pub fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Busy> {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).map_err(|_| Busy)
    }

    /// Messages that the broker has acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.progress.acknowledged.load(Ordering::Relaxed)
    }

    /// The last thing that went wrong on the connection, once.
    #[must_use]
    pub fn take_trouble(&self) -> Option<String> {
        mem::take(&mut *self.progress.trouble.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Progress {
    fn follow(&self, mut connection: Connection) {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::PubAck(_))) => {
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(_) if self.closing.load(Ordering::Relaxed) => return,
                Err(error) => {
                    *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                    thread::sleep(RECONNECT_REST);
                }
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.progress.closing.store(true, Ordering::Relaxed);
        if self.client.try_disconnect().is_err() {
            return; // the queue is stuck: the thread ends with the process
        }
        if let Some(thread) = self.thread.take() {
            // A panic on that thread has been told by the panic hook.
            let _ = thread.join();
        }
    }
}
