//! A small MQTT codec of the harness, both ends, 3.1.1 and 5: the bridge is not judged by the library it stands on, and
//! a scripted broker must be able to say what no honest codec would.

mod decode;
mod encode;
mod stream;

pub use stream::PacketStream;

/// The version of MQTT that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

impl Version {
    /// The protocol level byte of CONNECT (MQTT 5, section 3.1.2.2).
    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

/// CONNECT, as far as tests look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    pub client_id: String,
    pub clean: bool,
    pub keep_alive_s: u16,
    pub username: Option<String>,
    pub password: Option<Vec<u8>>,
    /// MQTT 5 only.
    pub session_expiry_s: Option<u32>,
    /// MQTT 5 only.
    pub receive_maximum: Option<u16>,
    /// MQTT 5 only.
    pub topic_alias_maximum: Option<u16>,
    /// MQTT 5 only.
    pub packet_bytes_max: Option<u32>,
}

/// CONNACK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connack {
    pub session_present: bool,
    pub code: u8,
    /// MQTT 5 only.
    pub receive_maximum: Option<u16>,
    /// MQTT 5 only; absent means that they are available.
    pub subscription_ids_available: Option<bool>,
}

/// PUBLISH with the properties of MQTT 5 that the bridge carries on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// 0 on QoS 0.
    pub packet_id: u16,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
    pub user: Vec<(String, String)>,
    pub topic_alias: Option<u16>,
    pub subscription_ids: Vec<u32>,
}

/// SUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    pub packet_id: u16,
    /// Filter and requested QoS.
    pub filters: Vec<(String, u8)>,
    /// MQTT 5 only.
    pub subscription_id: Option<u32>,
}

/// One MQTT control packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Connect(Version, Connect),
    Connack(Connack),
    Publish(Publish),
    Puback { packet_id: u16, code: u8 },
    Pubrec { packet_id: u16, code: u8 },
    Pubrel { packet_id: u16, code: u8 },
    Pubcomp { packet_id: u16, code: u8 },
    Subscribe(Subscribe),
    Suback { packet_id: u16, codes: Vec<u8> },
    Unsubscribe { packet_id: u16, filters: Vec<String> },
    Unsuback { packet_id: u16, codes: Vec<u8> },
    Pingreq,
    Pingresp,
    Disconnect { code: u8 },
}

impl Packet {
    /// The bytes of this packet.
    #[must_use]
    pub fn encode(&self, version: Version) -> Vec<u8> {
        encode::packet(self, version)
    }

    /// Reads one packet from its first byte and what follows the remaining length.
    ///
    /// # Errors
    /// The bytes are no packet of this version; the text says which rule they break.
    pub fn decode(version: Version, first: u8, body: &[u8]) -> Result<Self, String> {
        decode::packet(version, first, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: &Packet) {
        for version in [Version::V311, Version::V5] {
            let bytes = packet.encode(version);
            let (first, body, used) = stream::split(&bytes).expect("whole").expect("one frame");
            assert_eq!(used, bytes.len());
            assert_eq!(&Packet::decode(version, first, body).expect("a packet"), packet);
        }
    }

    #[test]
    fn acknowledgements_survive_the_wire() {
        check(&Packet::Puback { packet_id: 7, code: 0 });
        check(&Packet::Pubrec { packet_id: 65_535, code: 0 });
        check(&Packet::Pubrel { packet_id: 1, code: 0 });
        check(&Packet::Pubcomp { packet_id: 2, code: 0 });
    }

    #[test]
    fn packets_without_a_body_survive_the_wire() {
        check(&Packet::Pingreq);
        check(&Packet::Pingresp);
        check(&Packet::Disconnect { code: 0 });
    }

    #[test]
    fn subscriptions_survive_the_wire() {
        let filters = vec![("a/+/c".to_owned(), 1), ("b/#".to_owned(), 2)];
        check(&Packet::Subscribe(Subscribe { packet_id: 9, filters, subscription_id: None }));
        check(&Packet::Suback { packet_id: 9, codes: vec![1, 0x80] });
        check(&Packet::Unsubscribe { packet_id: 3, filters: vec!["b/#".into()] });
    }

    #[test]
    fn a_long_publish_survives_the_wire() {
        let publish = Publish {
            topic: "a/b".into(),
            payload: vec![b'x'; 300_000],
            qos: 1,
            packet_id: 12,
            dup: true,
            ..Publish::default()
        };
        check(&Packet::Publish(publish));
    }

    #[test]
    fn properties_survive_mqtt_5() {
        let publish = Publish {
            topic: "a/b".into(),
            payload: b"1".to_vec(),
            qos: 2,
            packet_id: 12,
            content_type: Some("text/plain".into()),
            response_topic: Some("r".into()),
            correlation_data: Some(vec![0, 1]),
            user: vec![("k".into(), "v".into()), ("k".into(), "w".into())],
            topic_alias: Some(3),
            subscription_ids: vec![300],
            ..Publish::default()
        };
        let bytes = Packet::Publish(publish.clone()).encode(Version::V5);
        let (first, body, _) = stream::split(&bytes).expect("whole").expect("one frame");
        assert_eq!(Packet::decode(Version::V5, first, body), Ok(Packet::Publish(publish)));
    }

    #[test]
    fn connect_tells_its_version() {
        let connect = Connect {
            client_id: "c".into(),
            keep_alive_s: 5,
            username: Some("u".into()),
            password: Some(b"p".to_vec()),
            ..Connect::default()
        };
        for version in [Version::V311, Version::V5] {
            let bytes = Packet::Connect(version, connect.clone()).encode(version);
            let (first, body, _) = stream::split(&bytes).expect("whole").expect("one frame");
            // The version asked for does not matter: CONNECT says itself which it is.
            assert_eq!(Packet::decode(Version::V311, first, body), Ok(Packet::Connect(version, connect.clone())));
        }
    }
}
