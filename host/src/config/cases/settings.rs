//! The keys of a cases file.

use crate::config::settings::{Kind, Setting};

/// 9999-12-31, the latest time that clocks show.
const MILLISECONDS_MAX: i64 = 253_402_300_799_999;

/// The root of the file.
pub(super) static CASES: [Setting; 2] = [
    Setting::new("config", Kind::Anything, "Given to init: JSON as a text, or a table."),
    Setting::new("case", Kind::List(&Kind::Table(&CASE)), "One message and what is to come of it."),
];

/// `[[case]]`.
static CASE: [Setting; 18] = [
    Setting::new("name", Kind::Text, "What the case shows; unique.").required(),
    Setting::new("config", Kind::Anything, "In place of the config of all cases."),
    Setting::new("topic", Kind::Text, "MQTT topic of the message.").default("test"),
    Setting::new("payload", Kind::Text, "Its payload."),
    Setting::new("payload_base64", Kind::Text, "Its payload, where it is no text."),
    Setting::new("payload_file", Kind::Path, "A file that holds its payload."),
    Setting::new("qos", Kind::Whole(0, 2), "Its delivery level.").default("1"),
    Setting::new("retain", Kind::Boolean, "Whether the broker had kept it.").default("false"),
    Setting::new("received_ms", Kind::Whole(0, MILLISECONDS_MAX), "When it arrived, milliseconds since 1970.")
        .default("0"),
    Setting::new("properties", Kind::Table(&PROPERTIES), "Its MQTT 5 properties."),
    Setting::new("before", Kind::List(&Kind::Text), "Payloads that the same instance gets before."),
    Setting::new("expect", Kind::Choice(&super::expect::KINDS), "pass, drop, replace, emit or fail."),
    Setting::new("expect_json", Kind::Text, "For replace: the payload, compared as JSON."),
    Setting::new("expect_payload", Kind::Text, "For replace: the payload, byte by byte."),
    Setting::new("expect_payload_base64", Kind::Text, "For replace: the payload, where it is no text."),
    Setting::new("expect_error", Kind::Text, "For fail: a text that the reason contains."),
    Setting::new("records", Kind::List(&Kind::Table(&RECORD)), "For emit: the records, in order."),
    Setting::new("about", Kind::Text, "For the reader; without effect."),
];

/// `properties` of a case.
pub(super) static PROPERTIES: [Setting; 5] = [
    Setting::new("content-type", Kind::Text, "MQTT 5 content type."),
    Setting::new("response-topic", Kind::Text, "MQTT 5 response topic."),
    Setting::new("correlation-data", Kind::Text, "MQTT 5 correlation data."),
    Setting::new("message-expiry", Kind::Whole(0, 4_294_967_295), "Seconds until the message is stale."),
    Setting::new("user", Kind::Texts, "User properties."),
];

/// An entry of `records`.
pub(super) static RECORD: [Setting; 8] = [
    Setting::new("topic", Kind::Text, "Kafka topic."),
    Setting::new("key", Kind::Text, "Record key."),
    Setting::new("json", Kind::Text, "The payload, compared as JSON."),
    Setting::new("payload", Kind::Text, "The payload, byte by byte."),
    Setting::new("payload_base64", Kind::Text, "The payload, where it is no text."),
    Setting::new("tombstone", Kind::Boolean, "true: no payload at all.").default("false"),
    Setting::new("headers", Kind::Texts, "Headers that the record has."),
    Setting::new("timestamp_ms", Kind::Whole(0, MILLISECONDS_MAX), "Its time, milliseconds since 1970."),
];
