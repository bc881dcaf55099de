//! Bytes to packets. Strict where the bridge could go wrong: flags, lengths, left-over bytes.

use super::{Connack, Connect, Packet, Publish, Subscribe, Version};

pub(super) fn packet(version: Version, first: u8, body: &[u8]) -> Result<Packet, String> {
    let mut rest = Rest(body);
    let packet = match first {
        0x10 => connect(&mut rest)?,
        0x20 => connack(version, &mut rest)?,
        0x30..=0x3f => Packet::Publish(publish(version, first & 0x0f, &mut rest)?),
        0x40 => acknowledgement(version, &mut rest, |packet_id, code| Packet::Puback { packet_id, code })?,
        0x50 => acknowledgement(version, &mut rest, |packet_id, code| Packet::Pubrec { packet_id, code })?,
        0x62 => acknowledgement(version, &mut rest, |packet_id, code| Packet::Pubrel { packet_id, code })?,
        0x70 => acknowledgement(version, &mut rest, |packet_id, code| Packet::Pubcomp { packet_id, code })?,
        0x82 => subscribe(version, &mut rest)?,
        0x90 => codes(version, &mut rest, |packet_id, codes| Packet::Suback { packet_id, codes })?,
        0xa2 => unsubscribe(version, &mut rest)?,
        0xb0 => codes(version, &mut rest, |packet_id, codes| Packet::Unsuback { packet_id, codes })?,
        0xc0 => Packet::Pingreq,
        0xd0 => Packet::Pingresp,
        0xe0 => Packet::Disconnect { code: disconnect_code(&mut rest)? },
        other => return Err(format!("no packet starts with {other:#04x}")),
    };
    match rest.0.len() {
        0 => Ok(packet),
        left => Err(format!("{left} bytes are left over after {packet:?}")),
    }
}

/// What is still to be read of a packet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("the packet ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, String> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into().expect("two bytes")))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().expect("four bytes")))
    }

    fn variable(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a length has more than four bytes".into())
    }

    fn binary(&mut self) -> Result<&'a [u8], String> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Result<String, String> {
        String::from_utf8(self.binary()?.to_vec()).map_err(|error| format!("text is not UTF-8: {error}"))
    }

    /// The property section, to be read on its own; empty on 3.1.1 and where the packet has ended.
    fn properties(&mut self, version: Version) -> Result<Rest<'a>, String> {
        if version == Version::V311 || self.0.is_empty() {
            return Ok(Rest(&[]));
        }
        let length = usize::try_from(self.variable()?).expect("32 bits fit");
        Ok(Rest(self.take(length)?))
    }
}

/// Every property of MQTT 5 by the shape of its value (section 2.2.2.2), so that unknown ones can be stepped over.
enum Property {
    Byte(u8, u8),
    Two(u8, u16),
    Four(u8, u32),
    Variable(u8, u32),
    Text(u8, String),
    Binary(u8, Vec<u8>),
    Pair(String, String),
}

fn property(rest: &mut Rest<'_>) -> Result<Property, String> {
    let id = rest.byte()?;
    Ok(match id {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => Property::Byte(id, rest.byte()?),
        0x13 | 0x21 | 0x22 | 0x23 => Property::Two(id, rest.u16()?),
        0x02 | 0x11 | 0x18 | 0x27 => Property::Four(id, rest.u32()?),
        0x0b => Property::Variable(id, rest.variable()?),
        0x03 | 0x08 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f => Property::Text(id, rest.text()?),
        0x09 | 0x16 => Property::Binary(id, rest.binary()?.to_vec()),
        0x26 => Property::Pair(rest.text()?, rest.text()?),
        other => return Err(format!("no property has the number {other:#04x}")),
    })
}

fn connect(rest: &mut Rest<'_>) -> Result<Packet, String> {
    if rest.text()? != "MQTT" {
        return Err("the protocol is not called MQTT".into());
    }
    let version = match rest.byte()? {
        4 => Version::V311,
        5 => Version::V5,
        other => return Err(format!("protocol level {other}")),
    };
    let flags = rest.byte()?;
    let mut connect = Connect { clean: flags & 0x02 != 0, keep_alive_s: rest.u16()?, ..Connect::default() };
    connect_properties(&mut rest.properties(version)?, &mut connect)?;
    connect.client_id = rest.text()?;
    connect.username = if flags & 0x80 != 0 { Some(rest.text()?) } else { None };
    connect.password = if flags & 0x40 != 0 { Some(rest.binary()?.to_vec()) } else { None };
    Ok(Packet::Connect(version, connect))
}

fn connect_properties(rest: &mut Rest<'_>, connect: &mut Connect) -> Result<(), String> {
    while !rest.0.is_empty() {
        match property(rest)? {
            Property::Four(0x11, seconds) => connect.session_expiry_s = Some(seconds),
            Property::Two(0x21, window) => connect.receive_maximum = Some(window),
            Property::Two(0x22, aliases) => connect.topic_alias_maximum = Some(aliases),
            Property::Four(0x27, size) => connect.packet_bytes_max = Some(size),
            _ => {}
        }
    }
    Ok(())
}

fn connack(version: Version, rest: &mut Rest<'_>) -> Result<Packet, String> {
    let mut connack = Connack { session_present: rest.byte()? & 1 != 0, code: rest.byte()?, ..Connack::default() };
    let mut properties = rest.properties(version)?;
    while !properties.0.is_empty() {
        match property(&mut properties)? {
            Property::Two(0x21, window) => connack.receive_maximum = Some(window),
            Property::Byte(0x29, available) => connack.subscription_ids_available = Some(available != 0),
            _ => {}
        }
    }
    Ok(Packet::Connack(connack))
}

fn publish(version: Version, flags: u8, rest: &mut Rest<'_>) -> Result<Publish, String> {
    let mut publish = Publish {
        dup: flags & 8 != 0,
        qos: flags >> 1 & 3,
        retain: flags & 1 != 0,
        topic: rest.text()?,
        ..Publish::default()
    };
    if publish.qos > 0 {
        publish.packet_id = rest.u16()?;
    }
    publish_properties(&mut rest.properties(version)?, &mut publish)?;
    publish.payload = rest.take(rest.0.len())?.to_vec();
    Ok(publish)
}

fn publish_properties(rest: &mut Rest<'_>, publish: &mut Publish) -> Result<(), String> {
    while !rest.0.is_empty() {
        match property(rest)? {
            Property::Text(0x03, content_type) => publish.content_type = Some(content_type),
            Property::Text(0x08, response_topic) => publish.response_topic = Some(response_topic),
            Property::Binary(0x09, data) => publish.correlation_data = Some(data),
            Property::Variable(0x0b, id) => publish.subscription_ids.push(id),
            Property::Two(0x23, alias) => publish.topic_alias = Some(alias),
            Property::Pair(name, value) => publish.user.push((name, value)),
            _ => {}
        }
    }
    Ok(())
}

fn acknowledgement(version: Version, rest: &mut Rest<'_>, make: impl Fn(u16, u8) -> Packet) -> Result<Packet, String> {
    let packet_id = rest.u16()?;
    if version == Version::V311 || rest.0.is_empty() {
        return Ok(make(packet_id, 0));
    }
    let code = rest.byte()?;
    rest.properties(version)?;
    Ok(make(packet_id, code))
}

fn subscribe(version: Version, rest: &mut Rest<'_>) -> Result<Packet, String> {
    let mut subscribe = Subscribe { packet_id: rest.u16()?, ..Subscribe::default() };
    let mut properties = rest.properties(version)?;
    while !properties.0.is_empty() {
        if let Property::Variable(0x0b, id) = property(&mut properties)? {
            subscribe.subscription_id = Some(id);
        }
    }
    while !rest.0.is_empty() {
        subscribe.filters.push((rest.text()?, rest.byte()? & 3));
    }
    match subscribe.filters.is_empty() {
        true => Err("SUBSCRIBE without a filter".into()),
        false => Ok(Packet::Subscribe(subscribe)),
    }
}

fn unsubscribe(version: Version, rest: &mut Rest<'_>) -> Result<Packet, String> {
    let packet_id = rest.u16()?;
    rest.properties(version)?;
    let mut filters = Vec::new();
    while !rest.0.is_empty() {
        filters.push(rest.text()?);
    }
    Ok(Packet::Unsubscribe { packet_id, filters })
}

fn codes(version: Version, rest: &mut Rest<'_>, make: impl Fn(u16, Vec<u8>) -> Packet) -> Result<Packet, String> {
    let packet_id = rest.u16()?;
    rest.properties(version)?;
    Ok(make(packet_id, rest.take(rest.0.len())?.to_vec()))
}

fn disconnect_code(rest: &mut Rest<'_>) -> Result<u8, String> {
    if rest.0.is_empty() {
        return Ok(0);
    }
    let code = rest.byte()?;
    rest.properties(Version::V5)?;
    Ok(code)
}
