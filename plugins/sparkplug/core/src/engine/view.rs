//! What is known of nodes, as JSON for people and programs.

use super::Engine;
use crate::datatype::DataType;
use crate::json;
use crate::session::{Liveness, Node, Table};

/// Narrows the view.
#[derive(Clone, Copy, Debug, Default)]
pub struct ViewFilter<'a> {
    pub group: Option<&'a str>,
    pub edge_node: Option<&'a str>,
    pub device: Option<&'a str>,
}

impl Engine {
    /// `{"GROUP/EDGE": {"online", "since_ms", …, "metrics": {…}, "devices": {DEVICE: {…}}}}` for the nodes that fit,
    /// without the braces around, so that the views of several engines can be joined with commas.
    pub fn view(&self, filter: ViewFilter<'_>, buf: &mut Vec<u8>) {
        let mut nodes: Vec<_> = self.nodes.values().filter(|node| fits(node, filter)).collect();
        nodes.sort_by(|left, right| (&left.group, &left.edge_node).cmp(&(&right.group, &right.edge_node)));
        for (place, node) in nodes.into_iter().enumerate() {
            if place > 0 {
                buf.push(b',');
            }
            json::text(buf, &format!("{}/{}", node.group, node.edge_node));
            buf.push(b':');
            write_node(buf, node, filter.device);
        }
    }
}

fn fits(node: &Node, filter: ViewFilter<'_>) -> bool {
    filter.group.is_none_or(|group| group == &*node.group)
        && filter.edge_node.is_none_or(|edge_node| edge_node == &*node.edge_node)
}

fn write_node(buf: &mut Vec<u8>, node: &Node, only: Option<&str>) {
    let online = node.liveness == Liveness::Online;
    json::raw(buf, "{\"online\":");
    json::boolean(buf, online);
    json::raw(buf, ",\"state\":");
    json::text(
        buf,
        match node.liveness {
            Liveness::Unknown => "unknown",
            Liveness::Online => "online",
            Liveness::Offline => "offline",
            Liveness::Disconnected => "stale",
        },
    );
    json::raw(buf, ",\"since_ms\":");
    json::unsigned(buf, node.since_ms);
    json::raw(buf, ",\"since_clock\":");
    json::text(buf, if online { "node" } else { "host" });
    json::raw(buf, ",\"broker\":");
    json::text(buf, &node.broker);
    json::raw(buf, ",\"birth_ts\":");
    json::optional(buf, node.session);
    json::raw(buf, ",\"bdseq\":");
    json::optional(buf, node.bdseq);
    json::raw(buf, ",\"seq\":");
    json::optional(buf, node.sequence.next().map(|next| u64::from(next.wrapping_sub(1))));
    json::raw(buf, ",\"held\":");
    json::unsigned(buf, node.held.len() as u64);
    json::raw(buf, ",\"metrics\":");
    write_table(buf, &node.table, !online, node.since_ms);
    json::raw(buf, ",\"devices\":{");
    let devices = node.devices.iter().filter(|(id, _)| only.is_none_or(|only| only == &***id));
    for (place, (id, device)) in devices.enumerate() {
        if place > 0 {
            buf.push(b',');
        }
        json::text(buf, id);
        json::raw(buf, ":{\"online\":");
        json::boolean(buf, device.online);
        json::raw(buf, ",\"since_ms\":");
        json::unsigned(buf, device.since_ms);
        json::raw(buf, ",\"birth_ts\":");
        json::optional(buf, device.birth_ts);
        json::raw(buf, ",\"metrics\":");
        write_table(buf, &device.table, !device.online, device.since_ms);
        buf.push(b'}');
    }
    json::raw(buf, "}}");
}

/// A metric is stale since its node or device went, else it has its value since the value's time.
fn write_table(buf: &mut Vec<u8>, table: &Table, stale: bool, since_ms: u64) {
    buf.push(b'{');
    for (place, entry) in table.entries().iter().enumerate() {
        if place > 0 {
            buf.push(b',');
        }
        let last = entry.last();
        json::text(buf, &entry.name);
        json::raw(buf, ":{\"alias\":");
        json::optional(buf, entry.alias);
        json::raw(buf, ",\"type\":");
        json::optional_text(buf, entry.datatype.map(DataType::name));
        json::raw(buf, ",\"value\":");
        buf.extend_from_slice(last.and_then(|(value, _)| value).unwrap_or(b"null"));
        json::raw(buf, ",\"stale\":");
        json::boolean(buf, stale);
        json::raw(buf, ",\"since_ms\":");
        json::unsigned(buf, if stale { since_ms } else { last.map_or(since_ms, |(_, ts)| ts) });
        buf.push(b'}');
    }
    buf.push(b'}');
}
