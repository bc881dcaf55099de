//! What MQTT's reason codes mean, for people and for what we do next.
//!
//! Invariant: tables only. Nothing here waits, logs or knows a packet.

use std::fmt;

/// A reason code of MQTT 5 (section 2.4). The return codes of 3.1.1 are brought into this form by `from_v311`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(pub u8);

impl ReasonCode {
    pub const NORMAL: Self = Self(0x00);
    pub const MALFORMED_PACKET: Self = Self(0x81);
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    pub const PACKET_ID_NOT_FOUND: Self = Self(0x92);
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    pub const PACKET_TOO_LARGE: Self = Self(0x95);

    /// The code of MQTT 5 that says what `code` says in a CONNACK or SUBACK of MQTT 3.1.1 (sections 3.2.2.3, 3.9.3).
    #[must_use]
    pub fn from_v311(code: u8) -> Self {
        match code {
            1 => Self::UNSUPPORTED_PROTOCOL_VERSION,
            2 => Self(0x85),
            3 => Self(0x88),
            4 => Self(0x86),
            5 => Self(0x87),
            other => Self(other),
        }
    }

    /// Codes below 0x80 tell of success.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self.0 >= 0x80
    }

    /// The code's name in lower case, as MQTT 5 gives it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self.0 {
            0x00 => "success",
            0x01 => "granted QoS 1",
            0x02 => "granted QoS 2",
            0x04 => "disconnect with will message",
            0x11 => "no subscription existed",
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8A => "banned",
            0x8B => "server shutting down",
            0x8C => "bad authentication method",
            0x8D => "keep alive timeout",
            0x8E => "session taken over",
            0x8F => "topic filter invalid",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x92 => "packet identifier not found",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9A => "retain not supported",
            0x9B => "QoS not supported",
            0x9C => "use another server",
            0x9D => "server moved",
            0x9E => "shared subscriptions not supported",
            0x9F => "connection rate exceeded",
            0xA0 => "maximum connect time",
            0xA1 => "subscription identifiers not supported",
            0xA2 => "wildcard subscriptions not supported",
            _ => "a code that MQTT does not define",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.text(), self.0)
    }
}

/// What to do after a connection could not be made or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Connect again at once the first time, then with back-off.
    Again,
    /// Connect again, but never at once: the broker did this on purpose.
    Later,
    /// The next broker of the list; with one broker, back-off.
    Elsewhere,
    /// Nothing will change by itself: try rarely and call for a person.
    Rarely,
    /// Another client uses our client id: stay away long enough not to fight over it, and call for a person.
    Yield,
}

/// After a CONNACK that refuses (MQTT 5, table 3-1).
#[must_use]
pub fn after_connack(code: ReasonCode) -> Handling {
    match code.0 {
        0x88 | 0x89 | 0x97 | 0x9C | 0x9D | 0x9F => Handling::Elsewhere,
        0x81 | 0x82 | 0x84..=0x87 | 0x8A | 0x8C | 0x90 | 0x95 | 0x99..=0x9B => Handling::Rarely,
        _ => Handling::Later,
    }
}

/// After a DISCONNECT from the broker (MQTT 5, table 3-13).
#[must_use]
pub fn after_disconnect(code: ReasonCode) -> Handling {
    match code.0 {
        0x8D => Handling::Again,
        0x89 | 0x8B | 0x97 | 0x9C | 0x9D | 0x9F => Handling::Elsewhere,
        0x87 | 0x8F | 0x9E | 0xA1 | 0xA2 => Handling::Rarely,
        0x8E => Handling::Yield,
        _ => Handling::Later,
    }
}

/// A packet of the broker that breaks the protocol. The connection cannot go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker sent {what}: {code}")]
pub struct Violation {
    /// What our DISCONNECT says.
    pub code: ReasonCode,
    pub what: &'static str,
}

impl Violation {
    #[must_use]
    pub fn malformed(what: &'static str) -> Self {
        Self { code: ReasonCode::MALFORMED_PACKET, what }
    }

    #[must_use]
    pub fn protocol(what: &'static str) -> Self {
        Self { code: ReasonCode::PROTOCOL_ERROR, what }
    }

    #[must_use]
    pub fn topic_alias(what: &'static str) -> Self {
        Self { code: ReasonCode::TOPIC_ALIAS_INVALID, what }
    }

    #[must_use]
    pub fn too_large() -> Self {
        Self { code: ReasonCode::PACKET_TOO_LARGE, what: "a packet above packet_bytes_max" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: fn(ReasonCode) -> Handling, codes: &[u8], expected: Handling) {
        for code in codes {
            assert_eq!(table(ReasonCode(*code)), expected, "0x{code:02X}");
        }
    }

    #[test]
    fn refusals_that_only_a_person_can_lift_are_tried_rarely() {
        check(after_connack, &[0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C], Handling::Rarely);
        check(after_disconnect, &[0x87, 0x8F, 0x9E, 0xA1, 0xA2], Handling::Rarely);
    }

    #[test]
    fn a_broker_that_has_no_room_sends_us_elsewhere() {
        check(after_connack, &[0x88, 0x89, 0x97, 0x9C, 0x9D, 0x9F], Handling::Elsewhere);
        check(after_disconnect, &[0x89, 0x8B, 0x97, 0x9C, 0x9D, 0x9F], Handling::Elsewhere);
    }

    #[test]
    fn a_taken_over_session_is_yielded() {
        check(after_disconnect, &[0x8E], Handling::Yield);
    }

    #[test]
    fn what_the_broker_does_on_purpose_is_not_answered_at_once() {
        check(after_connack, &[0x80, 0x83, 0xFF], Handling::Later);
        check(after_disconnect, &[0x00, 0x80, 0x93, 0x96, 0x98, 0xFF], Handling::Later);
    }

    #[test]
    fn return_codes_of_3_1_1_mean_what_their_counterparts_of_5_mean() {
        let brought = |code| after_connack(ReasonCode::from_v311(code));
        assert_eq!([1, 2, 4, 5].map(brought), [Handling::Rarely; 4]);
        assert_eq!(brought(3), Handling::Elsewhere);
        assert_eq!(ReasonCode::from_v311(5).to_string(), "not authorized (0x87)");
    }
}
