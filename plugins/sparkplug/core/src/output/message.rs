//! The envelope `message`: one lossless record per Sparkplug message.

use super::item::{self, Item, ItemSource, Shown};
use super::{Maker, Sent, Stream, profile};
use crate::host::Host;
use crate::json;
use crate::options::Profile;

pub(super) fn emit(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    items: &[Item<'_>],
    source: &ItemSource<'_>,
) {
    let ts = sent.timestamp.unwrap_or(sent.received_ms);
    if stream.profile == Some(Profile::Tahu) {
        maker.body.clear();
        profile::write_tahu(maker.body, maker.format, sent, items, source);
        return maker.record(host, stream, sent, None, ts, false);
    }
    maker.open();
    json::raw(maker.body, ",\"ts\":");
    json::unsigned(maker.body, ts);
    json::raw(maker.body, ",\"metrics\":[");
    for (place, item) in items.iter().enumerate() {
        maker.body.extend_from_slice(if place > 0 { b",{" } else { b"{" });
        item::write(maker.body, maker.format, item, Shown::of(item, source));
        maker.body.push(b'}');
    }
    json::raw(maker.body, "]}");
    let historical = !items.is_empty() && items.iter().all(|item| item.metric.historical);
    maker.record(host, stream, sent, None, ts, historical);
}
