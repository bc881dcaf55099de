//! One librdkafka producer behind safe functions, and the handles of its topics.
//!
//! Invariant: a `TopicHandle` holds its producer, so no handle outlives the client it came from.

#![expect(unsafe_code, reason = "docs/decisions/0004: librdkafka by FFI, in kafka/ only")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use tracing::{debug, warn};

use super::event::Event;
use super::headers::HeaderList;

/// How long the end of a client is awaited.
const END_MAX: Duration = Duration::from_millis(500);

/// Why a producer could not be started: the properties, or a file they name.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("a property of the cluster is not accepted")]
    Property(#[source] rdkafka::error::KafkaError),
    #[error("librdkafka refuses the cluster's properties: {0}")]
    Client(String),
    #[error("start a thread of the producer")]
    Thread(#[source] std::io::Error),
}

/// A producer of librdkafka with its one event queue.
pub(super) struct Native {
    client: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
}

// SAFETY: librdkafka's client and queue may be used from any thread (INTRODUCTION.md, "Threads and callbacks"); the
// pointers are never changed after creation.
unsafe impl Send for Native {}
// SAFETY: as above.
unsafe impl Sync for Native {}

impl Native {
    /// # Errors
    /// Where a property is unknown or its value or file cannot be used.
    pub(super) fn create(properties: &ClientConfig) -> Result<Arc<Self>, StartError> {
        let config = properties.create_native_config().map_err(StartError::Property)?;
        let events = sys::RD_KAFKA_EVENT_DR | sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_LOG;
        let mut text = [0 as c_char; 512];
        let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
        // SAFETY: `config` is a live configuration; `text` is writable for its whole length.
        let client = unsafe {
            sys::rd_kafka_conf_set_events(config.ptr(), events);
            sys::rd_kafka_new(kind, config.ptr(), text.as_mut_ptr(), text.len())
        };
        let Some(client) = NonNull::new(client) else {
            return Err(StartError::Client(text_of(text.as_ptr())));
        };
        // The client has taken the configuration over.
        mem::forget(config);
        // SAFETY: `client` is live; the main queue exists for every client.
        let queue = unsafe {
            sys::rd_kafka_set_log_queue(client.as_ptr(), ptr::null_mut());
            NonNull::new(sys::rd_kafka_queue_get_main(client.as_ptr())).expect("every client has a main queue")
        };
        Ok(Arc::new(Self { client, queue }))
    }

    /// A handle for topic `name`; `id` comes back with every report of the topic.
    pub(super) fn topic(self: &Arc<Self>, name: &str, id: u32) -> Option<TopicHandle> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client is live; `rd_kafka_topic_new` takes the configuration over.
        let topic = unsafe {
            let config = sys::rd_kafka_default_topic_conf_dup(self.client.as_ptr());
            sys::rd_kafka_topic_conf_set_opaque(config, ptr::without_provenance_mut(id as usize));
            sys::rd_kafka_topic_new(self.client.as_ptr(), name.as_ptr(), config)
        };
        NonNull::new(topic).map(|topic| TopicHandle { topic, client: self.clone() })
    }

    /// The next event, waiting at most `timeout`, rounded up to whole milliseconds: a shorter wait would be none, and
    /// whoever waits in a loop would spin.
    pub(super) fn poll(&self, timeout: Duration) -> Option<Event> {
        let timeout_ms = c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX);
        // SAFETY: the queue is live; the event is owned by us and destroyed by `Event`.
        unsafe { Event::take(sys::rd_kafka_queue_poll(self.queue.as_ptr(), timeout_ms)) }
    }

    /// The code and text of the fatal error, once there was one.
    pub(super) fn fatal_error(&self) -> Option<String> {
        let mut text = [0 as c_char; 512];
        // SAFETY: the client is live; `text` is writable for its whole length.
        let code = unsafe { sys::rd_kafka_fatal_error(self.client.as_ptr(), text.as_mut_ptr(), text.len()) };
        (code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| text_of(text.as_ptr()))
    }

    /// Takes back what is queued and, with `in_flight`, what is on its way; each record comes as a failed report.
    pub(super) fn purge(&self, in_flight: bool) {
        let extra = if in_flight { sys::RD_KAFKA_PURGE_F_INFLIGHT } else { 0 };
        let flags = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_NON_BLOCKING | extra;
        // SAFETY: the client is live.
        unsafe { sys::rd_kafka_purge(self.client.as_ptr(), flags) };
    }

    /// Waits until a broker has told about the cluster, which an idempotent producer asks for by itself; true at once
    /// if that has been.
    pub(super) fn has_met_cluster(&self, timeout: Duration) -> bool {
        let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the client is live; the string is ours to free.
        unsafe {
            let id = sys::rd_kafka_clusterid(self.client.as_ptr(), timeout_ms);
            if id.is_null() {
                return false;
            }
            sys::rd_kafka_mem_free(self.client.as_ptr(), id.cast());
            true
        }
    }

    /// Asks the cluster for the topics that this client uses (or for `only`) and takes the answer into its own books.
    /// With no topic in use it asks for all topics of the cluster, which may be many.
    ///
    /// # Errors
    /// The code, where no broker answered in time.
    pub(super) fn metadata(&self, only: Option<&TopicHandle>, timeout: Duration) -> Result<Vec<TopicState>, i32> {
        let mut answer: *const sys::rd_kafka_metadata = ptr::null();
        let only = only.map_or(ptr::null_mut(), |topic| topic.topic.as_ptr());
        let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: client and topic are live; `answer` receives an allocation that is destroyed below.
        let code = unsafe { sys::rd_kafka_metadata(self.client.as_ptr(), 0, only, &raw mut answer, timeout_ms) };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || answer.is_null() {
            return Err(code as i32);
        }
        // SAFETY: on success `answer` points to `topic_cnt` valid topics until it is destroyed, which is after the copy.
        unsafe {
            let count = usize::try_from((*answer).topic_cnt).unwrap_or(0);
            let topics = (0..count).map(|at| TopicState::read((*answer).topics.add(at))).collect();
            sys::rd_kafka_metadata_destroy(answer);
            Ok(topics)
        }
    }

    /// Changes the login for the connections to come.
    ///
    /// # Errors
    /// librdkafka's words.
    pub(super) fn set_credentials(&self, username: &str, password: &str) -> Result<(), String> {
        let (Ok(username), Ok(password)) = (CString::new(username), CString::new(password)) else {
            return Err("the login contains the character U+0000".into());
        };
        // SAFETY: client and both strings are live; the error, if any, is ours to destroy.
        unsafe {
            let error = sys::rd_kafka_sasl_set_credentials(self.client.as_ptr(), username.as_ptr(), password.as_ptr());
            if error.is_null() {
                return Ok(());
            }
            let text = text_of(sys::rd_kafka_error_string(error));
            sys::rd_kafka_error_destroy(error);
            Err(text)
        }
    }

    /// Raises a fatal error, as the cluster could at any time.
    #[cfg(test)]
    pub(super) fn raise_fatal_error(&self) {
        let code = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: client and text are live.
        unsafe { sys::rd_kafka_test_fatal_error(self.client.as_ptr(), code, c"raised by a test".as_ptr()) };
    }
}

impl Drop for Native {
    /// Waits a moment for librdkafka's threads to end. They do not where a name server is silent, or where something of
    /// the client was forgotten; nobody is to wait for that.
    fn drop(&mut self) {
        let parts = Parts { client: self.client, queue: self.queue };
        let (ended, has_ended) = mpsc::sync_channel(1);
        let end = move || {
            parts.destroy();
            let _nobody_waits = ended.send(());
        };
        if thread::Builder::new().name("kafka-old".into()).spawn(end).is_err() {
            warn!("no thread to end a Kafka client in, it is left as it is");
        } else if has_ended.recv_timeout(END_MAX).is_err() {
            debug!("a Kafka client takes its time to end");
        }
    }
}

/// What `Native` leaves behind.
struct Parts {
    client: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
}

// SAFETY: as for `Native`.
unsafe impl Send for Parts {}

impl Parts {
    fn destroy(self) {
        // SAFETY: nobody else holds this client: topic handles and partition lists hold an `Arc` of it.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            sys::rd_kafka_destroy(self.client.as_ptr());
        }
    }
}

/// A topic of one producer.
pub(super) struct TopicHandle {
    topic: NonNull<sys::rd_kafka_topic_t>,
    client: Arc<Native>,
}

// SAFETY: librdkafka's topic objects may be used from any thread.
unsafe impl Send for TopicHandle {}
// SAFETY: as above.
unsafe impl Sync for TopicHandle {}

/// One record as `TopicHandle::produce` takes it; librdkafka copies it.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) payload: Option<&'a [u8]>,
    pub(super) timestamp_ms: u64,
    /// Comes back with the report.
    pub(super) ticket: usize,
}

impl TopicHandle {
    /// Queues one record.
    ///
    /// # Errors
    /// The code; the record was not taken.
    pub(super) fn produce(&self, piece: Piece<'_>, headers: HeaderList) -> Result<(), i32> {
        use sys::rd_kafka_vtype_t as Tag;
        let (key, key_len) = raw(piece.key);
        let (payload, payload_len) = raw(piece.payload);
        // SAFETY: each tag is followed by arguments of the C types that `rd_kafka_producev` reads for it; all pointers
        // are live for the call, and MSG_F_COPY makes librdkafka keep no pointer to key and payload. On success the
        // header list belongs to librdkafka, else it stays ours.
        let code = unsafe {
            sys::rd_kafka_producev(
                self.client.client.as_ptr(),
                Tag::RD_KAFKA_VTYPE_RKT as c_int,
                self.topic.as_ptr(),
                Tag::RD_KAFKA_VTYPE_MSGFLAGS as c_int,
                sys::RD_KAFKA_MSG_F_COPY as c_int,
                Tag::RD_KAFKA_VTYPE_VALUE as c_int,
                payload,
                payload_len,
                Tag::RD_KAFKA_VTYPE_KEY as c_int,
                key,
                key_len,
                Tag::RD_KAFKA_VTYPE_TIMESTAMP as c_int,
                i64::try_from(piece.timestamp_ms).unwrap_or(i64::MAX),
                Tag::RD_KAFKA_VTYPE_OPAQUE as c_int,
                ptr::without_provenance::<c_void>(piece.ticket),
                Tag::RD_KAFKA_VTYPE_HEADERS as c_int,
                headers.as_ptr(),
                Tag::RD_KAFKA_VTYPE_END as c_int,
            )
        };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(code as i32);
        }
        headers.given_away();
        Ok(())
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and its client lives at least as long as `self.client`.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) };
    }
}

/// Absent is a null pointer, empty is not: that is how librdkafka tells a tombstone from an empty value.
fn raw(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

fn text_of(text: *const c_char) -> String {
    // SAFETY: callers pass NUL-terminated strings that are live for the call.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// What the cluster says about one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicState {
    pub(super) name: String,
    pub(super) partitions: i32,
    /// Why the topic cannot be used; 0 where it can.
    pub(super) code: i32,
}

impl TopicState {
    /// # Safety
    /// `topic` must point to a valid topic of a metadata answer.
    unsafe fn read(topic: *const sys::rd_kafka_metadata_topic) -> Self {
        // SAFETY: promised by the caller. The code is read as a number, since a broker may send one that the bindings
        // lack.
        unsafe {
            let code = (&raw const (*topic).err).cast::<i32>().read();
            Self { name: text_of((*topic).topic), partitions: (*topic).partition_cnt, code }
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.code == 0 && self.partitions > 0
    }
}

/// Partitions of one producer that can be held. librdkafka notes in the list which objects it means, so the list holds
/// its producer.
pub(super) struct PartitionList {
    list: NonNull<sys::rd_kafka_topic_partition_list_t>,
    client: Arc<Native>,
}

// SAFETY: a list without thread affinity.
unsafe impl Send for PartitionList {}

impl PartitionList {
    pub(super) fn new(client: Arc<Native>, topics: &[TopicState]) -> Self {
        // SAFETY: the list is live and grows by itself; names are copied.
        unsafe {
            let list =
                NonNull::new(sys::rd_kafka_topic_partition_list_new(16)).expect("librdkafka aborts without memory");
            for topic in topics {
                let Ok(name) = CString::new(topic.name.as_str()) else { continue };
                for partition in 0..topic.partitions {
                    sys::rd_kafka_topic_partition_list_add(list.as_ptr(), name.as_ptr(), partition);
                }
            }
            Self { list, client }
        }
    }

    /// Stops sending to the partitions; what is on its way is not touched.
    pub(super) fn hold(&mut self) {
        // SAFETY: client and list are live.
        unsafe { sys::rd_kafka_pause_partitions(self.client.client.as_ptr(), self.list.as_ptr()) };
    }

    /// Undoes `hold`.
    pub(super) fn let_go(self) {
        // SAFETY: client and list are live. With no time to wait, the only effect of the flush is that every broker's
        // thread looks at its partitions again.
        unsafe {
            sys::rd_kafka_resume_partitions(self.client.client.as_ptr(), self.list.as_ptr());
            sys::rd_kafka_flush(self.client.client.as_ptr(), 0);
        }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: the list is ours, and its client is live.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.list.as_ptr()) };
    }
}
