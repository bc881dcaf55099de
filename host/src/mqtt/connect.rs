//! CONNECT and CONNACK: what we ask of the broker, and what it grants.

use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use tokio::time::Instant;

use super::convert::{Connack, Decoder, Incoming};
use super::frame::PROTOCOL_BYTES_MAX;
use super::loss::Loss;
use super::publish::Aliases;
use super::reason::Violation;
use super::subscribe::Manner;
use super::transport::Stream;
use crate::config::{BrokerUrl, Protocol, Session, SourceConfig};
use crate::seam::Subscription;

/// A connection that the broker has accepted. The decoder may hold packets that came right behind the CONNACK.
pub(super) struct Linked {
    pub stream: Stream,
    pub decoder: Decoder,
    pub grant: Grant,
}

/// What the broker granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub connack: Connack,
    /// The broker's, where it has its own opinion.
    pub keep_alive: Duration,
    pub protocol: Protocol,
}

impl Grant {
    /// How this broker wants to be asked for subscriptions.
    #[must_use]
    pub(super) fn manner(&self) -> Manner {
        match self.protocol {
            Protocol::V5 => Manner { with_ids: self.connack.subscription_ids, ask_again: true },
            Protocol::V311 => Manner { with_ids: false, ask_again: false },
        }
    }

    /// What the broker does not give although the promise rests on it.
    #[must_use]
    pub(super) fn hollow(&self, config: &SourceConfig, wanted: &[Subscription]) -> Vec<String> {
        let connack = &self.connack;
        let mut told = Vec::new();
        let asked_s = expiry_s(config);
        if let Some(granted_s) = connack.session_expiry_s.filter(|granted_s| *granted_s < asked_s) {
            told.push(format!("the broker forgets our session after {granted_s} s, not {asked_s} s as asked"));
        }
        if wanted.iter().any(|one| one.qos > connack.qos_max) {
            told.push(format!("the broker gives QoS {} at most", connack.qos_max.level()));
        }
        if !connack.wildcards && wanted.iter().any(|one| one.filter.as_str().contains(['+', '#'])) {
            told.push("the broker does not support wildcards in subscriptions".into());
        }
        if !connack.shared && wanted.iter().any(|one| one.filter.is_shared()) {
            told.push("the broker does not support shared subscriptions".into());
        }
        told
    }
}

/// Connects to `url` and has the broker accept us as `client_id`, all before the deadline of the configuration.
///
/// # Errors
/// Why there is no connection.
pub(super) async fn connect(config: &SourceConfig, url: &BrokerUrl, client_id: &str) -> Result<Linked, Loss> {
    let deadline = Instant::now() + config.connect_timeout;
    let linked = tokio::time::timeout_at(deadline, introduce(config, url, client_id, deadline)).await;
    linked.unwrap_or_else(|_| Err(Loss::TooSlow { seconds: config.connect_timeout.as_secs() }))
}

async fn introduce(config: &SourceConfig, url: &BrokerUrl, client_id: &str, deadline: Instant) -> Result<Linked, Loss> {
    let mut stream = Stream::dial(url, &config.tls, deadline).await?;
    let mut decoder = Decoder::new(config.protocol, packet_bytes_max(config));
    let mut packet = encode(config, client_id);
    std::future::poll_fn(|cx| stream.poll_write(cx, &mut packet)).await.map_err(Loss::Broken)?;
    let connack = loop {
        match decoder.take_next()? {
            Some(Incoming::Connack(connack)) => break *connack,
            Some(Incoming::Disconnect { code, reason }) => return Err(Loss::Refused { code, reason }),
            Some(_) => return Err(Violation::protocol("another packet before the CONNACK").into()),
            None => {}
        }
        let read = std::future::poll_fn(|cx| stream.poll_read(cx, decoder.room())).await;
        if read.map_err(Loss::Broken)? == 0 {
            return Err(Loss::Closed);
        }
    };
    accept(config, connack).map(|grant| Linked { stream, decoder, grant })
}

fn accept(config: &SourceConfig, connack: Connack) -> Result<Grant, Loss> {
    if connack.code.is_failure() {
        let reason = connack.server_reference.map(|other| format!("use {other}")).or(connack.reason);
        return Err(Loss::Refused { code: connack.code, reason });
    }
    if connack.session_present && config.session == Session::Clean {
        return Err(Violation::protocol("a session although we asked for none").into());
    }
    let keep_alive = connack.keep_alive_s.map_or(config.keep_alive, |s| Duration::from_secs(s.into()));
    Ok(Grant { connack, keep_alive, protocol: config.protocol })
}

fn encode(config: &SourceConfig, client_id: &str) -> BytesMut {
    let mut packet = BytesMut::new();
    let keep_alive = u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let clean = config.session == Session::Clean;
    let password = config.password.as_ref().map(|secret| secret.reveal().to_owned()).unwrap_or_default();
    let login = config.username.clone().map(|username| (username, password));
    match config.protocol {
        Protocol::V311 => {
            let login = login.map(|(username, password)| v4::Login { username, password });
            let protocol = rumqttc::mqttbytes::Protocol::V4;
            let client_id = client_id.to_owned();
            v4::Connect { protocol, keep_alive, client_id, clean_session: clean, last_will: None, login }
                .write(&mut packet)
                .expect(FITS);
        }
        Protocol::V5 => {
            let login = login.map(|(username, password)| v5::Login { username, password });
            let properties = Some(properties(config));
            v5::Connect { keep_alive, client_id: client_id.to_owned(), clean_start: clean, properties }
                .write(&None, &login, &mut packet)
                .expect(FITS);
        }
    }
    packet
}

/// Why encoding a CONNECT cannot fail: four strings of at most 64 KiB.
const FITS: &str = "a CONNECT is far smaller than the largest MQTT packet";

fn properties(config: &SourceConfig) -> v5::ConnectProperties {
    v5::ConnectProperties {
        session_expiry_interval: Some(expiry_s(config)),
        receive_maximum: Some(config.window.max(1)),
        // A broker discards silently what is above an announced maximum: announced only where the user set one.
        max_packet_size: Some(config.packet_bytes_max).filter(|_| packet_bytes_max(config) < PROTOCOL_BYTES_MAX),
        topic_alias_max: Some(Aliases::COUNT_MAX),
        request_response_info: None,
        request_problem_info: Some(1),
        user_properties: Vec::new(),
        authentication_method: None,
        authentication_data: None,
    }
}

/// Seconds for which the broker shall keep our session.
fn expiry_s(config: &SourceConfig) -> u32 {
    match config.session {
        Session::Persistent => u32::try_from(config.session_expiry.as_secs()).unwrap_or(u32::MAX),
        Session::Clean => 0,
    }
}

/// Settings that come as close to the protocol's own limit as a size can say mean that limit.
fn packet_bytes_max(config: &SourceConfig) -> usize {
    const HEADER_BYTES_MAX: usize = 5;
    let configured = usize::try_from(config.packet_bytes_max).unwrap_or(usize::MAX);
    if configured >= PROTOCOL_BYTES_MAX - HEADER_BYTES_MAX { PROTOCOL_BYTES_MAX } else { configured }
}
