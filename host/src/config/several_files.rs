//! Several files, several problems, odd files: what is told, and where.

use std::fs;
use std::path::PathBuf;

use super::{LoadError, Loaded, Outside, load, report};

const MAIN: &str = "[mqtt.plant]\nurl = \"mqtt://h\"\n[kafka.main]\nbrokers = [\"h:1\"]\n";
const RULE: &str = "[[rule]]\nname = \"r\"\nfrom = [\"a\"]\nto = { topic = \"t\" }\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            folder.write(name, content.as_bytes());
        }
        folder
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn load(&self, paths: &[&str]) -> Result<Loaded, LoadError> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| self.0.path().join(path)).collect();
        load(&paths, &Outside { env: &|_| None, builtins: &[] })
    }

    /// `FILE:LINE CODE KEY` of each problem.
    fn told(&self, paths: &[&str]) -> Vec<String> {
        let root = self.0.path().to_string_lossy().into_owned();
        let loaded = self.load(paths).unwrap();
        let problems = loaded.problems.iter().map(|problem| {
            let file = problem.place.file.strip_prefix(&root).unwrap().trim_start_matches('/');
            format!("{file}:{} {} {}", problem.place.line, problem.code, problem.place.key)
        });
        problems.collect()
    }
}

#[track_caller]
fn check(files: &[(&str, &str)], paths: &[&str], expected: &[&str]) {
    assert_eq!(Folder::new(files).told(paths), expected);
}

#[test]
fn a_folder_means_its_main_file_or_else_all_its_files() {
    let rules = format!("rules = \"rules.d\"\n{MAIN}");
    let folder = Folder::new(&[("c/tidegate.toml", &rules), ("c/other.toml", "x = 1"), ("c/rules.d/r.toml", RULE)]);
    assert_eq!(folder.told(&["c"]), [""; 0]);
    assert_eq!(folder.load(&["c"]).unwrap().config.unwrap().rules.len(), 1);
    let folder = Folder::new(&[("c/b.toml", RULE), ("c/a.toml", MAIN), ("c/.hidden.toml", "x"), ("c/n.txt", "x")]);
    assert_eq!(folder.told(&["c"]), [""; 0]);
}

#[test]
fn later_files_add_tables_keys_and_rules() {
    let second = "[mqtt.plant]\nusername = \"u\"\n[shutdown]\ndrain = \"1s\"\n";
    let folder = Folder::new(&[("a.toml", MAIN), ("b.toml", second), ("c.toml", RULE)]);
    let config = folder.load(&["a.toml", "b.toml", "c.toml"]).unwrap().config.unwrap();
    assert_eq!(config.sources[0].username.as_deref(), Some("u"));
    assert_eq!(config.rules.len(), 1);
}

#[test]
fn the_same_key_in_two_files_is_told_at_the_later() {
    let second = "[kafka.main]\nlinger = \"1ms\"\nbrokers = [\"i:1\"]\n";
    let main = format!("{MAIN}{RULE}");
    let expected = ["b.toml:1 duplicate-key kafka.main", "b.toml:3 duplicate-key kafka.main.brokers"];
    check(&[("a.toml", &main), ("b.toml", second)], &["a.toml", "b.toml"], &expected);
    let rules = format!("rules = \"r\"\n{main}");
    let expected = ["b.toml:1 duplicate-key rules"];
    check(&[("a.toml", &rules), ("b.toml", "rules = \"r\""), ("r/x", "")], &["a.toml", "b.toml"], &expected);
}

#[test]
fn rules_count_within_their_file() {
    let main = format!("rules = \"d\"\n{MAIN}{RULE}");
    let first = "[[rule]]\nname = \"a\"\nfrom = [\"a\"]\nto = { topic = \"t\" }\n[[rule]]\nnaem = \"b\"\nfrom = [\"b\"]\nto = { topic = \"t\" }\n";
    let files = [("tidegate.toml", &*main), ("d/1.toml", first), ("d/2.toml", RULE), ("d/..data/3.toml", "x")];
    let expected = ["d/1.toml:6 unknown-key rule[1].naem", "d/2.toml:2 duplicate-rule rule[0].name"];
    check(&files, &["tidegate.toml"], &expected);
}

#[test]
fn a_rule_without_its_second_brackets_is_told_as_that() {
    let main = format!("rules = \"d\"\n{MAIN}{RULE}");
    let single = RULE.replace("[[rule]]", "[rule]").replace("\"r\"", "\"s\"").replace("[\"a\"]", "[]");
    let expected = ["d/1.toml:1 wrong-type rule", "d/1.toml:3 empty-value rule[0].from"];
    check(&[("tidegate.toml", &*main), ("d/1.toml", &*single)], &["tidegate.toml"], &expected);
}

#[test]
fn all_problems_of_all_files_are_told_at_once() {
    let main = format!("rules = \"d\"\nx = 1\n{MAIN}window = 5\n[shutdown]\ndrain = 5\n");
    let broken = "[[rule]]\nname = \"a\nfrom = [\"#/a\"]\nto = { topic = \"t\", kafka = \"mian\" }\n";
    let files = [("tidegate.toml", &*main), ("d/1.toml", broken), ("d/2.toml", &RULE.replace("topic", "topci"))];
    let expected = [
        "tidegate.toml:2 unknown-key x",
        "tidegate.toml:7 unknown-key kafka.main.window",
        "tidegate.toml:9 no-unit shutdown.drain",
        "d/1.toml:2 syntax rule[0].name",
        "d/1.toml:3 bad-filter rule[0].from[0]",
        "d/1.toml:4 unknown-cluster rule[0].to.kafka",
        "d/2.toml:4 unknown-key rule[0].to.topci",
    ];
    check(&files, &["tidegate.toml"], &expected);
}

#[test]
fn a_name_lost_to_a_syntax_error_is_not_told_as_unknown() {
    let main = "[mqtt.plant\nurl = \"mqtt://h\"\n[mqtt.b]\nurl = \"mqtt://i\"\n[kafka.main]\nbrokers = [\"h:1\"]\n";
    let rule = RULE.replace("from", "source = \"plant\"\nfrom");
    check(&[("a.toml", &format!("{main}{rule}"))], &["a.toml"], &["a.toml:1 syntax mqtt.plant"]);
}

#[test]
fn empty_configurations_say_what_is_missing() {
    let expected = ["a.toml:1 no-source mqtt", "a.toml:1 no-cluster kafka", "a.toml:1 no-rule rule"];
    check(&[("a.toml", "")], &["a.toml"], &expected);
    check(&[("a.toml", "[mqtt]\n[kafka]\n")], &["a.toml"], &expected);
    check(&[("a.toml", "# only a comment")], &["a.toml"], &expected);
}

#[test]
fn odd_files_are_told_not_choked_on() {
    let folder = Folder::new(&[("x.toml/y", "")]);
    let good = format!("{MAIN}{RULE}");
    folder.write("bom.toml", format!("\u{feff}{good}").as_bytes());
    folder.write("crlf.toml", good.replace('\n', "\r\n").as_bytes());
    folder.write("latin.toml", [good.as_bytes(), b"# caf\xe9\n"].concat().as_slice());
    folder.write("nul.toml", format!("{good}x = \"a\0\"\n").as_bytes());
    folder.write("deep.toml", format!("{good}x = {}\n", "[".repeat(50_000)).as_bytes());
    assert_eq!(folder.told(&["bom.toml"]), [""; 0]);
    assert_eq!(folder.told(&["crlf.toml"]), [""; 0]);
    assert_eq!(folder.told(&["latin.toml"]), ["latin.toml:9 not-utf8 "]);
    assert!(folder.told(&["nul.toml"])[0].starts_with("nul.toml:9 syntax"));
    assert!(folder.told(&["deep.toml"])[0].starts_with("deep.toml:9 syntax"));
    folder.write("with/main.toml", format!("rules = \"..\"\n{MAIN}{RULE}").as_bytes());
    assert!(folder.told(&["with/main.toml"]).iter().any(|told| told.contains("x.toml:1 unreadable-file")));
}

#[test]
fn what_is_not_there_is_another_matter_than_what_is_wrong() {
    let folder = Folder::new(&[("empty/x.txt", "")]);
    assert!(matches!(folder.load(&["nope.toml"]), Err(LoadError::Missing { .. })));
    assert!(matches!(folder.load(&["empty"]), Err(LoadError::EmptyFolder { .. })));
}

#[test]
fn defaults_are_those_that_are_documented() {
    let config = Folder::new(&[("a.toml", &format!("{MAIN}{RULE}"))]).load(&["a.toml"]).unwrap().config.unwrap();
    let source = &config.sources[0];
    assert_eq!((source.window, source.window_bytes, source.keep_alive.as_secs()), (1024, 64 << 20, 30));
    assert_eq!((source.session_expiry.as_secs(), source.packet_bytes_max), (7 * 86_400, 268_435_455));
    assert!(source.client_id.starts_with("tidegate-") && source.client_id.ends_with("-plant"));
    assert_eq!(config.clusters[0].linger.as_millis(), 1);
    assert_eq!(config.dead_letter.unwrap().topic, "tidegate.dead-letter");
    assert_eq!(config.admin.listen.unwrap().to_string(), "127.0.0.1:9191");
    assert_eq!(config.shutdown.drain.as_secs(), 10);
    assert_eq!(config.plugins.limits.call.as_millis(), 100);
    assert_eq!(config.rules[0].qos.level(), 1);
    assert!(config.plugins.lanes >= 1);
}

#[test]
fn secrets_never_leave() {
    const CANARY: &str = "hunter2";
    let main = format!("{MAIN}{RULE}");
    for line in [
        "password = \"hunter2\" x",
        "password = \"hunter2",
        "passwrod = \"hunter2\"",
        "password \"hunter2\"",
        "password = hunter2",
        "password = \"\"\"hunter2\nhunter2\"\"\"\nx = 1",
        "password = [\"hunter2\"]",
        "tls = { password = \"hunter2\" }",
        "url = \"mqtt://u:hunter2@h\"",
        "admin_token = 'hunter2'",
    ] {
        let text = main.replace("url = \"mqtt://h\"", line);
        let loaded = Folder::new(&[("a.toml", &text)]).load(&["a.toml"]).unwrap();
        assert!(loaded.has_errors(), "{line}");
        assert!(!report::human(&loaded.problems).contains(CANARY), "{}", report::human(&loaded.problems));
        assert!(!format!("{:?}", loaded.problems).contains(CANARY), "{line}");
        assert!(!report::json(&loaded.problems).unwrap().contains(CANARY), "{line}");
    }
}

#[test]
fn plugin_settings_become_json() {
    let rule = RULE
        .replace("to =", "via = [{ plugin = \"p\", config = { n = 1, list = [1.5, true], t = { x = \"é\" } } }]\nto =");
    let files = [("a.toml", &*format!("{MAIN}{rule}[plugins]\nfolder = \".\"\n")), ("p.wasm", "")];
    let config = Folder::new(&files).load(&["a.toml"]).unwrap().config.unwrap();
    let via = &config.rules[0].via[0];
    assert_eq!(via.config, r#"{"list":[1.5,true],"n":1,"t":{"x":"é"}}"#);
    assert_eq!((via.place.line, &*via.place.key), (8, "rule[0].via[0]"));
}
