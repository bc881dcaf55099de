//! The envelope `flat`: metric names as fields, for SQL sinks.

use super::item::{Item, ItemSource};
use super::{Maker, Sent, Stream};
use crate::host::Host;
use crate::json;
use crate::topic::MessageType;

pub(super) fn emit(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    items: &[Item<'_>],
    source: &ItemSource<'_>,
) {
    let (shown, repeated) = last_of_each_name(items, source);
    if shown.is_empty() && !items.is_empty() {
        return;
    }
    let ts = sent.timestamp.unwrap_or(sent.received_ms);
    let buf = &mut *maker.body;
    buf.clear();
    buf.push(b'{');
    for (name, item) in &shown {
        json::text(buf, name);
        buf.push(b':');
        buf.extend_from_slice(source.value(item));
        buf.push(b',');
    }
    json::raw(buf, "\"_ts\":");
    json::unsigned(buf, ts);
    json::raw(buf, ",\"_group\":");
    json::optional_text(buf, sent.address.map(|address| address.group));
    json::raw(buf, ",\"_edge_node\":");
    json::optional_text(buf, sent.address.map(|address| address.edge_node));
    json::raw(buf, ",\"_device\":");
    json::optional_text(buf, sent.address.and_then(|address| address.device));
    json::raw(buf, ",\"_type\":");
    json::optional_text(buf, sent.kind.map(MessageType::name));
    json::raw(buf, ",\"_seq\":");
    json::optional(buf, sent.seq);
    if repeated > 0 {
        json::raw(buf, ",\"_repeated\":");
        json::unsigned(buf, repeated);
    }
    buf.push(b'}');
    let historical = !shown.is_empty() && shown.iter().all(|(_, item)| item.metric.historical);
    maker.record(host, stream, sent, None, ts, historical);
}

/// In the order of the payload; and how many were left out for a later one of the same name.
fn last_of_each_name<'i, 's>(items: &'i [Item<'i>], source: &'s ItemSource<'_>) -> (Vec<(&'s str, &'i Item<'i>)>, u64) {
    let emitted = items.iter().filter(|item| item.emitted);
    let named: Vec<_> = emitted.filter_map(|item| Some((source.name(item)?, item))).collect();
    let mut sorted: Vec<_> = (0..named.len()).collect();
    let name_at = |place: &usize| named.get(*place).map(|(name, _)| *name);
    sorted.sort_by(|left, right| name_at(left).cmp(&name_at(right)).then(left.cmp(right)));
    let twice: Vec<usize> = sorted
        .windows(2)
        .filter_map(|pair| match pair {
            [earlier, later] if name_at(earlier) == name_at(later) => Some(*earlier),
            _ => None,
        })
        .collect();
    if twice.is_empty() {
        return (named, 0);
    }
    let mut gone = vec![false; named.len()];
    for place in &twice {
        if let Some(flag) = gone.get_mut(*place) {
            *flag = true;
        }
    }
    let kept = named.into_iter().zip(gone).filter(|(_, gone)| !gone).map(|(pair, _)| pair).collect();
    (kept, twice.len() as u64)
}
