//! `Letter`: a record that came back or was never taken, in our own hands until its verdict.

use bytes::Bytes;

use super::event::Report;
use super::headers::HeaderList;
use super::native::{Piece, TopicHandle};
use super::outstanding::Debt;
use crate::message::{Headers, Record};
use crate::topic::KafkaTopic;

/// One record with its debt and its place in the order.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) debt: Debt,
    pub(super) topic: KafkaTopic,
    key: Option<Bytes>,
    payload: Option<Bytes>,
    /// Name and value; a value may be absent.
    headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Letter {
    /// What librdkafka gave back.
    pub(super) fn returned(report: &Report<'_>, debt: Debt, topic: KafkaTopic) -> Self {
        let mut headers = Vec::new();
        report.each_header(|name, value| {
            headers.push((Bytes::copy_from_slice(name), value.map(Bytes::copy_from_slice)));
        });
        let key = report.key().map(Bytes::copy_from_slice);
        let payload = report.payload().map(Bytes::copy_from_slice);
        Self { debt, topic, key, payload, headers }
    }

    /// What was not handed over.
    pub(super) fn fresh(record: Record, debt: Debt) -> Self {
        let mut headers = Vec::new();
        record.headers.each(|name, value| {
            headers.push((Bytes::copy_from_slice(name.as_bytes()), Some(Bytes::copy_from_slice(value))));
        });
        // A copy, since `record`'s parts may pin a whole read buffer for as long as the letter waits.
        let key = record.key.map(|key| Bytes::copy_from_slice(&key));
        let payload = record.payload.map(|payload| Bytes::copy_from_slice(&payload));
        Self { debt, topic: record.topic, key, payload, headers }
    }

    /// # Errors
    /// librdkafka's code; the letter was not taken.
    pub(super) fn produce(&self, topic: &TopicHandle, ticket: usize) -> Result<(), i32> {
        let mut headers = HeaderList::new();
        for (name, value) in &self.headers {
            headers.add(name, value.as_deref());
        }
        let timestamp_ms = self.debt.timestamp_ms;
        topic.produce(
            Piece { key: self.key.as_deref(), payload: self.payload.as_deref(), timestamp_ms, ticket },
            headers,
        )
    }

    /// What the letter counts against the cluster's `queue_bytes`.
    pub(super) fn size_bytes(&self) -> u64 {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum();
        let body = self.key.as_ref().map_or(0, Bytes::len) + self.payload.as_ref().map_or(0, Bytes::len);
        (size_of::<Self>() + headers + body) as u64
    }
}

/// A record's headers in librdkafka's form.
pub(super) fn header_list(headers: &Headers) -> HeaderList {
    let mut list = HeaderList::new();
    headers.each(|name, value| list.add(name.as_bytes(), Some(value)));
    list
}
