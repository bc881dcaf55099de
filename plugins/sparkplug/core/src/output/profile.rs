//! Shapes of other products, for those who change over.

use super::Sent;
use super::item::{Item, ItemSource, Shown};
use crate::datatype::DataType;
use crate::json;
use crate::value::{Format, Quality, write_metadata, write_properties};

/// N3uron's: `{name, metadata{groupId, edgeNodeId, deviceId}, dataType, value, timestamp, properties, quality}`.
pub(super) fn write_simple(buf: &mut Vec<u8>, format: &Format, sent: &Sent<'_>, item: &Item<'_>, shown: Shown<'_>) {
    json::raw(buf, "{\"name\":");
    json::optional_text(buf, shown.name);
    json::raw(buf, ",\"metadata\":{\"groupId\":");
    json::optional_text(buf, sent.address.map(|address| address.group));
    json::raw(buf, ",\"edgeNodeId\":");
    json::optional_text(buf, sent.address.map(|address| address.edge_node));
    json::raw(buf, ",\"deviceId\":");
    json::optional_text(buf, sent.address.and_then(|address| address.device));
    json::raw(buf, "},\"dataType\":");
    json::optional_text(buf, shown.datatype.map(DataType::name));
    json::raw(buf, ",\"value\":");
    buf.extend_from_slice(shown.value);
    json::raw(buf, ",\"timestamp\":");
    json::unsigned(buf, shown.ts);
    json::raw(buf, ",\"properties\":");
    write_properties(buf, format, item.metric.properties);
    json::raw(buf, ",\"quality\":");
    let quality = if shown.error.is_some() { Quality::Bad } else { item.quality };
    json::signed(
        buf,
        item.quality_code.unwrap_or(match quality {
            Quality::Good | Quality::Unknown => 192,
            Quality::Bad => 0,
            Quality::Stale => 500,
        }),
    );
    buf.push(b'}');
}

/// Cirrus Link's: `{timestamp, metrics: [{name, alias?, timestamp, dataType, value, …}], seq}`.
pub(super) fn write_tahu(
    buf: &mut Vec<u8>,
    format: &Format,
    sent: &Sent<'_>,
    items: &[Item<'_>],
    source: &ItemSource<'_>,
) {
    json::raw(buf, "{\"timestamp\":");
    json::unsigned(buf, sent.timestamp.unwrap_or(sent.received_ms));
    json::raw(buf, ",\"metrics\":[");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            buf.push(b',');
        }
        write_tahu_metric(buf, format, item, source);
    }
    json::raw(buf, "]");
    if let Some(seq) = sent.seq {
        json::raw(buf, ",\"seq\":");
        json::unsigned(buf, seq);
    }
    buf.push(b'}');
}

fn write_tahu_metric(buf: &mut Vec<u8>, format: &Format, item: &Item<'_>, source: &ItemSource<'_>) {
    json::raw(buf, "{\"name\":");
    json::optional_text(buf, source.name(item));
    if let Some(alias) = item.alias {
        json::raw(buf, ",\"alias\":");
        json::unsigned(buf, alias);
    }
    json::raw(buf, ",\"timestamp\":");
    json::unsigned(buf, item.ts);
    json::raw(buf, ",\"dataType\":");
    json::optional_text(buf, item.datatype.map(DataType::name));
    for (flag, name) in [
        (item.metric.historical, ",\"isHistorical\":true"),
        (item.metric.transient, ",\"isTransient\":true"),
        (item.metric.null, ",\"isNull\":true"),
    ] {
        if flag {
            json::raw(buf, name);
        }
    }
    if item.metric.metadata.is_some() {
        json::raw(buf, ",\"metaData\":");
        write_metadata(buf, item.metric.metadata);
    }
    if item.metric.properties.is_some() {
        json::raw(buf, ",\"properties\":");
        write_properties(buf, format, item.metric.properties);
    }
    json::raw(buf, ",\"value\":");
    buf.extend_from_slice(source.value(item));
    buf.push(b'}');
}
