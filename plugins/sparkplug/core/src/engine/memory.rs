//! Memory as bounded key/value pieces, so that births survive reloads and restarts.
//!
//! One node has the blobs `head`, `seq`, `table`, `device/ID` and `held/NUMBER` under its key; each blob is cut into pieces
//! `BLOB#0`, `BLOB#1`, … of at most `limits.piece_bytes`, and its first piece says how many there are. A node whose pieces
//! do not belong together is met as if it were new.

use super::Engine;
use super::resolve::is_selected;
use crate::host::{Durability, Host};
use crate::options::Options;
use crate::session::{Definitions, Device, Held, Liveness, Node, Pack, Sequence, Table, Unpack};
use crate::topic::Address;

/// Of the pieces' format: another one is not read.
const VERSION: u64 = 1;
/// Pieces of one blob.
const PIECES_MAX: usize = 4096;

/// `BROKER/GROUP/EDGE_NODE`; only the broker's name can have a `/` of its own.
pub(super) fn write_node_key(key: &mut String, broker: &str, group: &str, edge_node: &str) {
    key.clear();
    for c in broker.chars() {
        match c {
            '/' => key.push_str("%2F"),
            '%' => key.push_str("%25"),
            _ => key.push(c),
        }
    }
    key.push('/');
    key.push_str(group);
    key.push('/');
    key.push_str(edge_node);
}

impl Engine {
    /// Hands out what has changed since the last call: call it before the messages that led to it are acknowledged.
    pub fn export(&mut self, host: &mut dyn Host) {
        for key in std::mem::take(&mut self.changed) {
            if let Some(node) = self.nodes.get_mut(&key) {
                export(host, &key, node, self.core.options.limits.piece_bytes);
            }
        }
    }

    /// Meets a node that memory knows of, so that what it holds can expire before it speaks. `key` is that of any of its
    /// pieces.
    pub fn import(&mut self, key: &str, host: &mut dyn Host) {
        let mut levels = key.split('/');
        let (Some(broker), Some(group), Some(edge_node)) = (levels.next(), levels.next(), levels.next()) else {
            return;
        };
        let broker = broker.replace("%2F", "/").replace("%25", "%");
        let address = Address { group, edge_node, device: None };
        write_node_key(&mut self.key, &broker, group, edge_node);
        if !self.nodes.contains_key(self.key.as_str()) {
            drop(self.meet(&broker, address, host));
        }
    }
}

fn export(host: &mut dyn Host, key: &str, node: &mut Node, piece_bytes: usize) {
    let changed = std::mem::take(&mut node.changed);
    let mut put = |blob: &str, pack: Option<Pack>, durability| {
        write_blob(host, &format!("{key}/{blob}"), pack.map(Pack::finish).as_deref(), piece_bytes, durability);
    };
    if changed.table {
        put("table", Some(pack_table(node)), Durability::Durable);
    }
    for id in &changed.devices {
        let pack = node.devices.get(id).map(|device| pack_device(node, device));
        put(&format!("device/{id}"), pack, Durability::Durable);
    }
    for id in &changed.held {
        let held = node.held.iter().find(|(number, _)| number == id).map(|(_, held)| held);
        let pack = held.map(|held| {
            let mut pack = Pack::default();
            held.pack(&mut pack);
            pack
        });
        put(&format!("held/{id}"), pack, Durability::Durable);
    }
    if changed.head || !changed.held.is_empty() {
        put("head", Some(pack_head(node)), Durability::Durable);
    }
    if changed.sequence || changed.head {
        put("seq", Some(pack_sequence(node)), Durability::Volatile);
    }
}

fn write_blob(host: &mut dyn Host, key: &str, blob: Option<&[u8]>, piece_bytes: usize, durability: Durability) {
    let Some(blob) = blob else {
        // Without its first piece a blob is not there; the others are found by no one and replaced by the next.
        return host.store(&format!("{key}#0"), None, durability);
    };
    let chunks = blob.chunks(piece_bytes.max(1024)).collect::<Vec<_>>();
    let stamp = stamp_of(blob);
    for (place, chunk) in chunks.iter().enumerate().rev() {
        let mut piece = Pack::default();
        piece.number(VERSION);
        piece.number(chunks.len() as u64);
        piece.number(stamp);
        piece.bytes(chunk);
        host.store(&format!("{key}#{place}"), Some(&piece.finish()), durability);
    }
}

fn read_blob(host: &mut dyn Host, key: &str) -> Option<Vec<u8>> {
    let mut blob = Vec::new();
    let mut first = None;
    for place in 0..PIECES_MAX {
        let piece = host.load(&format!("{key}#{place}"))?;
        let mut unpack = Unpack::new(&piece);
        let (version, count, stamp) = (unpack.number()?, unpack.number()?, unpack.number()?);
        if version != VERSION || *first.get_or_insert((count, stamp)) != (count, stamp) {
            return None;
        }
        blob.extend_from_slice(unpack.bytes()?);
        if place as u64 + 1 >= count {
            return first.filter(|(_, stamp)| *stamp == stamp_of(&blob)).map(|_| blob);
        }
    }
    None
}

/// Tells whether the pieces of a blob belong together.
fn stamp_of(blob: &[u8]) -> u64 {
    blob.iter().fold(17, |stamp: u64, byte| stamp.wrapping_mul(0x0100_0000_01B3) ^ u64::from(*byte))
}

fn pack_head(node: &Node) -> Pack {
    let mut pack = Pack::default();
    pack.number(match node.liveness {
        Liveness::Unknown => 0,
        Liveness::Online => 1,
        Liveness::Offline => 2,
        Liveness::Disconnected => 3,
    });
    pack.number(node.since_ms);
    pack.optional(node.session);
    pack.optional(node.bdseq);
    pack.number(node.devices.len() as u64);
    for (id, device) in &node.devices {
        pack.text(id);
        pack.number(u64::from(device.online));
        pack.number(device.since_ms);
    }
    pack.number(node.held.len() as u64);
    for (id, _) in node.held.iter() {
        pack.number(*id);
    }
    pack
}

/// Carries the session it belongs to.
fn pack_table(node: &Node) -> Pack {
    let mut pack = Pack::default();
    pack.optional(node.session);
    node.definitions.pack(&mut pack);
    node.table.pack(&mut pack);
    pack
}

fn pack_device(node: &Node, device: &Device) -> Pack {
    let mut pack = Pack::default();
    pack.optional(node.session.filter(|_| device.born));
    pack.number(u64::from(device.born));
    pack.optional(device.birth_ts);
    device.table.pack(&mut pack);
    pack
}

fn pack_sequence(node: &Node) -> Pack {
    let mut pack = Pack::default();
    let (next, seen) = node.sequence.parts();
    pack.optional(node.session);
    pack.optional(next.map(u64::from));
    for word in seen {
        pack.number(word);
    }
    pack
}

/// The node as it was, or `fresh` where memory knows nothing of it.
pub(super) fn load(host: &mut dyn Host, key: &str, fresh: Node, options: &Options) -> Node {
    let mut node = fresh.clone();
    let known =
        read_blob(host, &format!("{key}/head")).and_then(|head| load_parts(host, key, &mut node, &head, options));
    if known.is_some() { node } else { fresh }
}

fn load_parts(host: &mut dyn Host, key: &str, node: &mut Node, head: &[u8], options: &Options) -> Option<()> {
    let mut head = Unpack::new(head);
    node.liveness = match head.number()? {
        0 => Liveness::Unknown,
        1 => Liveness::Online,
        2 => Liveness::Offline,
        3 => Liveness::Disconnected,
        _ => return None,
    };
    node.since_ms = head.number()?;
    node.session = head.optional()?;
    node.bdseq = head.optional()?;
    load_table(host, key, node, options)?;
    for _ in 0..head.count(3)? {
        let id = head.text()?;
        let (online, since_ms) = (head.number()? != 0, head.number()?);
        let mut device = load_device(host, key, node, id, options).unwrap_or_default();
        device.online = online && device.born;
        device.since_ms = since_ms;
        node.devices.insert(id.into(), device);
    }
    for _ in 0..head.count(1)? {
        let id = head.number()?;
        let blob = read_blob(host, &format!("{key}/held/{id}"));
        if let Some(held) = blob.and_then(|blob| Held::unpack(&mut Unpack::new(&blob))) {
            if held.seq.is_some() {
                // Its window closes with the first tick, so that it goes out whatever has been missed since.
                node.reorder_until_ms = Some(0);
            }
            node.held.restore(id, held);
        }
    }
    load_sequence(host, key, node);
    Some(())
}

fn load_table(host: &mut dyn Host, key: &str, node: &mut Node, options: &Options) -> Option<()> {
    if node.session.is_none() {
        return Some(());
    }
    let blob = read_blob(host, &format!("{key}/table"))?;
    let mut unpack = Unpack::new(&blob);
    if unpack.optional()? != node.session {
        return None;
    }
    node.definitions = Definitions::unpack(&mut unpack)?;
    let (group, edge_node) = (node.group.clone(), node.edge_node.clone());
    let address = Address { group: &group, edge_node: &edge_node, device: None };
    node.table = Table::unpack(&mut unpack, |name| is_selected(options, address, name))?;
    Some(())
}

fn load_device(host: &mut dyn Host, key: &str, node: &Node, id: &str, options: &Options) -> Option<Device> {
    let blob = read_blob(host, &format!("{key}/device/{id}"))?;
    let mut unpack = Unpack::new(&blob);
    let session = unpack.optional()?;
    let born = unpack.number()? != 0;
    let birth_ts = unpack.optional()?;
    let address = Address { group: &node.group, edge_node: &node.edge_node, device: Some(id) };
    let table = Table::unpack(&mut unpack, |name| is_selected(options, address, name))?;
    Some(Device { online: false, since_ms: 0, birth_ts, born: born && session == node.session, table })
}

fn load_sequence(host: &mut dyn Host, key: &str, node: &mut Node) -> Option<()> {
    let blob = read_blob(host, &format!("{key}/seq"))?;
    let mut unpack = Unpack::new(&blob);
    if unpack.optional()? != node.session {
        return None;
    }
    let next = unpack.optional()?.and_then(|next| u8::try_from(next).ok());
    let mut seen = [0; 4];
    for word in &mut seen {
        *word = unpack.number()?;
    }
    node.sequence = Sequence::from_parts(next, seen);
    Some(())
}
