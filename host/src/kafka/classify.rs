//! What a refusal by Kafka or librdkafka means for the record: code to `KafkaFault` to `Handling`, one table each.
//!
//! Invariant: a code that nobody foresaw is retried. Waiting can be seen and mended; a record given up cannot.

use std::ffi::CStr;

use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use crate::ack::FailureKind;

/// What went wrong with a record, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaFault {
    /// The record, or the batch it travelled in, is larger than client, broker or topic allows.
    TooLarge,
    /// The broker will never take a record with this content or timestamp.
    Refused,
    /// The topic's name is not one that Kafka allows.
    TopicInvalid,
    /// The topic or its partition does not exist.
    TopicMissing,
    /// Our user may not write to the topic.
    TopicForbidden,
    /// Another record of the same batch was refused.
    Neighbour,
    /// librdkafka's queue has no room.
    QueueFull,
    /// The producer as a whole is of no use any more, or gave the record back because of that.
    ProducerLost,
    /// Anything else: the record may well succeed later.
    Unknown,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Tried again by itself, with back-off, for as long as it takes; later records of its topic wait behind it.
    Retry,
    /// A lasting refusal of this record, once it holds for the record alone: settled as failed.
    Reject,
    /// The topic is at fault: all its records wait for it, or are set aside where the cluster's setting says so.
    HoldTopic,
    /// The producer is made anew and everything unsettled is sent again, in order.
    Fatal,
}

impl KafkaFault {
    /// The fault behind a code of `rd_kafka_resp_err_t`; `None` on success.
    #[must_use]
    pub fn of(code: i32) -> Option<Self> {
        let Ok(known) = Code::try_from(code) else { return Some(Self::Unknown) };
        Some(match known {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => return None,
            Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
            | Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
            | Code::RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE => Self::TooLarge,
            Code::RD_KAFKA_RESP_ERR_INVALID_RECORD
            | Code::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
            | Code::RD_KAFKA_RESP_ERR_INVALID_MSG
            | Code::RD_KAFKA_RESP_ERR_POLICY_VIOLATION
            | Code::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT
            | Code::RD_KAFKA_RESP_ERR__BAD_MSG
            | Code::RD_KAFKA_RESP_ERR__INVALID_ARG => Self::Refused,
            Code::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION => Self::TopicInvalid,
            Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID
            | Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
            | Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION => Self::TopicMissing,
            Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => Self::TopicForbidden,
            Code::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD => Self::Neighbour,
            Code::RD_KAFKA_RESP_ERR__QUEUE_FULL => Self::QueueFull,
            Code::RD_KAFKA_RESP_ERR__FATAL
            | Code::RD_KAFKA_RESP_ERR__FENCED
            | Code::RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE
            | Code::RD_KAFKA_RESP_ERR__INCONSISTENT
            | Code::RD_KAFKA_RESP_ERR__STATE
            | Code::RD_KAFKA_RESP_ERR__DESTROY
            | Code::RD_KAFKA_RESP_ERR__PURGE_QUEUE
            | Code::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT
            | Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER
            | Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
            | Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING
            | Code::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID
            | Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED
            | Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED => Self::ProducerLost,
            _ => Self::Unknown,
        })
    }

    #[must_use]
    pub fn handling(self) -> Handling {
        match self {
            Self::TooLarge | Self::Refused | Self::TopicInvalid => Handling::Reject,
            Self::TopicMissing | Self::TopicForbidden => Handling::HoldTopic,
            Self::Neighbour | Self::QueueFull | Self::Unknown => Handling::Retry,
            Self::ProducerLost => Handling::Fatal,
        }
    }

    /// The reason a dead letter carries where the record is given up.
    #[must_use]
    pub fn failure_kind(self) -> FailureKind {
        match self {
            Self::TooLarge => FailureKind::TooLarge,
            Self::TopicInvalid => FailureKind::BadTopic,
            Self::TopicMissing | Self::TopicForbidden => FailureKind::TopicRefused,
            Self::Refused | Self::Neighbour | Self::QueueFull | Self::ProducerLost | Self::Unknown => {
                FailureKind::KafkaRejected
            }
        }
    }
}

/// Kafka's own words for a code, with its name: `Broker: Message size too large (MSG_SIZE_TOO_LARGE)`.
#[expect(unsafe_code, reason = "docs/decisions/0004: librdkafka by FFI, in kafka/ only")]
pub(super) fn describe(code: i32) -> String {
    let Ok(known) = Code::try_from(code) else { return format!("error code {code}") };
    // SAFETY: both return static NUL-terminated strings for every value of the enum.
    let (text, name) = unsafe {
        (
            CStr::from_ptr(rdkafka::bindings::rd_kafka_err2str(known)),
            CStr::from_ptr(rdkafka::bindings::rd_kafka_err2name(known)),
        )
    };
    format!("{} ({})", text.to_string_lossy(), name.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: Code, handling: Option<Handling>) {
        assert_eq!(KafkaFault::of(code as i32).map(KafkaFault::handling), handling, "{code:?}");
    }

    #[test]
    fn success_is_no_fault() {
        check(Code::RD_KAFKA_RESP_ERR_NO_ERROR, None);
    }

    #[test]
    fn a_record_that_kafka_will_never_take_is_rejected() {
        for code in [
            Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            Code::RD_KAFKA_RESP_ERR_INVALID_RECORD,
            Code::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
            Code::RD_KAFKA_RESP_ERR_INVALID_MSG,
            Code::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            Code::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
            Code::RD_KAFKA_RESP_ERR__BAD_MSG,
        ] {
            check(code, Some(Handling::Reject));
        }
    }

    #[test]
    fn a_topic_at_fault_holds_its_records() {
        check(Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Some(Handling::HoldTopic));
        check(Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Some(Handling::HoldTopic));
        check(Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Some(Handling::HoldTopic));
        check(Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Some(Handling::HoldTopic));
    }

    #[test]
    fn a_lost_producer_is_fatal() {
        check(Code::RD_KAFKA_RESP_ERR__FATAL, Some(Handling::Fatal));
        check(Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, Some(Handling::Fatal));
        check(Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Some(Handling::Fatal));
        check(Code::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, Some(Handling::Fatal));
        check(Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Some(Handling::Fatal));
    }

    #[test]
    fn what_nobody_foresaw_is_retried() {
        check(Code::RD_KAFKA_RESP_ERR_UNKNOWN, Some(Handling::Retry));
        check(Code::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, Some(Handling::Retry));
        check(Code::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD, Some(Handling::Retry));
        assert_eq!(KafkaFault::of(31_000).map(KafkaFault::handling), Some(Handling::Retry));
    }

    #[test]
    fn a_text_names_the_code() {
        assert!(describe(Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE as i32).contains("MSG_SIZE_TOO_LARGE"));
        assert_eq!(describe(31_000), "error code 31000");
    }
}
