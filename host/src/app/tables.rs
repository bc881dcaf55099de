//! The tables that plugins look into: read from CSV and JSON files, held for all, replaced whole when a file has changed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::Read;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::csv;
use crate::config::{LookupConfig, Problem, Severity};
use crate::digest::sha256_hex;
use crate::seam::Tables;

/// All tables by name, as the last reload left them.
#[derive(Default)]
pub struct TableSet(ArcSwap<HashMap<String, Arc<Table>>>);

/// One table, unchanging.
struct Table {
    /// What it was made of: the file's digest and how it was read.
    origin: (String, Option<String>),
    rows: HashMap<String, Row>,
}

struct Row {
    value: Value,
    /// The same as text, for who wants it whole.
    json: Bytes,
}

/// Tables that were read and wait to be taken over.
pub struct LoadedTables(HashMap<String, Arc<Table>>);

impl TableSet {
    /// Reads all files; a table whose file has not changed is kept as it is.
    pub fn load(&self, wanted: &[LookupConfig]) -> (LoadedTables, Vec<Problem>) {
        let known = self.0.load();
        let (mut tables, mut problems) = (HashMap::new(), Vec::new());
        for config in wanted {
            match Table::read(config, known.get(&config.name)) {
                Ok(table) => drop(tables.insert(config.name.clone(), table)),
                Err(error) => problems.push(problem(config, &error)),
            }
        }
        (LoadedTables(tables), problems)
    }

    /// From now on plugins see these. Whether anything is other than before.
    pub fn take_over(&self, LoadedTables(next): LoadedTables) -> bool {
        let before = self.0.load();
        let is_same = before.len() == next.len()
            && next.iter().all(|(name, table)| before.get(name).is_some_and(|known| Arc::ptr_eq(known, table)));
        if !is_same {
            self.0.store(Arc::new(next));
        }
        !is_same
    }
}

impl Tables for TableSet {
    fn row(&self, table: &str, key: &str) -> Option<Option<Bytes>> {
        Some(self.0.load().get(table)?.rows.get(key).map(|row| row.json.clone()))
    }

    fn field(&self, table: &str, key: &str, column: &str) -> Option<Option<String>> {
        let tables = self.0.load();
        let field = tables.get(table)?.rows.get(key).and_then(|row| row.value.get(column));
        Some(field.map(|value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)))
    }
}

fn problem(config: &LookupConfig, error: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        code: "lookup-unusable",
        place: config.place.clone(),
        message: format!("the table `{}` cannot be read from {}: {error}", config.name, config.file.display()),
        help: None,
        excerpt: None,
    }
}

impl Table {
    fn read(config: &LookupConfig, known: Option<&Arc<Self>>) -> Result<Arc<Self>, String> {
        let bytes = read(config)?;
        let origin = (sha256_hex(&bytes), config.key.clone());
        if let Some(known) = known.filter(|known| known.origin == origin) {
            return Ok(known.clone());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8")?;
        let is_json = config.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let rows = if is_json { json_rows(text, config) } else { csv_rows(text, config) }?;
        Ok(Arc::new(Self { origin, rows }))
    }
}

/// The whole file, if it is not too large. One that grows meanwhile is not read further.
fn read(config: &LookupConfig) -> Result<Vec<u8>, String> {
    let file = fs::File::open(&config.file).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let limit = config.file_bytes_max;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match bytes.len() as u64 > limit {
        true => Err(format!("it has more than its limit of {limit} bytes")),
        false => Ok(bytes),
    }
}

fn csv_rows(text: &str, config: &LookupConfig) -> Result<HashMap<String, Row>, String> {
    let mut lines = csv::records(text);
    let names = lines.next().ok_or("it is empty")??;
    let key_at = match &config.key {
        None => 0,
        Some(key) => names.iter().position(|name| name == key).ok_or(format!("it has no column `{key}`"))?,
    };
    let mut rows = HashMap::new();
    for (number, line) in lines.enumerate() {
        let line = line?;
        if line.len() != names.len() {
            let (has, wants) = (line.len(), names.len());
            return Err(format!("its row {} has {has} fields, its first line {wants}", number + 1));
        }
        let key = line[key_at].clone();
        let members: Map<String, Value> = names.iter().cloned().zip(line.into_iter().map(Value::from)).collect();
        insert(&mut rows, key, Value::Object(members), config)?;
    }
    Ok(rows)
}

/// An object by key, or a list of objects.
fn json_rows(text: &str, config: &LookupConfig) -> Result<HashMap<String, Row>, String> {
    let parsed: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut rows = HashMap::new();
    match (parsed, &config.key) {
        (Value::Object(members), None) => {
            members.into_iter().try_for_each(|(key, value)| insert(&mut rows, key, value, config))?;
        }
        (Value::Array(items), Some(key)) => {
            for item in items {
                let found = item.get(key).ok_or(format!("one of its objects has no `{key}`"))?;
                let found = found.as_str().map_or_else(|| found.to_string(), ToOwned::to_owned);
                insert(&mut rows, found, item, config)?;
            }
        }
        (Value::Array(_), None) => return Err("it is a list, so `key` must say by which member to look up".into()),
        _ => return Err("it is neither an object by key nor a list of objects".into()),
    }
    Ok(rows)
}

fn insert(rows: &mut HashMap<String, Row>, key: String, value: Value, config: &LookupConfig) -> Result<(), String> {
    if rows.len() >= config.rows_max {
        return Err(format!("it has more than its limit of {} rows", config.rows_max));
    }
    let row = Row { json: value.to_string().into(), value };
    match rows.entry(key) {
        Entry::Vacant(place) => {
            place.insert(row);
            Ok(())
        }
        Entry::Occupied(known) => Err(format!("the key `{}` stands there twice", known.key().escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, content: &str, key: Option<&str>) -> (tempfile::TempDir, LookupConfig) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let config = LookupConfig {
            name: "t".into(),
            file,
            key: key.map(Into::into),
            rows_max: 3,
            file_bytes_max: 1000,
            place: crate::config::Place::default(),
        };
        (folder, config)
    }

    fn check(name: &str, content: &str, key: Option<&str>, row: &str) {
        let (_folder, config) = table(name, content, key);
        let set = TableSet::default();
        let (loaded, problems) = set.load(&[config]);
        assert_eq!(problems, []);
        assert!(set.take_over(loaded));
        assert_eq!(set.row("t", "7").unwrap().unwrap(), row.as_bytes());
        assert_eq!(set.field("t", "7", "line"), Some(Some("l1".into())));
        assert_eq!(set.row("t", "9"), Some(None));
        assert_eq!(set.row("u", "7"), None);
    }

    fn check_refused(name: &str, content: &str, key: Option<&str>, part: &str) {
        let (_folder, config) = table(name, content, key);
        let (_, problems) = TableSet::default().load(&[config]);
        assert!(problems[0].message.contains(part), "{}", problems[0].message);
    }

    #[test]
    fn rows_come_from_csv_and_json() {
        let row = r#"{"id":"7","line":"l1"}"#;
        check("t.csv", "id,line\n7,l1\n8,\"l\"\"2\"\n", None, row);
        check("t.csv", "line,id\r\nl1,7\r\n", Some("id"), row);
        check("t.json", r#"[{"id":7,"line":"l1"}]"#, Some("id"), r#"{"id":7,"line":"l1"}"#);
        check("t.json", r#"{"7":{"line":"l1"}}"#, None, r#"{"line":"l1"}"#);
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        check_refused("t.csv", "", None, "it is empty");
        check_refused("t.csv", "id\n1\n1\n", None, "twice");
        check_refused("t.csv", "id\n1\n2\n3\n4\n", None, "limit of 3 rows");
        check_refused("t.csv", "id,x\n1\n", None, "has 1 fields");
        check_refused("t.csv", "id\n1\n", Some("no"), "no column `no`");
        check_refused("t.json", "[1]", None, "`key` must say");
        check_refused("t.json", &"1".repeat(2000), None, "limit of 1000 bytes");
    }

    #[test]
    fn a_table_is_replaced_only_when_its_file_has_changed() {
        let (_folder, config) = table("t.csv", "id\n7\n", None);
        let set = TableSet::default();
        let load = || set.take_over(set.load(std::slice::from_ref(&config)).0);
        assert_eq!([load(), load()], [true, false]);
        fs::write(&config.file, "id\n8\n").unwrap();
        assert!(load());
        assert_eq!(set.row("t", "7"), Some(None));
    }
}
