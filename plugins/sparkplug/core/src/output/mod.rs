//! Records: envelopes, keys, headers, profiles. JSON goes straight into one buffer that is used again and again.

mod catalog;
mod flat;
mod item;
mod lifecycle;
mod message;
mod metric;
mod pattern;
mod profile;

pub use catalog::CatalogEntry;
pub use item::{ContextParts, Item, ItemSource, TsSource};
pub use lifecycle::{Event, Happening};
pub use pattern::{Pattern, PatternError};

use crate::host::{Header, Host, Record};
use crate::json;
use crate::options::{EnvelopeKind, HeadersAs, Historical, KeyBy, Options, Profile};
use crate::topic::{Address, MessageType};
use crate::value::Format;

/// The version of the records' shape.
const SCHEMA_VERSION: u64 = 1;
const HEADERS_MAX: usize = 12;

/// Where a record comes from: a message, or an event without one.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    pub kind: Option<MessageType>,
    pub address: Option<Address<'a>>,
    pub broker: &'a str,
    pub topic: Option<&'a str>,
    /// By our clock, milliseconds since 1970.
    pub received_ms: u64,
    pub retain: bool,
    pub seq: Option<u64>,
    /// Of the payload.
    pub timestamp: Option<u64>,
    /// Metrics in the payload.
    pub count: usize,
    pub session: Option<u64>,
    pub bdseq: Option<u64>,
    pub out_of_order: bool,
}

/// One entry of `emit`, ready for use.
struct Stream {
    place: usize,
    envelope: EnvelopeKind,
    topic: Option<Pattern>,
    key: Key,
    profile: Option<Profile>,
}

enum Key {
    EdgeNode,
    Device,
    Metric,
    Pattern(Pattern),
}

/// Makes records and hands them out.
pub struct Outlet {
    streams: Vec<Stream>,
    pub(crate) format: Format,
    headers: HeadersAs,
    historical_topic: Option<Pattern>,
    head: Vec<u8>,
    body: Vec<u8>,
    key: String,
    topic: String,
    header_values: Vec<u8>,
}

impl Outlet {
    /// # Errors
    /// A template in `emit` that cannot be read.
    pub fn new(options: &Options) -> Result<Self, PatternError> {
        let streams = options.emit.iter().map(super::options::Emit::entry).enumerate().map(|(place, entry)| {
            let key = match entry.key {
                KeyBy::EdgeNode => Key::EdgeNode,
                KeyBy::Device => Key::Device,
                KeyBy::Metric => Key::Metric,
                KeyBy::Template(text) => Key::Pattern(Pattern::parse(&text)?),
            };
            let topic = entry.topic.as_deref().map(Pattern::parse).transpose()?;
            Ok(Stream { place, envelope: entry.envelope, topic, key, profile: entry.profile })
        });
        let separate = options.historical == Historical::SeparateTopic;
        let historical_topic = options.historical_topic.as_deref().filter(|_| separate).map(Pattern::parse);
        Ok(Self {
            streams: streams.collect::<Result<_, _>>()?,
            format: Format::new(options),
            headers: options.headers,
            historical_topic: historical_topic.transpose()?,
            head: Vec::new(),
            body: Vec::new(),
            key: String::new(),
            topic: String::new(),
            header_values: Vec::new(),
        })
    }

    /// Some stream has this envelope.
    #[must_use]
    pub fn emits(&self, envelope: EnvelopeKind) -> bool {
        self.streams.iter().any(|stream| stream.envelope == envelope)
    }

    /// `metric`, `message` and `flat` records of one message.
    pub fn message(&mut self, host: &mut dyn Host, sent: &Sent<'_>, items: &[Item<'_>], source: &ItemSource<'_>) {
        self.metrics(host, sent, items, source);
        self.each(EnvelopeKind::Message, sent, |maker, stream| {
            message::emit(maker, host, stream, sent, items, source);
        });
        self.each(EnvelopeKind::Flat, sent, |maker, stream| flat::emit(maker, host, stream, sent, items, source));
    }

    /// `metric` records alone.
    pub fn metrics(&mut self, host: &mut dyn Host, sent: &Sent<'_>, items: &[Item<'_>], source: &ItemSource<'_>) {
        self.write_head(sent);
        self.each(EnvelopeKind::Metric, sent, |maker, stream| {
            for item in items.iter().filter(|item| item.emitted) {
                metric::emit(maker, host, stream, sent, item, source);
            }
        });
    }

    /// The message as it came.
    pub fn raw(&mut self, host: &mut dyn Host, sent: &Sent<'_>, payload: &[u8]) {
        self.each(EnvelopeKind::Raw, sent, |maker, stream| {
            maker.body.clear();
            maker.body.extend_from_slice(payload);
            maker.record(host, stream, sent, None, sent.timestamp.unwrap_or(sent.received_ms), false);
        });
    }

    /// Something happened to a node, a device or a host.
    pub fn lifecycle(&mut self, host: &mut dyn Host, sent: &Sent<'_>, happening: &Happening<'_>) {
        if self.emits(EnvelopeKind::Lifecycle) {
            self.write_head(sent);
            self.each(EnvelopeKind::Lifecycle, sent, |maker, stream| {
                lifecycle::emit(maker, host, stream, sent, happening);
            });
        }
    }

    /// What a metric is; `None` as content says that it has vanished.
    pub fn catalog(&mut self, host: &mut dyn Host, sent: &Sent<'_>, metric: &str, entry: Option<&CatalogEntry<'_>>) {
        self.each(EnvelopeKind::Catalog, sent, |maker, stream| {
            catalog::emit(maker, host, stream, sent, metric, entry);
        });
    }

    fn each(&mut self, envelope: EnvelopeKind, sent: &Sent<'_>, mut make: impl FnMut(&mut Maker<'_>, &Stream)) {
        if !self.emits(envelope) {
            return;
        }
        let mut header_values = std::mem::take(&mut self.header_values);
        let (headers, count) = build_headers(&mut header_values, self.headers, sent, envelope);
        let mut maker = Maker {
            format: &self.format,
            historical_topic: self.historical_topic.as_ref(),
            head: &self.head,
            body: &mut self.body,
            key: &mut self.key,
            topic: &mut self.topic,
            headers: headers.get(..count).unwrap_or_default(),
        };
        for stream in self.streams.iter().filter(|stream| stream.envelope == envelope) {
            make(&mut maker, stream);
        }
        self.header_values = header_values;
    }

    /// The fields that all records of one message share.
    fn write_head(&mut self, sent: &Sent<'_>) {
        let buf = &mut self.head;
        buf.clear();
        json::raw(buf, "\"v\":");
        json::unsigned(buf, SCHEMA_VERSION);
        json::raw(buf, ",\"group\":");
        json::optional_text(buf, sent.address.map(|address| address.group));
        json::raw(buf, ",\"edge_node\":");
        json::optional_text(buf, sent.address.map(|address| address.edge_node));
        json::raw(buf, ",\"device\":");
        json::optional_text(buf, sent.address.and_then(|address| address.device));
        json::raw(buf, ",\"message_type\":");
        json::optional_text(buf, sent.kind.map(MessageType::name));
        json::raw(buf, ",\"seq\":");
        json::optional(buf, sent.seq);
        json::raw(buf, ",\"bdseq\":");
        json::optional(buf, sent.bdseq);
        json::raw(buf, ",\"session\":");
        json::optional(buf, sent.session);
        json::raw(buf, ",\"received_at\":");
        json::unsigned(buf, sent.received_ms);
        json::raw(buf, ",\"mqtt_topic\":");
        json::optional_text(buf, sent.topic);
        json::raw(buf, ",\"broker\":");
        json::text(buf, sent.broker);
    }
}

/// The buffers of an outlet while it makes records of one message.
struct Maker<'a> {
    format: &'a Format,
    historical_topic: Option<&'a Pattern>,
    head: &'a [u8],
    body: &'a mut Vec<u8>,
    key: &'a mut String,
    topic: &'a mut String,
    headers: &'a [Header<'a>],
}

impl Maker<'_> {
    /// Begins a JSON record with the head.
    fn open(&mut self) {
        self.body.clear();
        self.body.push(b'{');
        self.body.extend_from_slice(self.head);
    }

    /// Hands the body out as a record.
    fn record(
        &mut self,
        host: &mut dyn Host,
        stream: &Stream,
        sent: &Sent<'_>,
        metric: Option<&str>,
        ts: u64,
        historical: bool,
    ) {
        self.hand_out(host, stream, sent, metric, ts, historical, false);
    }

    #[expect(clippy::too_many_arguments, reason = "one call for records, one for tombstones")]
    fn hand_out(
        &mut self,
        host: &mut dyn Host,
        stream: &Stream,
        sent: &Sent<'_>,
        metric: Option<&str>,
        ts: u64,
        historical: bool,
        tombstone: bool,
    ) {
        write_key(self.key, &stream.key, sent, metric);
        let pattern = self.historical_topic.filter(|_| historical).or(stream.topic.as_ref());
        if let Some(pattern) = pattern {
            self.topic.clear();
            pattern.fill_topic(self.topic, sent, metric);
        }
        let sane = !historical && i64::try_from(ts).is_ok();
        host.record(Record {
            stream: stream.place,
            envelope: stream.envelope,
            address: sent.address,
            mqtt_topic: sent.topic,
            topic: pattern.map(|_| self.topic.as_str()),
            key: self.key.as_bytes(),
            payload: (!tombstone).then_some(self.body.as_slice()),
            headers: self.headers,
            timestamp_ms: if sane { ts } else { sent.received_ms },
        });
    }
}

fn write_key(key: &mut String, by: &Key, sent: &Sent<'_>, metric: Option<&str>) {
    key.clear();
    let Some(address) = sent.address else { return };
    if let Key::Pattern(pattern) = by {
        return pattern.fill(key, sent, metric);
    }
    key.push_str(address.group);
    key.push('/');
    key.push_str(address.edge_node);
    match (by, address.device, metric) {
        (Key::Metric, device, Some(metric)) => {
            key.push('/');
            key.push_str(device.unwrap_or_default()); // an empty level, which no device id is
            key.push('/');
            key.push_str(metric);
        }
        (Key::Device | Key::Metric, Some(device), _) => {
            key.push('/');
            key.push_str(device);
        }
        (Key::Device | Key::Metric, None, _) | (Key::EdgeNode | Key::Pattern(_), _, _) => {}
    }
}

/// Headers of section 4.2's list, those without a value left out.
fn build_headers<'a>(
    values: &'a mut Vec<u8>,
    headers: HeadersAs,
    sent: &Sent<'a>,
    envelope: EnvelopeKind,
) -> ([Header<'a>; HEADERS_MAX], usize) {
    let mut built = [Header::default(); HEADERS_MAX];
    if headers == HeadersAs::None {
        return (built, 0);
    }
    values.clear();
    let mut number = |number: Option<u64>| {
        let start = values.len();
        if let Some(number) = number {
            json::unsigned(values, number);
        }
        number.map(|_| start..values.len())
    };
    let (seq, bdseq, ts) = (number(sent.seq), number(sent.bdseq), number(sent.timestamp));
    let values: &'a [u8] = values;
    let slice = |range: Option<std::ops::Range<usize>>| range.and_then(|range| values.get(range));
    let content_type = if envelope == EnvelopeKind::Raw { "application/x-protobuf" } else { "application/json" };
    let all: [(&'static str, Option<&'a [u8]>); HEADERS_MAX - 1] = [
        ("content-type", Some(content_type.as_bytes())),
        ("sp.group", sent.address.map(|address| address.group.as_bytes())),
        ("sp.edge", sent.address.map(|address| address.edge_node.as_bytes())),
        ("sp.device", sent.address.and_then(|address| address.device).map(str::as_bytes)),
        ("sp.type", sent.kind.map(|kind| kind.name().as_bytes())),
        ("sp.seq", slice(seq)),
        ("sp.bdseq", slice(bdseq)),
        ("sp.ts", slice(ts)),
        ("mqtt.topic", sent.topic.map(str::as_bytes)),
        ("mqtt.retain", Some(if sent.retain { b"true" } else { b"false" })),
        ("sp.out_of_order", sent.out_of_order.then_some(b"true")),
    ];
    let mut count = 0;
    for ((name, value), slot) in all.into_iter().filter_map(|(name, value)| Some((name, value?))).zip(built.iter_mut())
    {
        *slot = Header { name, value };
        count += 1;
    }
    (built, count)
}
