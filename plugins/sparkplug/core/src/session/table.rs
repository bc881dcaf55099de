//! What a birth has told: names, aliases, types, template members. Lives as long as the session.

use std::borrow::Cow;

use super::pack::{Pack, Unpack};
use crate::datatype::DataType;
use crate::value::{Template, TypeSource};
use crate::wire::{Metric, Raw};

/// The longest value that is remembered as such; of longer ones only a hash.
const LAST_BYTES_MAX: usize = 64;
/// What an entry takes beside its name and member types, with its places in the indexes.
const ENTRY_BYTES: usize = 160;

type Types = Vec<(Box<str>, DataType)>;

/// One metric of a birth.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub name: Box<str>,
    pub alias: Option<u64>,
    /// `None` where the birth had none that is known.
    pub datatype: Option<DataType>,
    /// Passes the `include` and `exclude` of the rule.
    pub selected: bool,
    /// Types of template members by path, where no definition tells the same.
    members: Option<Box<Types>>,
    last: Last,
}

/// The last value, as JSON.
#[derive(Clone, Debug, Default)]
struct Last {
    json: Vec<u8>,
    hashed: bool,
    ts: u64,
}

impl Entry {
    /// Notes a value; gives whether it differs from the one before.
    pub fn remember(&mut self, json: &[u8], ts: u64) -> bool {
        let hash;
        let (kept, hashed) = if json.len() <= LAST_BYTES_MAX {
            (json, false)
        } else {
            hash = fnv(json).to_le_bytes();
            (&hash[..], true)
        };
        self.last.ts = ts;
        if self.last.hashed == hashed && self.last.json == kept {
            return false;
        }
        self.last.json.clear();
        self.last.json.extend_from_slice(kept);
        self.last.hashed = hashed;
        true
    }

    /// Whether a value is another than the last one.
    #[must_use]
    pub fn differs(&self, json: &[u8]) -> bool {
        match self.last.hashed {
            false => self.last.json != json,
            true => self.last.json != fnv(json).to_le_bytes(),
        }
    }

    /// The last value as JSON, if it was short, and its time; `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<(Option<&[u8]>, u64)> {
        let json = (!self.last.hashed).then_some(self.last.json.as_slice());
        (!self.last.json.is_empty()).then_some((json, self.last.ts))
    }

    fn bytes(&self) -> usize {
        let members = self.members.as_ref().map_or(0, |members| types_bytes(members));
        ENTRY_BYTES + self.name.len() + members
    }
}

fn types_bytes(types: &Types) -> usize {
    24 + types.iter().map(|(path, _)| 32 + path.len()).sum::<usize>()
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

/// Template definitions of a node, by name.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    sorted: Vec<(Box<str>, Types)>,
}

impl Definitions {
    /// Gathers the definitions among the metrics of a birth.
    #[must_use]
    pub fn of(metrics: &[Metric<'_>]) -> Self {
        let mut sorted: Vec<(Box<str>, Types)> = metrics
            .iter()
            .filter_map(|metric| {
                let template = definition(metric)?;
                let name = String::from_utf8_lossy(metric.name?);
                Some((name.into(), direct_types(&template)))
            })
            .collect();
        sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
        Self { sorted }
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.sorted.iter().map(|(name, types)| 32 + name.len() + types_bytes(types)).sum()
    }

    /// By its name, with or without `_types_/` in front on either side.
    fn get(&self, name: &str) -> Option<&Types> {
        let plain = name.strip_prefix("_types_/").unwrap_or(name);
        self.exact(name).or_else(|| self.exact(plain)).or_else(|| self.exact(&format!("_types_/{plain}")))
    }

    fn exact(&self, name: &str) -> Option<&Types> {
        let at = self.sorted.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.sorted.get(at).map(|(_, types)| types)
    }

    pub fn pack(&self, pack: &mut Pack) {
        pack.number(self.sorted.len() as u64);
        for (name, types) in &self.sorted {
            pack.text(name);
            pack_types(pack, types);
        }
    }

    #[must_use]
    pub fn unpack(unpack: &mut Unpack<'_>) -> Option<Self> {
        let count = unpack.count(2)?;
        let sorted = (0..count).map(|_| Some((unpack.text()?.into(), unpack_types(unpack)?))).collect::<Option<_>>()?;
        Some(Self { sorted })
    }
}

/// The template definition that a metric is, if it is one.
#[must_use]
pub fn definition<'a>(metric: &Metric<'a>) -> Option<Template<'a>> {
    match metric.value {
        Raw::Template(bytes) if !metric.null => Some(Template::parse(bytes)).filter(|template| template.is_definition),
        _ => None,
    }
}

fn direct_types(template: &Template<'_>) -> Types {
    let mut types: Types = template
        .members()
        .filter_map(|member| {
            let datatype = DataType::from_code(member.datatype?)?;
            Some((String::from_utf8_lossy(member.name?).into(), datatype))
        })
        .collect();
    types.sort_by(|(left, _), (right, _)| left.cmp(right));
    types
}

fn lookup(types: &Types, name: &str) -> Option<DataType> {
    let at = types.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
    types.get(at).map(|(_, datatype)| *datatype)
}

fn pack_types(pack: &mut Pack, types: &Types) {
    pack.number(types.len() as u64);
    for (path, datatype) in types {
        pack.text(path);
        pack.number(u64::from(datatype.code()));
    }
}

fn unpack_types(unpack: &mut Unpack<'_>) -> Option<Types> {
    let count = unpack.count(2)?;
    (0..count).map(|_| Some((unpack.text()?.into(), unpack_type(unpack)?))).collect()
}

fn unpack_type(unpack: &mut Unpack<'_>) -> Option<DataType> {
    DataType::from_code(u32::try_from(unpack.number()?).ok()?)
}

/// Types of the members of one metric: from its own birth, then from the definitions.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub entry: Option<&'a Entry>,
    pub definitions: &'a Definitions,
}

impl TypeSource for Scope<'_> {
    fn member(&self, path: &str, definition: Option<&str>, name: &str) -> Option<DataType> {
        let own = self.entry.and_then(|entry| entry.members.as_ref()).and_then(|types| lookup(types, path));
        own.or_else(|| lookup(self.definitions.get(definition?)?, name))
    }
}

/// The metrics of one birth, found by name or by alias.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<Entry>,
    /// Places in `entries`, in the order of names.
    by_name: Vec<u32>,
    /// Sorted; an alias that occurs twice is ambiguous and stands for nothing.
    by_alias: Vec<(u64, u32)>,
    /// Aliases that occur twice.
    ambiguous: usize,
    bytes: usize,
}

/// Why a birth is not remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BirthError {
    /// All births together would take more than this.
    Memory { bytes_max: usize },
    /// More devices than this.
    Devices { devices_max: usize },
}

impl std::fmt::Display for BirthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory { bytes_max } => write!(f, "the births would take more than {bytes_max} bytes of memory"),
            Self::Devices { devices_max } => write!(f, "the edge node has more than {devices_max} devices"),
        }
    }
}

impl std::error::Error for BirthError {}

/// Gathers the metrics of a birth.
pub struct TableBuilder<'a> {
    table: Table,
    definitions: &'a Definitions,
}

impl<'a> TableBuilder<'a> {
    #[must_use]
    pub fn new(definitions: &'a Definitions, count: usize) -> Self {
        Self { table: Table { entries: Vec::with_capacity(count), ..Table::default() }, definitions }
    }

    /// Adds a metric; one without a name cannot be found again and is left out. Gives its place.
    pub fn add(&mut self, metric: &Metric<'_>, selected: impl FnOnce(&str) -> bool) -> Option<u32> {
        let name = String::from_utf8_lossy(metric.name.filter(|name| !name.is_empty())?);
        let place = u32::try_from(self.table.entries.len()).ok()?;
        let datatype = match metric.datatype {
            Some(code) => DataType::from_code(code),
            None => crate::value::inferred(metric.value),
        };
        let entry = Entry {
            selected: selected(&name),
            name: name.into(),
            alias: metric.alias,
            datatype,
            members: self.members(metric),
            last: Last::default(),
        };
        self.table.entries.push(entry);
        Some(place)
    }

    #[must_use]
    pub fn finish(self) -> Table {
        let mut table = self.table;
        table.index();
        table
    }

    fn members(&self, metric: &Metric<'_>) -> Option<Box<Types>> {
        let Raw::Template(bytes) = metric.value else { return None };
        if metric.null || definition(metric).is_some() {
            return None;
        }
        let mut types = Types::new();
        self.gather(&Template::parse(bytes), &mut String::new(), &mut types);
        types.sort_by(|(left, _), (right, _)| left.cmp(right));
        (!types.is_empty()).then(|| Box::new(types))
    }

    /// As deep as the wire allows, which is bounded.
    fn gather(&self, template: &Template<'_>, path: &mut String, types: &mut Types) {
        let reference = template.template_ref.map(String::from_utf8_lossy);
        let known = reference.and_then(|name| self.definitions.get(&name));
        for member in template.members() {
            let Some(name) = member.name else { continue };
            let before = path.len();
            if before > 0 {
                path.push('/');
            }
            let name = String::from_utf8_lossy(name);
            path.push_str(&name);
            match (member.value, member.datatype.and_then(DataType::from_code)) {
                (Raw::Template(inner), _) => self.gather(&Template::parse(inner), path, types),
                (_, Some(datatype)) if known.and_then(|known| lookup(known, &name)) != Some(datatype) => {
                    types.push((path.as_str().into(), datatype));
                }
                (_, Some(_) | None) => {}
            }
            path.truncate(before);
        }
    }
}

impl Table {
    fn index(&mut self) {
        let entries = &self.entries;
        let name_of = |place: &u32| entries.get(*place as usize).map(|entry| &entry.name);
        self.by_name = (0..entries.len() as u32).collect();
        self.by_name.sort_by(|left, right| name_of(left).cmp(&name_of(right)));
        self.by_alias = (0..).zip(entries).filter_map(|(place, entry)| Some((entry.alias?, place))).collect();
        self.by_alias.sort_unstable();
        let twice = |pair: &[(u64, u32)]| matches!(pair, [(left, _), (right, _)] if left == right);
        self.ambiguous = self.by_alias.windows(2).filter(|pair| twice(pair)).count();
        self.bytes = entries.iter().map(Entry::bytes).sum();
    }

    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<u32> {
        let name_of = |place: &u32| self.entries.get(*place as usize).map_or("", |entry| &entry.name);
        let at = self.by_name.binary_search_by(|place| name_of(place).cmp(name)).ok()?;
        self.by_name.get(at).copied()
    }

    /// A name as sent, which should be UTF-8.
    #[must_use]
    pub fn by_sent_name(&self, name: &[u8]) -> Option<u32> {
        match String::from_utf8_lossy(name) {
            Cow::Borrowed(name) => self.by_name(name),
            Cow::Owned(name) => self.by_name(&name),
        }
    }

    /// `None` for an alias that the birth has not given, or has given twice (`tck-id-payloads-alias-uniqueness`).
    #[inline]
    #[must_use]
    pub fn by_alias(&self, alias: u64) -> Option<u32> {
        let at = self.by_alias.binary_search_by_key(&alias, |(known, _)| *known).ok()?;
        let has = |place: Option<usize>| {
            place.and_then(|place| self.by_alias.get(place)).is_some_and(|(other, _)| *other == alias)
        };
        if self.ambiguous > 0 && (has(at.checked_sub(1)) || has(Some(at + 1))) {
            return None;
        }
        self.by_alias.get(at).map(|(_, place)| *place)
    }

    #[inline]
    #[must_use]
    pub fn entry(&self, place: u32) -> Option<&Entry> {
        self.entries.get(place as usize)
    }

    pub fn entry_mut(&mut self, place: u32) -> Option<&mut Entry> {
        self.entries.get_mut(place as usize)
    }

    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes over the last values of the metrics that an older birth had with the same type.
    pub fn inherit(&mut self, older: &mut Self) {
        for entry in &mut self.entries {
            let old = older.by_name(&entry.name).and_then(|place| older.entries.get_mut(place as usize));
            if let Some(old) = old.filter(|old| old.datatype == entry.datatype) {
                entry.last = std::mem::take(&mut old.last);
            }
        }
    }

    /// Aliases that the birth gave twice.
    #[must_use]
    pub fn ambiguous(&self) -> usize {
        self.ambiguous
    }

    /// What it takes of `limits.memory_bytes`.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn pack(&self, pack: &mut Pack) {
        pack.number(self.entries.len() as u64);
        for entry in &self.entries {
            pack.text(&entry.name);
            pack.optional(entry.alias);
            pack.number(entry.datatype.map_or(0, |datatype| u64::from(datatype.code())));
            match &entry.members {
                Some(types) => pack_types(pack, types),
                None => pack.number(0),
            }
        }
    }

    #[must_use]
    pub fn unpack(unpack: &mut Unpack<'_>, selected: impl Fn(&str) -> bool) -> Option<Self> {
        let count = unpack.count(4)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let name = unpack.text()?;
            let alias = unpack.optional()?;
            let datatype = DataType::from_code(u32::try_from(unpack.number()?).ok()?);
            let types = unpack_types(unpack)?;
            let members = (!types.is_empty()).then(|| Box::new(types));
            let (name, selected) = (name.into(), selected(name));
            entries.push(Entry { name, alias, datatype, selected, members, last: Last::default() });
        }
        let mut table = Self { entries, ..Self::default() };
        table.index();
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(metrics: &[(&str, Option<u64>)]) -> Table {
        let definitions = Definitions::default();
        let mut builder = TableBuilder::new(&definitions, metrics.len());
        for (name, alias) in metrics {
            let metric = Metric { name: Some(name.as_bytes()), alias: *alias, datatype: Some(3), ..Metric::default() };
            builder.add(&metric, |_| true);
        }
        builder.finish()
    }

    #[test]
    fn metrics_are_found_by_name_and_alias() {
        let table = table(&[("b", Some(0)), ("a", Some(u64::MAX)), ("c", None)]);
        assert_eq!((table.by_name("a"), table.by_name("d")), (Some(1), None));
        assert_eq!((table.by_alias(0), table.by_alias(u64::MAX), table.by_alias(7)), (Some(0), Some(1), None));
    }

    #[test]
    fn payloads_alias_uniqueness() {
        let table = table(&[("a", Some(1)), ("b", Some(2)), ("c", Some(2)), ("d", Some(3))]);
        assert_eq!(table.ambiguous(), 1);
        assert_eq!((table.by_alias(1), table.by_alias(2), table.by_alias(3)), (Some(0), None, Some(3)));
    }

    #[test]
    fn memory_comes_back_as_it_was() {
        let table = table(&[("b", Some(0)), ("a", None)]);
        let mut pack = Pack::default();
        table.pack(&mut pack);
        let bytes = pack.finish();
        let again = Table::unpack(&mut Unpack::new(&bytes), |name| name == "a").unwrap();
        assert_eq!((again.by_alias(0), again.by_name("a")), (Some(0), Some(1)));
        assert!(again.entry(1).unwrap().selected && !again.entry(0).unwrap().selected);
        assert!(Table::unpack(&mut Unpack::new(&bytes[..bytes.len() - 1]), |_| true).is_none());
    }

    #[test]
    fn only_a_change_is_a_change() {
        let mut entry = Entry::default();
        assert!(entry.remember(b"1", 5));
        assert!(!entry.remember(b"1", 6));
        let long = [b'7'; 100];
        assert!(entry.remember(&long, 7));
        assert!(!entry.remember(&long, 8));
        assert_eq!(entry.last(), Some((None, 8)));
    }
}
