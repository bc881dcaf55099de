//! The examples are right, the table of settings is what the reader reads, and no input whatever makes it panic.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::test_runner::{Config as Runs, TestRunner};
use serde_json::Value as Json;

use super::settings::{Kind, ROOT, Setting};
use super::{Loaded, Outside, load, report, schema};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

fn read(paths: &[PathBuf]) -> Loaded {
    let env = |name: &str| (name == "SET").then(|| "value".to_owned());
    load(paths, &Outside { env: &env, builtins: &["threshold", "decode"] }).unwrap()
}

/// The text with all settings on that are switched off by a `#` without a blank behind it.
fn switched_on(text: &str) -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    text.lines().map(|line| on(line) + "\n").collect()
}

fn example_texts() -> Vec<String> {
    let rules = fs::read_dir(examples().join("rules")).unwrap().map(|entry| entry.unwrap().path());
    let files = rules.chain([examples().join("tidegate.toml")]);
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn the_examples_are_right() {
    let loaded = read(&[examples()]);
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.config.unwrap().rules.len(), 2);
}

#[test]
fn the_examples_are_right_with_everything_switched_on() {
    let folder = tempfile::tempdir().unwrap();
    for (at, text) in example_texts().iter().enumerate() {
        fs::write(folder.path().join(format!("{at}.toml")), switched_on(text)).unwrap();
    }
    for known in ["rules", "plugins.d"] {
        fs::create_dir(folder.path().join(known)).unwrap();
    }
    let loaded = read(&[folder.path().to_path_buf()]);
    let other = |code: &&str| !["missing-file", "unset-variable", "tls-unused"].contains(code);
    let codes: Vec<&str> = loaded.problems.iter().map(|problem| problem.code).filter(|code| other(code)).collect();
    assert_eq!(codes, [""; 0], "{}", report::human(&loaded.problems));
}

#[test]
fn the_examples_show_every_setting_and_fit_the_schema() {
    let schema = schema::schema();
    let mut shown = Json::Null;
    for text in example_texts() {
        let table: toml::Table = switched_on(&text).parse().unwrap();
        let json = serde_json::to_value(table).unwrap();
        assert_eq!(misfit(&schema, &json, ""), None);
        if json.get("mqtt").is_some() {
            shown = json;
        }
    }
    for key in keys(&ROOT, "") {
        assert!(shown.pointer(&key).is_some(), "config/tidegate.toml does not show {key}");
    }
}

/// JSON pointers of all settings, by the names that the example uses.
fn keys(settings: &'static [Setting], path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for setting in settings {
        let path = format!("{path}/{}", setting.name);
        match (&setting.kind, setting.name) {
            (Kind::Named(inner), "mqtt") => found.extend(keys(inner, &format!("{path}/plant"))),
            (Kind::Named(inner), "kafka") => found.extend(keys(inner, &format!("{path}/main"))),
            (Kind::Named(_) | Kind::Table(_) | Kind::Either(_, _), "plugin" | "limits" | "tls") => found.push(path),
            (Kind::Table(inner), _) => found.extend(keys(inner, &path)),
            (Kind::List(Kind::Table(inner)), _) => found.extend(keys(inner, &format!("{path}/0"))),
            (_, _) => found.push(path),
        }
    }
    found
}

/// Where `value` does not fit: as much of JSON Schema as ours uses, but for patterns.
fn misfit(schema: &Json, value: &Json, path: &str) -> Option<String> {
    if let Some(any) = schema.get("anyOf").and_then(Json::as_array) {
        let fits = any.iter().any(|one| misfit(one, value, path).is_none());
        return (!fits).then(|| format!("{path} fits nothing of anyOf"));
    }
    if let Some(names) = schema.get("enum").and_then(Json::as_array) {
        return (!names.contains(value)).then(|| format!("{path} is none of the names"));
    }
    match (schema["type"].as_str(), value) {
        (Some("object"), Json::Object(entries)) => {
            let missing = schema.get("required").and_then(Json::as_array).into_iter().flatten();
            if let Some(key) = missing.filter_map(Json::as_str).find(|key| !entries.contains_key(*key)) {
                return Some(format!("{path}/{key} is missing"));
            }
            entries.iter().find_map(|(key, value)| {
                let path = format!("{path}/{key}");
                match schema.pointer(&format!("/properties/{key}")).or(schema.get("additionalProperties")) {
                    Some(Json::Bool(false)) => Some(format!("{path} is not known")),
                    Some(inner) => misfit(inner, value, &path),
                    None => None,
                }
            })
        }
        (Some("array"), Json::Array(items)) => items.iter().find_map(|item| misfit(&schema["items"], item, path)),
        (Some("string"), Json::String(_)) | (Some("boolean"), Json::Bool(_)) | (None, _) => None,
        (Some("integer"), Json::Number(number)) => {
            let fits = number.as_i64() >= schema["minimum"].as_i64() && number.as_i64() <= schema["maximum"].as_i64();
            (!fits).then(|| format!("{path} is out of range"))
        }
        (Some(_), _) => Some(format!("{path} is of another type")),
    }
}

/// Each setting gets a date, which none of them is: whatever is not told as wrong is never read.
#[test]
fn every_setting_is_read() {
    let main = "[mqtt.plant]\nurl = \"mqtt://h\"\n[kafka.main]\nbrokers = [\"h:1\"]\n";
    let rule = "[[rule]]\nname = \"r\"\nfrom = [\"a\"]\nto = { topic = \"t\" }\nvia = [{ plugin = \"decode\", grants = [{}] }]\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.toml");
    for key in leaves(&ROOT, "") {
        let mut table: toml::Table = format!("{main}{rule}").parse().unwrap();
        set_date(&mut table, &key);
        fs::write(&path, table.to_string()).unwrap();
        let loaded = read(std::slice::from_ref(&path));
        let found = loaded.problems.iter().any(|problem| {
            let wrong = ["wrong-type", "no-unit"].contains(&problem.code);
            wrong && problem.place.key.replace("[0]", "") == key
        });
        assert!(found, "{key}: {:#?}", loaded.problems);
    }
}

fn leaves(settings: &'static [Setting], path: &str) -> Vec<String> {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let mut found = Vec::new();
    for Setting { name, kind, .. } in settings {
        found.push(join(name));
        let inner = match kind {
            Kind::Table(inner) | Kind::List(Kind::Table(inner)) | Kind::OneOrMany(Kind::Table(inner)) => {
                (*inner, join(name))
            }
            Kind::Either(_, Kind::Table(inner)) | Kind::List(Kind::Either(_, Kind::Table(inner))) => {
                (*inner, join(name))
            }
            Kind::Named(inner) => {
                let chosen = match *name {
                    "mqtt" => "plant",
                    "kafka" => "main",
                    _ => "decode",
                };
                (*inner, format!("{}.{chosen}", join(name)))
            }
            _ => continue,
        };
        found.extend(leaves(inner.0, &inner.1));
    }
    found
}

fn set_date(table: &mut toml::Table, key: &str) {
    let (name, rest) = key.split_once('.').map_or((key, None), |(name, rest)| (name, Some(rest)));
    let Some(rest) = rest else {
        table.insert(name.into(), toml::Value::Datetime("1979-05-27".parse().unwrap()));
        return;
    };
    let inner = table.entry(name).or_insert_with(|| toml::Table::new().into());
    let inner = match inner {
        toml::Value::Array(items) => &mut items[0],
        other => other,
    };
    set_date(inner.as_table_mut().unwrap(), rest);
}

#[test]
fn every_default_is_in_range() {
    fn walk(settings: &'static [Setting]) {
        for setting in settings {
            let default = setting.default;
            match (&setting.kind, default) {
                (Kind::Duration(min, max), Some(text)) => {
                    assert!((*min..=*max).contains(&super::units::parse_duration(text).unwrap()), "{}", setting.name);
                }
                (Kind::Size(min, max), Some(text)) => {
                    assert!((*min..=*max).contains(&super::units::parse_size(text).unwrap()), "{}", setting.name);
                }
                (Kind::Whole(min, max), Some(text)) => assert!((*min..=*max).contains(&text.parse().unwrap())),
                (Kind::Choice(names), Some(text)) => assert!(names.contains(&text)),
                (Kind::Table(inner) | Kind::Named(inner) | Kind::List(Kind::Table(inner)), _) => walk(inner),
                (_, _) => {}
            }
        }
    }
    walk(&ROOT);
}

/// Bytes changed, lines lost, doubled, swapped or cut: something is told or nothing, but nothing breaks.
#[test]
fn ten_thousand_mutated_configurations_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.toml");
    let texts: Vec<String> = example_texts().iter().map(|text| switched_on(text)).collect();
    let all: String = texts.concat().split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
    let mutation = (0..6_u8, 0..all.len(), 0..all.len(), proptest::num::u8::ANY);
    let mutations = proptest::collection::vec(mutation, 1..6);
    let mut runner = TestRunner::new(Runs { cases: 10_000, failure_persistence: None, ..Runs::default() });
    let outcome = runner.run(&mutations, |mutations| {
        let mut bytes = all.clone().into_bytes();
        for (way, at, other, byte) in mutations {
            mutate(&mut bytes, way, at, other, byte);
        }
        fs::write(&path, &bytes).unwrap();
        let loaded = read(std::slice::from_ref(&path));
        assert_eq!(report::human(&loaded.problems).is_empty(), loaded.problems.is_empty());
        report::json(&loaded.problems).unwrap();
        assert!(loaded.problems.iter().all(|problem| problem.place.line >= 1 && problem.place.column >= 1));
        Ok(())
    });
    outcome.unwrap();
}

fn mutate(bytes: &mut Vec<u8>, way: u8, at: usize, other: usize, byte: u8) {
    if bytes.is_empty() {
        return;
    }
    let (at, other) = (at % bytes.len(), other % bytes.len());
    let signs = b"[]{}\"'=#.,\n$\\+/- \xff\0";
    match way {
        0 => bytes[at] = byte,
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, signs[usize::from(byte) % signs.len()]),
        3 => bytes.swap(at, other),
        4 => {
            let line: Vec<u8> = bytes[at..].split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
            bytes.splice(other..other, line);
        }
        _ => {
            let length = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len() - at, |end| end + 1);
            bytes.drain(at..at + length);
        }
    }
}
