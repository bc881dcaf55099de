//! Packets to bytes (MQTT 5, chapter 2 and 3; MQTT 3.1.1 where it differs).

use super::{Connack, Connect, Packet, Publish, Subscribe, Version};

pub(super) fn packet(packet: &Packet, version: Version) -> Vec<u8> {
    match packet {
        Packet::Connect(_, connect) => frame(0x10, &connect_body(connect, version)),
        Packet::Connack(connack) => frame(0x20, &connack_body(connack, version)),
        Packet::Publish(publish) => frame(publish_flags(publish), &publish_body(publish, version)),
        Packet::Puback { packet_id, code } => frame(0x40, &ack_body(*packet_id, *code, version)),
        Packet::Pubrec { packet_id, code } => frame(0x50, &ack_body(*packet_id, *code, version)),
        Packet::Pubrel { packet_id, code } => frame(0x62, &ack_body(*packet_id, *code, version)),
        Packet::Pubcomp { packet_id, code } => frame(0x70, &ack_body(*packet_id, *code, version)),
        Packet::Subscribe(subscribe) => frame(0x82, &subscribe_body(subscribe, version)),
        Packet::Suback { packet_id, codes } => frame(0x90, &codes_body(*packet_id, codes, version)),
        Packet::Unsubscribe { packet_id, filters } => frame(0xa2, &unsubscribe_body(*packet_id, filters, version)),
        Packet::Unsuback { packet_id, codes } => frame(0xb0, &unsuback_body(*packet_id, codes, version)),
        Packet::Pingreq => frame(0xc0, &[]),
        Packet::Pingresp => frame(0xd0, &[]),
        Packet::Disconnect { code } => frame(0xe0, &disconnect_body(*code, version)),
    }
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.push(first);
    put_length(&mut bytes, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// A variable byte integer (MQTT 5, section 1.5.5).
fn put_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length % 128).expect("below 128");
        length /= 128;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

fn put_binary(bytes: &mut Vec<u8>, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("the harness sends no field over 65,535 bytes");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value);
}

fn put_text(bytes: &mut Vec<u8>, value: &str) {
    put_binary(bytes, value.as_bytes());
}

/// Length and bytes of the property section; nothing at all on 3.1.1.
fn put_properties(bytes: &mut Vec<u8>, version: Version, properties: &[u8]) {
    if version == Version::V5 {
        put_length(bytes, properties.len());
        bytes.extend_from_slice(properties);
    }
}

fn connect_body(connect: &Connect, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_text(&mut bytes, "MQTT");
    bytes.push(version.level());
    let flag = |set: bool, bit: u8| u8::from(set) << bit;
    bytes.push(flag(connect.clean, 1) | flag(connect.password.is_some(), 6) | flag(connect.username.is_some(), 7));
    bytes.extend_from_slice(&connect.keep_alive_s.to_be_bytes());
    put_properties(&mut bytes, version, &connect_properties(connect));
    put_text(&mut bytes, &connect.client_id);
    if let Some(username) = &connect.username {
        put_text(&mut bytes, username);
    }
    if let Some(password) = &connect.password {
        put_binary(&mut bytes, password);
    }
    bytes
}

fn connect_properties(connect: &Connect) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(seconds) = connect.session_expiry_s {
        bytes.push(0x11);
        bytes.extend_from_slice(&seconds.to_be_bytes());
    }
    if let Some(window) = connect.receive_maximum {
        bytes.push(0x21);
        bytes.extend_from_slice(&window.to_be_bytes());
    }
    if let Some(aliases) = connect.topic_alias_maximum {
        bytes.push(0x22);
        bytes.extend_from_slice(&aliases.to_be_bytes());
    }
    if let Some(size) = connect.packet_bytes_max {
        bytes.push(0x27);
        bytes.extend_from_slice(&size.to_be_bytes());
    }
    bytes
}

fn connack_body(connack: &Connack, version: Version) -> Vec<u8> {
    let mut properties = Vec::new();
    if let Some(window) = connack.receive_maximum {
        properties.push(0x21);
        properties.extend_from_slice(&window.to_be_bytes());
    }
    if let Some(available) = connack.subscription_ids_available {
        properties.extend_from_slice(&[0x29, u8::from(available)]);
    }
    let mut bytes = vec![u8::from(connack.session_present), connack.code];
    put_properties(&mut bytes, version, &properties);
    bytes
}

fn publish_flags(publish: &Publish) -> u8 {
    0x30 | u8::from(publish.dup) << 3 | publish.qos << 1 | u8::from(publish.retain)
}

fn publish_body(publish: &Publish, version: Version) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(publish.topic.len() + publish.payload.len() + 16);
    put_text(&mut bytes, &publish.topic);
    if publish.qos > 0 {
        bytes.extend_from_slice(&publish.packet_id.to_be_bytes());
    }
    put_properties(&mut bytes, version, &publish_properties(publish));
    bytes.extend_from_slice(&publish.payload);
    bytes
}

fn publish_properties(publish: &Publish) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(content_type) = &publish.content_type {
        bytes.push(0x03);
        put_text(&mut bytes, content_type);
    }
    if let Some(response_topic) = &publish.response_topic {
        bytes.push(0x08);
        put_text(&mut bytes, response_topic);
    }
    if let Some(correlation_data) = &publish.correlation_data {
        bytes.push(0x09);
        put_binary(&mut bytes, correlation_data);
    }
    for id in &publish.subscription_ids {
        bytes.push(0x0b);
        put_length(&mut bytes, usize::try_from(*id).expect("32 bits fit"));
    }
    if let Some(alias) = publish.topic_alias {
        bytes.push(0x23);
        bytes.extend_from_slice(&alias.to_be_bytes());
    }
    for (name, value) in &publish.user {
        bytes.push(0x26);
        put_text(&mut bytes, name);
        put_text(&mut bytes, value);
    }
    bytes
}

/// A code of 0 is left out, as both versions allow.
fn ack_body(packet_id: u16, code: u8, version: Version) -> Vec<u8> {
    let mut bytes = packet_id.to_be_bytes().to_vec();
    if version == Version::V5 && code != 0 {
        bytes.push(code);
    }
    bytes
}

fn subscribe_body(subscribe: &Subscribe, version: Version) -> Vec<u8> {
    let mut properties = Vec::new();
    if let Some(id) = subscribe.subscription_id {
        properties.push(0x0b);
        put_length(&mut properties, usize::try_from(id).expect("32 bits fit"));
    }
    let mut bytes = subscribe.packet_id.to_be_bytes().to_vec();
    put_properties(&mut bytes, version, &properties);
    for (filter, qos) in &subscribe.filters {
        put_text(&mut bytes, filter);
        bytes.push(*qos);
    }
    bytes
}

fn codes_body(packet_id: u16, codes: &[u8], version: Version) -> Vec<u8> {
    let mut bytes = packet_id.to_be_bytes().to_vec();
    put_properties(&mut bytes, version, &[]);
    bytes.extend_from_slice(codes);
    bytes
}

fn unsubscribe_body(packet_id: u16, filters: &[String], version: Version) -> Vec<u8> {
    let mut bytes = packet_id.to_be_bytes().to_vec();
    put_properties(&mut bytes, version, &[]);
    for filter in filters {
        put_text(&mut bytes, filter);
    }
    bytes
}

/// 3.1.1 knows no codes here.
fn unsuback_body(packet_id: u16, codes: &[u8], version: Version) -> Vec<u8> {
    match version {
        Version::V311 => packet_id.to_be_bytes().to_vec(),
        Version::V5 => codes_body(packet_id, codes, version),
    }
}

fn disconnect_body(code: u8, version: Version) -> Vec<u8> {
    match (version, code) {
        (Version::V311, _) | (Version::V5, 0) => Vec::new(),
        (Version::V5, code) => vec![code],
    }
}
