//! The envelope `catalog`: what each metric is, for a compacted topic; the key is always that of the metric.

use super::{Key, Maker, Sent, Stream};
use crate::datatype::DataType;
use crate::host::Host;
use crate::json;
use crate::value::{Context, NoTypes, Quirks, Template, write_definition, write_metadata, write_properties};

/// One metric of a birth.
#[derive(Clone, Copy, Debug)]
pub struct CatalogEntry<'a> {
    pub alias: Option<u64>,
    pub datatype: Option<DataType>,
    pub properties: Option<&'a [u8]>,
    pub metadata: Option<&'a [u8]>,
    /// Instance or definition, where the metric is a template.
    pub template: Option<Template<'a>>,
    pub birth_ts: u64,
}

pub(super) fn emit(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    metric: &str,
    entry: Option<&CatalogEntry<'_>>,
) {
    let stream = Stream {
        place: stream.place,
        envelope: stream.envelope,
        topic: stream.topic.clone(),
        key: Key::Metric,
        profile: None,
    };
    maker.body.clear();
    let ts = entry.map_or(sent.received_ms, |entry| entry.birth_ts);
    if let Some(entry) = entry {
        write(maker, sent, metric, entry);
    }
    maker.hand_out(host, &stream, sent, Some(metric), ts, false, entry.is_none());
}

fn write(maker: &mut Maker<'_>, sent: &Sent<'_>, metric: &str, entry: &CatalogEntry<'_>) {
    let buf = &mut *maker.body;
    json::raw(buf, "{\"v\":1,\"group\":");
    json::optional_text(buf, sent.address.map(|address| address.group));
    json::raw(buf, ",\"edge_node\":");
    json::optional_text(buf, sent.address.map(|address| address.edge_node));
    json::raw(buf, ",\"device\":");
    json::optional_text(buf, sent.address.and_then(|address| address.device));
    json::raw(buf, ",\"metric\":");
    json::text(buf, metric);
    json::raw(buf, ",\"alias\":");
    json::optional(buf, entry.alias);
    json::raw(buf, ",\"type\":");
    json::optional_text(buf, entry.datatype.map(DataType::name));
    json::raw(buf, ",\"properties\":");
    write_properties(buf, maker.format, entry.properties);
    json::raw(buf, ",\"metadata\":");
    write_metadata(buf, entry.metadata);
    json::raw(buf, ",\"template_ref\":");
    match entry.template.and_then(|template| template.template_ref) {
        Some(reference) => json::lenient(buf, reference),
        None => json::raw(buf, "null"),
    }
    json::raw(buf, ",\"birth_ts\":");
    json::unsigned(buf, entry.birth_ts);
    json::raw(buf, ",\"bdseq\":");
    json::optional(buf, sent.bdseq);
    json::raw(buf, ",\"session\":");
    json::optional(buf, sent.session);
    if let Some(template) = entry.template.filter(|template| template.is_definition) {
        let before = buf.len();
        json::raw(buf, ",\"definition\":");
        let context = Context { format: maker.format, quirks: Quirks::default(), types: &NoTypes };
        if write_definition(buf, context, &template).is_err() {
            buf.truncate(before);
        }
    }
    buf.push(b'}');
}
