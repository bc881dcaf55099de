//! The bridge that an engineer would write by hand in an afternoon, and the measure of Tidegate's cost.
//!
//! Stock rumqttc event loop (MQTT 5, manual acknowledgements), stock `BaseProducer` (idempotent, acks=all) with a thread
//! that polls it, every message acknowledged after Kafka's delivery report, in the order of arrival. It makes the same
//! records as Tidegate: key and header `mqtt.topic` are the MQTT topic, the timestamp is the arrival. No rules, no
//! metrics, no dead letters, no reload: what it lacks is what it need not pay for.

use clap::Parser;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Copies one MQTT filter to one Kafka topic.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    mqtt_port: u16,
    #[arg(long)]
    client_id: String,
    #[arg(long)]
    filter: String,
    /// Receive Maximum.
    #[arg(long)]
    window: u16,
    #[arg(long)]
    qos: u8,
    #[arg(long)]
    brokers: String,
    /// Kafka topic of all records.
    #[arg(long)]
    topic: String,
    #[arg(long)]
    linger_ms: u32,
}

/// Messages that Kafka has not confirmed yet, oldest first; true is confirmed, but an older one is not.
#[derive(Default)]
struct Pending {
    first: usize,
    messages: VecDeque<(Publish, bool)>,
}

/// Acknowledges to the MQTT broker what Kafka has confirmed, in order.
struct AckInOrder {
    pending: Mutex<Pending>,
    client: AsyncClient,
}

impl AckInOrder {
    /// Notes a message that is about to be produced; its number comes back with the delivery report.
    fn note(&self, publish: Publish) -> usize {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.messages.push_back((publish, false));
        pending.first + pending.messages.len() - 1
    }

    fn confirm(&self, number: usize) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let place = number - pending.first;
        pending.messages[place].1 = true;
        while let Some((publish, _)) = pending.messages.pop_front_if(|(_, confirmed)| *confirmed) {
            pending.first += 1;
            if self.client.try_ack(&publish).is_err() {
                fail("queue an acknowledgement", "the queue holds a whole window, so the event loop is gone");
            }
        }
    }
}

impl ClientContext for AckInOrder {}

impl ProducerContext for AckInOrder {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<usize>) {
        match result {
            Ok(_) => self.confirm(*number),
            // Unacknowledged messages come again after a restart; going on would leave a hole.
            Err((error, _)) => fail("deliver a record", error),
        }
    }
}

fn fail(what: &str, why: impl std::fmt::Display) -> ! {
    eprintln!("baseline: {what}: {why}");
    std::process::exit(1);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let (client, mut events) = connect_mqtt(&arguments);
    let producer = connect_kafka(&arguments, client.clone())?;
    let poller = Arc::clone(&producer);
    std::thread::spawn(move || {
        loop {
            poller.poll(Duration::from_millis(100));
        }
    });
    let qos = rumqttc::v5::mqttbytes::qos(arguments.qos).ok_or("qos is 0, 1 or 2")?;
    carry(&arguments, qos, &client, &mut events, &producer).await
}

/// Carries messages for ever; ends with an error that only a person can repair.
async fn carry(
    arguments: &Arguments,
    qos: QoS,
    client: &AsyncClient,
    events: &mut EventLoop,
    producer: &BaseProducer<AckInOrder>,
) -> Result<(), Box<dyn Error>> {
    loop {
        match events.poll().await? {
            Event::Incoming(Packet::ConnAck(_)) => client.try_subscribe(&arguments.filter, qos)?,
            Event::Incoming(Packet::SubAck(_)) => println!("ready"),
            Event::Incoming(Packet::Publish(publish)) => produce(producer, &arguments.topic, publish)?,
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }
}

fn produce(producer: &BaseProducer<AckInOrder>, topic: &str, publish: Publish) -> Result<(), Box<dyn Error>> {
    let mqtt_topic = publish.topic.clone();
    let payload = publish.payload.clone();
    let arrival = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let number = producer.context().note(publish);
    let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: "mqtt.topic", value: Some(&mqtt_topic[..]) });
    let mut record = BaseRecord::with_opaque_to(topic, Box::new(number))
        .key(&mqtt_topic[..])
        .payload(&payload[..])
        .timestamp(i64::try_from(arrival)?)
        .headers(headers);
    while let Err((error, returned)) = producer.send(record) {
        let KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) = error else { return Err(error.into()) };
        std::thread::sleep(Duration::from_millis(1));
        record = returned;
    }
    Ok(())
}

fn connect_mqtt(arguments: &Arguments) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(&arguments.client_id, "127.0.0.1", arguments.mqtt_port);
    options.set_manual_acks(true).set_keep_alive(Duration::from_secs(30));
    options.set_clean_start(false).set_session_expiry_interval(Some(604_800));
    options.set_receive_maximum(Some(arguments.window)).set_max_packet_size(Some(1024 * 1024));
    // The queue takes a whole window of acknowledgements, so that queueing one never has to wait.
    AsyncClient::new(options, usize::from(arguments.window) + 16)
}

/// The producer, once the cluster has answered.
fn connect_kafka(arguments: &Arguments, client: AsyncClient) -> Result<Arc<BaseProducer<AckInOrder>>, Box<dyn Error>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &arguments.brokers).set("enable.idempotence", "true").set("acks", "all");
    config.set("linger.ms", arguments.linger_ms.to_string()).set("message.timeout.ms", "0");
    config.set("partitioner", "murmur2_random");
    let context = AckInOrder { pending: Mutex::default(), client };
    let producer: BaseProducer<AckInOrder> = config.create_with_context(context)?;
    producer.client().fetch_metadata(Some(&arguments.topic), Duration::from_secs(30))?;
    Ok(Arc::new(producer))
}
