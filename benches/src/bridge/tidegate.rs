//! Tidegate's configuration for a bench, and its readiness.

use super::Work;
use crate::kafka_end::DEAD_LETTERS;
use crate::traffic;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Name of the plugin in the folder of plugins.
const PLUGIN: &str = "identity";

/// Writes `tidegate.toml`, the rules, and the plugin when there is one.
pub(super) fn write_configuration(folder: &Path, work: &Work, admin_port: u16) -> io::Result<()> {
    fs::write(folder.join("tidegate.toml"), main_file(work, admin_port))?;
    fs::create_dir(folder.join("rules.d"))?;
    fs::create_dir(folder.join("plugins.d"))?;
    fs::write(folder.join("rules.d/bench.toml"), rules_file(work))?;
    let Some(plugin) = &work.rules.plugin else { return Ok(()) };
    fs::copy(plugin, folder.join(format!("plugins.d/{PLUGIN}.wasm"))).map(drop)
}

fn main_file(work: &Work, admin_port: u16) -> String {
    let Work { mqtt_port, window, .. } = work;
    let brokers = work.brokers.replace(',', "\", \"");
    format!(
        r#"rules = "rules.d"

[mqtt.plant]
url = "mqtt://127.0.0.1:{mqtt_port}"
client_id = "bench-tidegate"
window = {window}

[kafka.main]
brokers = ["{brokers}"]
linger = "1ms"

[dead_letter]
kafka = "main"
topic = "{DEAD_LETTERS}"

[plugins]
folder = "plugins.d"

[admin]
listen = "127.0.0.1:{admin_port}"
"#
    )
}

fn rules_file(work: &Work) -> String {
    (0..work.rules.count).map(|line| rule(work, line)).collect()
}

fn rule(work: &Work, line: usize) -> String {
    let Work { topic, qos, rules, .. } = work;
    let filter = traffic::filter_of_line(line);
    let via = if rules.plugin.is_some() { format!("via = [\"{PLUGIN}\"]\n") } else { String::new() };
    format!(
        "[[rule]]\nname = \"line-{line}\"\nfrom = [\"{filter}\"]\nqos = {qos}\n{via}to = {{ topic = \"{topic}\" }}\n\n"
    )
}

/// Whether `GET /readyz` is answered with 200.
pub(super) fn answers_ready(admin_port: u16) -> bool {
    ask(admin_port).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn ask(admin_port: u16) -> io::Result<String> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, admin_port))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Rules;

    fn work(count: usize, plugin: bool) -> Work {
        let rules = Rules { count, plugin: plugin.then(|| "identity.wasm".into()) };
        let (brokers, topic) = ("127.0.0.1:9".to_owned(), "bench".to_owned());
        Work { mqtt_port: 1883, brokers, topic, window: 1024, qos: 1, rules }
    }

    #[test]
    fn one_rule_for_each_line() {
        let rules = rules_file(&work(3, false));
        assert_eq!(rules.matches("[[rule]]").count(), 3);
        assert!(rules.contains(r#"from = ["site/{area}/line2/temp"]"#), "{rules}");
        assert!(!rules.contains("via"));
    }

    #[test]
    fn the_plugin_is_in_every_rule() {
        assert_eq!(rules_file(&work(3, true)).matches(r#"via = ["identity"]"#).count(), 3);
    }

    #[test]
    fn the_window_is_the_one_of_the_run() {
        assert!(main_file(&work(1, false), 9191).contains("window = 1024\n"));
    }
}
