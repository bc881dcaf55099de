//! Broken configurations and what must be said about them: one whole configuration, changed in one place each time.

use std::fs;
use std::path::PathBuf;

use super::{Loaded, Outside, Severity, load};

/// Uses every kind of setting, and is right.
const VALID: &str = r#"rules = "rules.d"

[mqtt.plant]
url = "mqtts://broker.example:8883"
protocol = "5"
client_id = "tidegate-1"
username = "bridge"
password = { env = "MQTT_PASSWORD" }
session = "persistent"
session_expiry = "7d"
window = 1024
window_bytes = "64MiB"
keep_alive = "30s"
tls = { ca = "ca.pem", cert = "me.pem", key = "me.key" }

[kafka.main]
brokers = ["127.0.0.1:9092", "127.0.0.1:9093"]
linger = "1ms"
compression = "none"
tls = { ca = "ca.pem" }
sasl = { mechanism = "SCRAM-SHA-512", username = "tidegate", password = { file = "kafka.pw" } }
properties = { "client.rack" = "a" }

[dead_letter]
kafka = "main"
topic = "tidegate.dead-letter"

[plugins]
folder = "plugins.d"
limits = { memory = "64MiB", call = "100ms", init = "5s", output = "16MiB" }

[plugin.celsius]
trusted = false
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"
limits = { call = "20ms" }

[lookup.machines]
file = "machines.csv"
key = "id"

[admin]
listen = "127.0.0.1:9191"
token = "t"

[shutdown]
drain = "10s"

[[rule]]
name = "line-temperature"
source = "plant"
from = ["site/{area}/{line}/temp/#"]
qos = 1
via = ["decode", { plugin = "celsius", config = { unit = "F" }, grants = ["state", { publish = ["cmd/#"], rate = 5 }, { lookup = ["machines"] }] }]
order = "{area}/{line}"
to = { kafka = "main", topic = "iot.{area}.temperature", key = "{line}", headers = { site = "ulm" } }
on_error = "dead-letter"
enabled = true

[[rule]]
name = "all"
from = ["site/+/x", "site/{a}/{b}/y"]
to = [{ topic = "all" }, { topic = "some", key = "" }]
"#;

fn loaded(files: &[(&str, &str)], paths: &[&str]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["rules.d", "plugins.d"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let certificate = "-----BEGIN CERTIFICATE-----\n";
    let helpers = [
        ("ca.pem", certificate),
        ("me.pem", certificate),
        ("me.key", "-----BEGIN PRIVATE KEY-----\n"),
        ("kafka.pw", "pw\n"),
        ("plugins.d/decode.wasm", ""),
        ("plugins.d/celsius.wasm", ""),
    ];
    for (name, content) in helpers.iter().chain(files) {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), content).unwrap();
    }
    let env = |name: &str| (name == "MQTT_PASSWORD").then(|| "pw".to_owned());
    let paths: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
    let mut loaded = load(&paths, &Outside { env: &env, builtins: &["sparkplug"] }).unwrap();
    for problem in &mut loaded.problems {
        let inside = problem.place.file.strip_prefix(&*root.to_string_lossy()).unwrap().trim_start_matches('/');
        problem.place.file = inside.to_owned();
    }
    loaded
}

/// `before` of the valid configuration becomes `after`, in which `»` marks where the one error must stand.
#[track_caller]
fn check(before: &str, after: &str, code: &str, key: &str) {
    let changed = VALID.replacen(before, after, 1);
    assert!(VALID.contains(before), "`{before}` is not in the valid configuration");
    check_text(&changed, code, key, Severity::Error);
}

#[track_caller]
fn check_warning(before: &str, after: &str, code: &str, key: &str) {
    check_text(&VALID.replacen(before, after, 1), code, key, Severity::Warning);
}

#[track_caller]
fn check_text(marked: &str, code: &str, key: &str, severity: Severity) {
    let at = marked.find('»').expect("a `»` marks the place");
    let line = marked[..at].matches('\n').count() + 1;
    let text = marked.replacen('»', "", 1);
    let loaded = loaded(&[("tidegate.toml", &text)], &["tidegate.toml"]);
    let told: Vec<_> = loaded.problems.iter().filter(|problem| problem.severity == severity).collect();
    let [problem] = &told[..] else { panic!("one {severity:?} is expected, not {told:#?}") };
    assert_eq!((problem.code, problem.place.line, &*problem.place.key), (code, line, key), "{problem:#?}");
    assert_eq!(problem.place.file, "tidegate.toml");
    assert_eq!(loaded.config.is_none(), severity == Severity::Error);
    let column = marked[..at].rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    assert_eq!(problem.place.column, column, "{problem:#?}");
    assert!(!problem.message.is_empty() && problem.excerpt.is_some());
}

#[test]
fn the_valid_configuration_is_valid() {
    let loaded = loaded(&[("tidegate.toml", VALID)], &["tidegate.toml"]);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    assert_eq!(config.rules.len(), 2);
    assert_eq!(config.watched, loaded.watched);
    let watched = ["tidegate.toml", "rules.d", "plugins.d", "ca.pem", "me.pem", "me.key", "kafka.pw"];
    for name in watched {
        assert!(loaded.watched.iter().any(|path| path.ends_with(name)), "{name} in {:?}", loaded.watched);
    }
}

#[test]
fn unknown_keys() {
    check("window = 1024", "»windwo = 1024", "unknown-key", "mqtt.plant.windwo");
    check("linger =", "»lingre =", "unknown-key", "kafka.main.lingre");
    check("url =", "»ulr =", "unknown-key", "mqtt.plant.ulr");
    check("brokers =", "»broker =", "unknown-key", "kafka.main.broker");
    check("[shutdown]", "[»shutdwon]", "unknown-key", "shutdwon");
    check("rules = \"rules.d\"", "»rule_folder = \"rules.d\"", "unknown-key", "rule_folder");
    check("qos = 1", "»quos = 1", "unknown-key", "rule[0].quos");
    check("ca = \"ca.pem\" }", "»cafile = \"ca.pem\" }", "unknown-key", "kafka.main.tls.cafile");
    check("grants =", "»grant =", "unknown-key", "rule[0].via[1].grant");
    check("headers =", "»header =", "unknown-key", "rule[0].to.header");
    check("{ topic = \"all\" }", "{ topic = \"all\", »kye = \"x\" }", "unknown-key", "rule[1].to[0].kye");
    check("env =", "»enw =", "unknown-key", "mqtt.plant.password.enw");
    check("call = \"20ms\"", "»calls = \"20ms\"", "unknown-key", "plugin.celsius.limits.calls");
    check("drain =", "»\"dr ain\" =", "unknown-key", "shutdown.\"dr ain\"");
}

#[test]
fn misspelt_and_misplaced_tables() {
    check("[mqtt.plant]", "[»mqqt.plant]", "unknown-key", "mqqt");
    check("[kafka.main]", "[»kakfa.main]", "unknown-key", "kakfa");
    check("[[rule]]\nname = \"all\"", "[»rule]\nname = \"all\"", "duplicate-key", "rule[0]");
    check("to = [{ topic = \"all\"", "»topic = \"x\"\nto = [{ topic = \"all\"", "unknown-key", "rule[1].topic");
    check("drain = \"10s\"", "drain = \"10s\"\n»rule_folder = \"x\"", "unknown-key", "shutdown.rule_folder");
}

#[test]
fn missing_keys() {
    check("[mqtt.plant]\nurl = \"mqtts://broker.example:8883\"", "»[mqtt.plant]", "missing-key", "mqtt.plant.url");
    check(
        "[kafka.main]\nbrokers = [\"127.0.0.1:9092\", \"127.0.0.1:9093\"]",
        "»[kafka.main]",
        "missing-key",
        "kafka.main.brokers",
    );
    check("[[rule]]\nname = \"line-temperature\"", "»[[rule]]", "missing-key", "rule[0].name");
    check(
        "[[rule]]\nname = \"all\"\nfrom = [\"site/+/x\", \"site/{a}/{b}/y\"]",
        "»[[rule]]\nname = \"all\"",
        "missing-key",
        "rule[1].from",
    );
    check("{ topic = \"all\" }", "»{ key = \"x\" }", "missing-key", "rule[1].to[0].topic");
    check("{ plugin = \"celsius\", config", "»{ config", "missing-key", "rule[0].via[1].plugin");
    check("sasl = { mechanism = \"SCRAM-SHA-512\", ", "sasl = »{ ", "missing-key", "kafka.main.sasl.mechanism");
    let no_password = "sasl = »{ mechanism = \"PLAIN\", username = \"tidegate\" }";
    check(
        "sasl = { mechanism = \"SCRAM-SHA-512\", username = \"tidegate\", password = { file = \"kafka.pw\" } }",
        no_password,
        "missing-key",
        "kafka.main.sasl.password",
    );
}

#[test]
fn wrong_types() {
    check("window = 1024", "window = »\"1024\"", "wrong-type", "mqtt.plant.window");
    check("\"mqtts://broker.example:8883\"", "»5", "wrong-type", "mqtt.plant.url");
    check(
        "brokers = [\"127.0.0.1:9092\", \"127.0.0.1:9093\"]",
        "brokers = »\"h:1\"",
        "wrong-type",
        "kafka.main.brokers",
    );
    check("\"127.0.0.1:9093\"", "»9093", "wrong-type", "kafka.main.brokers[1]");
    check("trusted = false", "trusted = »\"no\"", "wrong-type", "plugin.celsius.trusted");
    check("enabled = true", "enabled = »1", "wrong-type", "rule[0].enabled");
    check("from = [\"site/{area}/{line}/temp/#\"]", "from = »\"a/{area}/{line}\"", "wrong-type", "rule[0].from");
    check("qos = 1", "qos = »1.0", "wrong-type", "rule[0].qos");
    check("config = { unit = \"F\" }", "config = »\"F\"", "wrong-type", "rule[0].via[1].config");
    check(
        "grants = [\"state\", { publish = [\"cmd/#\"], rate = 5 }, { lookup = [\"machines\"] }]",
        "grants = »\"state\"",
        "wrong-type",
        "rule[0].via[1].grants",
    );
    check("[{ topic = \"all\" }, ", "[»\"all\", ", "wrong-type", "rule[1].to[0]");
    check("headers = { site = \"ulm\" }", "headers = »[\"ulm\"]", "wrong-type", "rule[0].to.headers");
    check("site = \"ulm\"", "site = »true", "wrong-type", "rule[0].to.headers.site");
    check("rules = \"rules.d\"", "rules = »[\"rules.d\"]", "wrong-type", "rules");
    check(
        "limits = { memory = \"64MiB\", call = \"100ms\", init = \"5s\", output = \"16MiB\" }",
        "limits = »\"none\"",
        "wrong-type",
        "plugins.limits",
    );
    check("tls = { ca = \"ca.pem\" }", "tls = »\"ca.pem\"", "wrong-type", "kafka.main.tls");
    check(
        "tls = { ca = \"ca.pem\", cert = \"me.pem\", key = \"me.key\" }",
        "tls = »true",
        "wrong-type",
        "mqtt.plant.tls",
    );
    check("password = { env = \"MQTT_PASSWORD\" }", "password = »12345", "wrong-type", "mqtt.plant.password");
    check("\"client.rack\" = \"a\"", "\"client.rack\" = »[]", "wrong-type", "kafka.main.properties.\"client.rack\"");
    check("[dead_letter]", "»[[dead_letter]]", "wrong-type", "dead_letter");
    check("drain = \"10s\"", "drain = »1979-05-27", "wrong-type", "shutdown.drain");
    check("listen = \"127.0.0.1:9191\"", "listen = »9191", "wrong-type", "admin.listen");
    check("[kafka.main]", "»[kafka]", "missing-name", "kafka");
}

#[test]
fn durations_and_sizes() {
    check("keep_alive = \"30s\"", "keep_alive = »30", "no-unit", "mqtt.plant.keep_alive");
    check("keep_alive = \"30s\"", "keep_alive = »\"30\"", "bad-duration", "mqtt.plant.keep_alive");
    check("keep_alive = \"30s\"", "keep_alive = »\"30 s\"", "bad-duration", "mqtt.plant.keep_alive");
    check("keep_alive = \"30s\"", "keep_alive = »\"999h\"", "out-of-range", "mqtt.plant.keep_alive");
    check("keep_alive = \"30s\"", "keep_alive = »\"500ms\"", "out-of-range", "mqtt.plant.keep_alive");
    check("session_expiry = \"7d\"", "session_expiry = »\"1w\"", "bad-duration", "mqtt.plant.session_expiry");
    check("session_expiry = \"7d\"", "session_expiry = »\"99999d\"", "out-of-range", "mqtt.plant.session_expiry");
    check("window_bytes = \"64MiB\"", "window_bytes = »67108864", "no-unit", "mqtt.plant.window_bytes");
    check("window_bytes = \"64MiB\"", "window_bytes = »\"64MIB\"", "bad-size", "mqtt.plant.window_bytes");
    check("window_bytes = \"64MiB\"", "window_bytes = »\"-1B\"", "bad-size", "mqtt.plant.window_bytes");
    check("linger = \"1ms\"", "linger = »0.5", "no-unit", "kafka.main.linger");
    check("memory = \"64MiB\"", "memory = »\"1B\"", "out-of-range", "plugins.limits.memory");
    check("call = \"100ms\"", "call = »\"0ms\"", "out-of-range", "plugins.limits.call");
    check("call = \"20ms\"", "call = »20", "no-unit", "plugin.celsius.limits.call");
    check("drain = \"10s\"", "drain = »\"ten seconds\"", "bad-duration", "shutdown.drain");
    check("drain = \"10s\"", "drain = »\"99999999999999999999s\"", "bad-duration", "shutdown.drain");
}

#[test]
fn numbers_and_choices() {
    check("window = 1024", "window = »0", "out-of-range", "mqtt.plant.window");
    check("window = 1024", "window = »65536", "out-of-range", "mqtt.plant.window");
    check("window = 1024", "window = »-1", "out-of-range", "mqtt.plant.window");
    check("window = 1024", "window = »99999999999999999999999", "out-of-range", "mqtt.plant.window");
    check("qos = 1", "qos = »3", "out-of-range", "rule[0].qos");
    check("protocol = \"5\"", "protocol = »5", "wrong-type", "mqtt.plant.protocol");
    check("protocol = \"5\"", "protocol = »\"4\"", "unknown-value", "mqtt.plant.protocol");
    check("session = \"persistent\"", "session = »\"persistant\"", "unknown-value", "mqtt.plant.session");
    check("compression = \"none\"", "compression = »\"gzpi\"", "unknown-value", "kafka.main.compression");
    check("\"SCRAM-SHA-512\"", "»\"SCRAM\"", "unknown-value", "kafka.main.sasl.mechanism");
    check("on_error = \"dead-letter\"", "on_error = »\"deadletter\"", "unknown-value", "rule[0].on_error");
    check("grants = [\"state\"", "grants = [»\"stat\"", "unknown-value", "rule[0].via[1].grants[0]");
    check("grants = [\"state\"", "grants = [»\"publish\"", "publish-needs-topics", "rule[0].via[1].grants[0]");
    check("publish = [\"cmd/#\"]", "publish = [»\"cmd/#/x\"]", "bad-filter", "rule[0].via[1].grants[1].publish[0]");
    check(
        "{ publish = [\"cmd/#\"], rate = 5 }, { lookup = [\"machines\"] }",
        "{ rate = »5, lookup = [\"machines\"] }",
        "bad-value",
        "rule[0].via[1].grants[1].rate",
    );
    check("lookup = [\"machines\"]", "lookup = [»\"machine\"]", "unknown-table", "rule[0].via[1].grants[2].lookup[0]");
    check("order = \"{area}", "order = »\"{are}", "unknown-capture", "rule[0].order");
    check(
        "[lookup.machines]\nfile = \"machines.csv\"\n",
        "»[lookup.machines]\n",
        "missing-key",
        "lookup.machines.file",
    );
}

#[test]
fn addresses() {
    let url = "\"mqtts://broker.example:8883\"";
    for bad in [
        "tcp://h",
        "h:1883",
        "mqtt://",
        "mqtt://h:0",
        "mqtts://h:99999",
        "mqtt://u:p@h",
        "mqtt://h/x",
        "mqtt://a b",
        "",
    ] {
        check(url, &format!("»\"{bad}\""), "bad-url", "mqtt.plant.url");
    }
    check(url, "[\"mqtts://a\", »\"http://b\"]", "bad-url", "mqtt.plant.url[1]");
    check(url, "»[]", "empty-value", "mqtt.plant.url");
    for bad in ["h", "h:x", "PLAINTEXT://h:1", ":9092", "a:1,b:2", "h:"] {
        check("\"127.0.0.1:9093\"", &format!("»\"{bad}\""), "bad-broker", "kafka.main.brokers[1]");
    }
    check("[\"127.0.0.1:9092\", \"127.0.0.1:9093\"]", "»[]", "empty-value", "kafka.main.brokers");
    check("listen = \"127.0.0.1:9191\"", "listen = »\"localhost\"", "bad-address", "admin.listen");
    check("listen = \"127.0.0.1:9191\"\ntoken = \"t\"", "listen = »\"0.0.0.0:9191\"", "token-needed", "admin.listen");
    check("token = \"t\"", "token = »\"\"", "empty-value", "admin.token");
}

#[test]
fn names_that_nobody_has() {
    check("source = \"plant\"", "source = »\"plnat\"", "unknown-source", "rule[0].source");
    check("to = { kafka = \"main\"", "to = { kafka = »\"mian\"", "unknown-cluster", "rule[0].to.kafka");
    check("kafka = \"main\"\ntopic", "kafka = »\"other\"\ntopic", "unknown-cluster", "dead_letter.kafka");
    check("via = [\"decode\"", "via = [»\"decod\"", "unknown-plugin", "rule[0].via[0]");
    check("plugin = \"celsius\"", "plugin = »\"../x\"", "unknown-plugin", "rule[0].via[1]");
    check("plugin = \"celsius\"", "plugin = »\"\"", "empty-value", "rule[0].via[1].plugin");
    check("folder = \"plugins.d\"", "folder = »\"plugin.d\"", "missing-folder", "plugins.folder");
    check("rules = \"rules.d\"", "rules = »\"rule.d\"", "missing-folder", "rules");
    check("rules = \"rules.d\"", "rules = »\"ca.pem\"", "missing-folder", "rules");
    check("key = \"{line}\"", "key = »\"{lime}\"", "unknown-capture", "rule[0].to.key");
    check("topic = \"all\"", "topic = »\"{a}\"", "unknown-capture", "rule[1].to[0].topic");
    check("\"iot.{area}.temperature\"", "»\"iot.{x}.temperature\"", "unknown-capture", "rule[0].to.topic");
    check("site = \"ulm\"", "site = »\"{ulm}\"", "unknown-capture", "rule[0].to.headers.site");
    check("\"client.rack\" = ", "\"client.rakc\" = »", "unknown-property", "kafka.main.properties.\"client.rakc\"");
}

#[test]
fn filters_and_templates() {
    let filter = "\"site/+/x\"";
    for bad in ["", "a/#/b", "a#", "a+/b", "a/b+", "$share/g", "$share//a"] {
        check(filter, &format!("»\"{bad}\""), "bad-filter", "rule[1].from[0]");
    }
    for bad in ["{a}b/c", "{}/x", "{a b}/x", "{topic}/x", "{source}", "{rule}", "{a}/{a}", "{r...}/x", "{a", "a}"] {
        check(filter, &format!("»\"{bad}\""), "bad-capture", "rule[1].from[0]");
    }
    check("[\"site/+/x\", \"site/{a}/{b}/y\"]", "»[]", "empty-value", "rule[1].from");
    for bad in ["a{", "a}", "{", "{{}", "{a b}", "{}", "{area...}"] {
        check("key = \"{line}\"", &format!("key = »\"{bad}\""), "bad-template", "rule[0].to.key");
    }
    let long = "x".repeat(250);
    for bad in ["", ".", "..", "/", &long, &format!("{{topic}}{long}")] {
        check("topic = \"all\"", &format!("topic = »\"{bad}\""), "bad-kafka-topic", "rule[1].to[0].topic");
    }
    for bad in ["", "..", "a b", "x{area}", &long] {
        check(
            "topic = \"tidegate.dead-letter\"",
            &format!("topic = »\"{bad}\""),
            "bad-kafka-topic",
            "dead_letter.topic",
        );
    }
    check("[{ topic = \"all\" }, { topic = \"some\", key = \"\" }]", "»[]", "empty-value", "rule[1].to");
}

#[test]
fn secrets_and_files() {
    check("env = \"MQTT_PASSWORD\"", "env = »\"NOT_SET\"", "unset-variable", "mqtt.plant.password.env");
    check("{ file = \"kafka.pw\" }", "{ file = »\"nope\" }", "missing-file", "kafka.main.sasl.password.file");
    check("{ file = \"kafka.pw\" }", "{ file = »\"rules.d\" }", "missing-file", "kafka.main.sasl.password.file");
    check("{ file = \"kafka.pw\" }", "»{}", "bad-secret", "kafka.main.sasl.password");
    check(
        "{ env = \"MQTT_PASSWORD\" }",
        "»{ env = \"MQTT_PASSWORD\", file = \"kafka.pw\" }",
        "bad-secret",
        "mqtt.plant.password",
    );
    check("tls = { ca = \"ca.pem\", cert", "tls = { ca = »\"nope.pem\", cert", "missing-file", "mqtt.plant.tls.ca");
    check("cert = \"me.pem\", key = ", "key = »", "half-certificate", "mqtt.plant.tls.key");
    check("cert = \"me.pem\", key = \"me.key\"", "cert = »\"me.pem\"", "half-certificate", "mqtt.plant.tls.cert");
    check("key = \"me.key\"", "key = »\"ca.pem\"", "bad-pem", "mqtt.plant.tls.key");
    check("sha256 = \"0", "sha256 = »\"", "bad-sha256", "plugin.celsius.sha256");
    check("client_id = \"tidegate-1\"", "client_id = »\"${NOPE}\"", "bad-variable", "mqtt.plant.client_id");
    check("client_id = \"tidegate-1\"", "client_id = »\"${NOPE\"", "bad-variable", "mqtt.plant.client_id");
    check("client_id = \"tidegate-1\"", "client_id = »\"\"", "empty-value", "mqtt.plant.client_id");
    check("client_id = \"tidegate-1\"", "client_id = »\"a\\u0000\"", "bad-value", "mqtt.plant.client_id");
    check("unit = \"F\"", "unit = »nan", "no-json", "rule[0].via[1].config.unit");
}

#[test]
fn refused_properties() {
    let refused = ["acks", "retries", "enable.idempotence", "message.timeout.ms", "delivery.timeout.ms", "partitioner"];
    let others = ["request.required.acks", "transactional.id", "bootstrap.servers", "metadata.broker.list"];
    let families = ["security.protocol", "sasl.username", "ssl.ca.location", "max.in.flight"];
    for name in refused.into_iter().chain(others).chain(families) {
        let key = super::raw::child_path("kafka.main.properties", name);
        check("\"client.rack\" = \"a\"", &format!("\"{name}\" = »\"7\""), "refused-property", &key);
    }
    check("\"client.rack\" = \"a\"", "max.in.flight = »6", "refused-property", "kafka.main.properties.max.in.flight");
}

#[test]
fn duplicates() {
    check("window = 1024", "window = 1024\n»window = 5", "duplicate-key", "mqtt.plant.window");
    check("[shutdown]", "[»admin]\n[shutdown]", "duplicate-key", "admin");
    check("name = \"all\"", "name = »\"line-temperature\"", "duplicate-rule", "rule[1].name");
    let second = "[mqtt.other]\nurl = \"mqtts://broker.example\"\nclient_id = »\"tidegate-1\"\n\n[kafka.main]";
    let one_source = VALID.replace("name = \"all\"", "name = \"all\"\nsource = \"other\"");
    let text =
        one_source.replace("[kafka.main]", second).replace("[mqtt.plant]", "[mqtt.a]").replace("\"plant\"", "\"a\"");
    check_text(&text, "duplicate-client-id", "mqtt.other.client_id", Severity::Error);
}

#[test]
fn what_is_needed_when_there_are_several() {
    let cluster = "[kafka.other]\nbrokers = [\"h:1\"]\n\n[dead_letter]";
    let text = VALID.replace("[dead_letter]", cluster);
    let text = text.replace(
        "{ topic = \"all\" }, { topic = \"some\"",
        "»{ topic = \"all\" }, { kafka = \"main\", topic = \"some\"",
    );
    check_text(&text, "missing-key", "rule[1].to[0].kafka", Severity::Error);
    let no_dead_letter = VALID.replace(
        "[dead_letter]\nkafka = \"main\"\ntopic = \"tidegate.dead-letter\"",
        "[kafka.other]\nbrokers = [\"h:1\"]",
    );
    let text = format!("»{}", no_dead_letter.replace("{ topic", "{ kafka = \"main\", topic"));
    check_text(&text, "no-dead-letter", "dead_letter", Severity::Error);
    let text = VALID.replace("[kafka.main]", "[mqtt.other]\nurl = \"mqtt://h\"\n\n[kafka.main]");
    check_text(
        &text.replace("[[rule]]\nname = \"all\"", "»[[rule]]\nname = \"all\""),
        "missing-key",
        "rule[1].source",
        Severity::Error,
    );
}

#[test]
fn broken_toml() {
    check("window = 1024", "window »1024", "syntax", "mqtt.plant.window");
    check("keep_alive = \"30s\"", "keep_alive = »30s", "syntax", "mqtt.plant.keep_alive");
    check("session = \"persistent\"", "session = »persistent", "syntax", "mqtt.plant.session");
    check("trusted = false", "trusted = »False", "syntax", "plugin.celsius.trusted");
    check("client_id = \"tidegate-1\"", "client_id = \"tidegate-1»", "syntax", "mqtt.plant.client_id");
    check("client_id = \"tidegate-1\"", "client_id = »", "syntax", "mqtt.plant.client_id");
    let brokers = "[\"127.0.0.1:9092\", \"127.0.0.1:9093\"";
    check(&format!("{brokers}]"), &format!("»{brokers}"), "syntax", "kafka.main.brokers");
    check("tls = { ca = \"ca.pem\" }", "tls = »{ ca = \"ca.pem\"", "syntax", "kafka.main.tls");
    check("[dead_letter]", "[dead_letter»", "syntax", "dead_letter");
    check("unit = \"F\"", "unit = \"\\»q\"", "syntax", "rule[0].via");
}

#[test]
fn warnings_do_not_hinder() {
    let capture = "\"iot.{area}.temperature\"";
    for topic in ["{area}.{line}", "{area}_{line}", "x.{area}{line}", "{topic}"] {
        check_warning(capture, &format!("»\"{topic}\""), "topics-collide", "rule[0].to.topic");
    }
    let plain =
        VALID.replace("mqtts://", "mqtt://").replace("tls = { ca = \"ca.pem\", cert", "tls = »{ ca = \"ca.pem\", cert");
    check_text(&plain, "tls-unused", "mqtt.plant.tls", Severity::Warning);
    check_warning("[plugin.celsius]", "»[plugin.celsiu]", "unused-plugin", "plugin.celsiu");
    check_warning(
        "from = [\"site/+/x\", ",
        "from = [\"site/+/x\", »\"site/+/x\", ",
        "duplicate-filter",
        "rule[1].from[1]",
    );
    check_warning(
        "session = \"persistent\"\nsession_expiry = ",
        "session = \"clean\"\nsession_expiry = »",
        "unused-key",
        "mqtt.plant.session_expiry",
    );
    check_warning("\"client.rack\" = \"a\"", "\"linger.ms\" = »5", "own-key", "kafka.main.properties.\"linger.ms\"");
    check_warning(
        "tls = { ca = \"ca.pem\" }\nsasl = { mechanism = \"SCRAM-SHA-512\"",
        "sasl = »{ mechanism = \"PLAIN\"",
        "password-in-clear",
        "kafka.main.sasl",
    );
    let old = VALID.replace("protocol = \"5\"", "protocol = \"3.1.1\"").replace("session_expiry = \"7d\"\n", "");
    check_text(
        &old.replace("from = [\"site/+/x\", ", "from = [\"site/+/x\", »\"+/a/x\", ").replace("site/{a}/{b}/y", "other"),
        "overlapping-filters",
        "rule[1].from[1]",
        Severity::Warning,
    );
}
