//! Addresses as users write them: MQTT URLs and Kafka's `HOST:PORT`.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config::BrokerUrl;

const MQTT_PORT: u16 = 1_883;
const MQTTS_PORT: u16 = 8_883;

/// Why a text is no address. Never shows the text: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    #[error("a URL begins with `mqtt://` or `mqtts://`")]
    NoScheme,
    #[error("this scheme is not known; only `mqtt://` and `mqtts://` are")]
    UnknownScheme { instead: Option<&'static str> },
    #[error("a user or password may not stand in the URL")]
    UserInfo,
    #[error("there is nothing to say behind the port: no path, query or fragment")]
    Path,
    #[error("the host is missing")]
    NoHost,
    #[error("this is no host: a name, an IPv4 address or an IPv6 address in brackets")]
    BadHost,
    #[error("the port must be a number from 1 to 65535")]
    BadPort,
    #[error("the port is missing")]
    NoPort,
    #[error("a Kafka broker has no scheme: `HOST:PORT`")]
    BrokerScheme,
    #[error("one text names one address")]
    Several,
}

impl AddressError {
    pub(super) fn help(self) -> Option<String> {
        match self {
            Self::NoScheme => Some("write `mqtt://HOST:1883`, or `mqtts://HOST:8883` for TLS".into()),
            Self::UnknownScheme { instead } => instead.map(|scheme| format!("write `{scheme}HOST:PORT`")),
            Self::UserInfo => Some("set `username` and `password` instead; secrets can come from files".into()),
            Self::BadHost => Some("an IPv6 address is written `[::1]:PORT`".into()),
            Self::NoPort => Some("add it: `HOST:9092`".into()),
            Self::BrokerScheme => Some("write `HOST:9092`; TLS is asked for with `tls = true`".into()),
            Self::Several => Some("write a list with one text each".into()),
            Self::Path | Self::NoHost | Self::BadPort => None,
        }
    }
}

/// `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`.
pub(super) fn parse_url(text: &str) -> Result<BrokerUrl, AddressError> {
    let (scheme, authority) = text.split_once("://").ok_or(AddressError::NoScheme)?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" => false,
        "mqtts" => true,
        "tcp" => return Err(AddressError::UnknownScheme { instead: Some("mqtt://") }),
        "ssl" | "tls" | "tcps" => return Err(AddressError::UnknownScheme { instead: Some("mqtts://") }),
        _ => return Err(AddressError::UnknownScheme { instead: None }),
    };
    if authority.contains('@') {
        return Err(AddressError::UserInfo);
    }
    if authority.contains(',') {
        return Err(AddressError::Several);
    }
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if authority.contains(['/', '?', '#']) {
        return Err(AddressError::Path);
    }
    let (host, port) = host_and_port(authority)?;
    let port = port.unwrap_or(if tls { MQTTS_PORT } else { MQTT_PORT });
    Ok(BrokerUrl { tls, host: host.into(), port })
}

/// `HOST:PORT` of a Kafka broker.
pub(super) fn check_broker(text: &str) -> Result<(), AddressError> {
    if text.contains("://") {
        return Err(AddressError::BrokerScheme);
    }
    if text.contains(',') {
        return Err(AddressError::Several);
    }
    match host_and_port(text)? {
        (_, Some(_)) => Ok(()),
        (_, None) => Err(AddressError::NoPort),
    }
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']').ok_or(AddressError::BadHost)?;
        host.parse::<Ipv6Addr>().map_err(|_| AddressError::BadHost)?;
        return match behind.strip_prefix(':') {
            Some(port) => Ok((host, Some(parse_port(port)?))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err(AddressError::BadHost),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err(AddressError::BadHost),
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (text, None),
    };
    check_host(host)?;
    Ok((host, port))
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or(AddressError::BadPort)
}

/// A name of DNS, with the underscores that container networks use, or an IPv4 address.
fn check_host(host: &str) -> Result<(), AddressError> {
    const HOST_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label_fits = |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(allowed);
    let labels = host.strip_suffix('.').unwrap_or(host);
    let numbers_only = labels.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let fits = host.len() <= HOST_BYTES_MAX && labels.split('.').all(label_fits);
    match fits && (!numbers_only || host.parse::<Ipv4Addr>().is_ok()) {
        true => Ok(()),
        false => Err(AddressError::BadHost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_default_ports() {
        let check = |text: &str, shown: &str| assert_eq!(parse_url(text).unwrap().to_string(), shown, "{text}");
        check("mqtt://h", "mqtt://h:1883");
        check("mqtts://h", "mqtts://h:8883");
        check("MQTT://broker.example:1/", "mqtt://broker.example:1");
        check("mqtt://[::1]:5", "mqtt://[::1]:5");
        check("mqtt://[fe80::1]", "mqtt://[fe80::1]:1883");
        check("mqtt://my_broker", "mqtt://my_broker:1883");
    }

    #[test]
    fn broken_urls_say_why() {
        let check = |text: &str, why| assert_eq!(parse_url(text), Err(why), "{text}");
        check("localhost:1883", AddressError::NoScheme);
        check("", AddressError::NoScheme);
        check("tcp://h", AddressError::UnknownScheme { instead: Some("mqtt://") });
        check("ws://h", AddressError::UnknownScheme { instead: None });
        check("mqtt://u:p@h", AddressError::UserInfo);
        check("mqtt://h/x", AddressError::Path);
        check("mqtt://", AddressError::NoHost);
        check("mqtt://:1883", AddressError::NoHost);
        check("mqtt://h:", AddressError::BadPort);
        check("mqtt://h:0", AddressError::BadPort);
        check("mqtt://h:65536", AddressError::BadPort);
        check("mqtt://h:+5", AddressError::BadPort);
        check("mqtt://::1", AddressError::BadHost);
        check("mqtt://[::1", AddressError::BadHost);
        check("mqtt://300.1.1.1", AddressError::BadHost);
        check("mqtt://a b", AddressError::BadHost);
        check("mqtt://a..b", AddressError::BadHost);
    }

    #[test]
    fn kafka_brokers_are_host_and_port() {
        for text in ["h:9092", "127.0.0.1:1", "[::1]:9092"] {
            assert_eq!(check_broker(text), Ok(()), "{text}");
        }
        let check = |text: &str, why| assert_eq!(check_broker(text), Err(why), "{text}");
        check("h", AddressError::NoPort);
        check("PLAINTEXT://h:9092", AddressError::BrokerScheme);
        check("a:1,b:2", AddressError::Several);
        check(":9092", AddressError::NoHost);
        check("h:x", AddressError::BadPort);
    }
}
