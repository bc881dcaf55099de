//! Records that are written all or none: what a replay of dead letters needs to write each exactly once.
//!
//! A second process that opens the same id fences the first: what it left unfinished is undone.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer};

use super::options;
use crate::config::ClusterConfig;
use crate::message::Record;

/// How long a full queue is waited for before it is tried again.
const ROOM_WAIT: Duration = Duration::from_millis(2);

/// A producer of transactions.
pub struct Transactions {
    producer: ThreadedProducer<Reports>,
    /// Longest wait for the cluster.
    wait: Duration,
}

/// Keeps the first refusal.
#[derive(Default)]
struct Reports {
    refused: Mutex<Option<KafkaError>>,
}

impl ClientContext for Reports {}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert_with(|| error.clone());
        }
    }
}

/// A record with its partition, where that is fixed.
pub struct Entry<'a> {
    pub record: &'a Record,
    pub partition: Option<i32>,
}

impl Transactions {
    /// Opens the producer with the name `id` and ends what an earlier one of that name left open.
    ///
    /// # Errors
    /// Where the cluster does not answer within `wait` or does not allow it.
    pub fn open(config: &ClusterConfig, id: &str, wait: Duration) -> Result<Self, TransactionError> {
        let properties = options::transactional(config, id);
        let producer = properties.create_with_context(Reports::default()).map_err(TransactionError::Open)?;
        let opened = Self { producer, wait };
        opened.producer.init_transactions(wait).map_err(TransactionError::Open)?;
        Ok(opened)
    }

    /// Writes all of `entries`, or none.
    ///
    /// # Errors
    /// None of them is written then. `Refused` where the cluster will not take one of them; else the work cannot go on.
    pub fn write(&self, entries: &[Entry<'_>]) -> Result<(), TransactionError> {
        self.refused().take();
        self.producer.begin_transaction().map_err(TransactionError::Lost)?;
        let written = entries.iter().try_for_each(|entry| self.send(entry)).and_then(|()| self.commit());
        if let Err(error) = &written {
            self.undo(error)?;
        }
        written
    }

    fn send(&self, entry: &Entry<'_>) -> Result<(), TransactionError> {
        let until = Instant::now() + self.wait;
        let mut headers = OwnedHeaders::new();
        entry.record.headers.each(|name, value| {
            headers = std::mem::take(&mut headers).insert(Header { key: name, value: Some(value) });
        });
        let timestamp_ms = i64::try_from(entry.record.timestamp_ms).unwrap_or(i64::MAX);
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(entry.record.topic.name()).timestamp(timestamp_ms).headers(headers);
        record.key = entry.record.key.as_deref();
        record.payload = entry.record.payload.as_deref();
        record.partition = entry.partition;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) if Instant::now() < until => {
                    std::thread::sleep(ROOM_WAIT);
                    record = again;
                }
                Err((error, _)) => return Err(TransactionError::Refused(error)),
            }
        }
    }

    fn commit(&self) -> Result<(), TransactionError> {
        let until = Instant::now() + self.wait;
        self.producer.flush(self.wait).map_err(TransactionError::Lost)?;
        if let Some(refused) = self.refused().take() {
            return Err(TransactionError::Refused(refused));
        }
        loop {
            match self.producer.commit_transaction(self.wait) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {}
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                    return Err(TransactionError::Refused(KafkaError::Transaction(error)));
                }
                Err(error) => return Err(TransactionError::Lost(error)),
            }
        }
    }

    fn undo(&self, cause: &TransactionError) -> Result<(), TransactionError> {
        match cause {
            TransactionError::Refused(_) => self.producer.abort_transaction(self.wait).map_err(TransactionError::Lost),
            TransactionError::Open(_) | TransactionError::Lost(_) => Ok(()),
        }
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Option<KafkaError>> {
        self.producer.context().refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a transaction did not come about.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    #[error("open a transactional producer: the cluster must answer and allow transactions")]
    Open(#[source] KafkaError),
    #[error("the cluster refuses a record")]
    Refused(#[source] KafkaError),
    /// Another process took over, or the cluster is gone: what was written before stands.
    #[error("the transaction was lost; what was committed before stands")]
    Lost(#[source] KafkaError),
}
