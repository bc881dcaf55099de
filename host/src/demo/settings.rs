//! The configuration that the demo runs from, as a file that its user may read and change while it runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::plant::AREAS;

/// Topic of the damaged readings.
pub const DEAD_LETTER_TOPIC: &str = "plant.dead-letter";
/// Topic of what the demo's user publishes below `yours/`.
pub const YOURS_TOPIC: &str = "yours";
/// The rule that the plant's readings go through.
pub const READINGS_RULE: &str = "readings";
const PARTITIONS: i32 = 2;

/// The Kafka topic of an area's readings.
#[must_use]
pub fn readings_topic(area: &str) -> String {
    format!("plant.{area}")
}

/// All Kafka topics of the demo with their partition counts.
#[must_use]
pub fn topics() -> Vec<(String, i32)> {
    let readings = AREAS.iter().map(|area| (readings_topic(area), PARTITIONS));
    readings.chain([(DEAD_LETTER_TOPIC.into(), 1), (YOURS_TOPIC.into(), 1)]).collect()
}

/// Where the demo's servers listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// MQTT 3.1.1, for the plant, the bridge and the user's own clients. The embedded broker speaks MQTT 5 too, but
    /// there it gives one topic alias to all topics of a subscription.
    pub mqtt: u16,
    /// `host:port`.
    pub kafka: String,
    pub admin: u16,
}

/// The file, in a folder of its own that goes away with this value.
pub struct SettingsFile {
    folder: TempDir,
}

impl SettingsFile {
    /// # Errors
    /// Where the folder for temporary files cannot be written.
    pub fn write(addresses: &Addresses) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-demo-").tempdir()?;
        let file = Self { folder };
        fs::write(file.path(), text(addresses))?;
        Ok(file)
    }

    #[must_use]
    pub fn path(&self) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join("tidegate.toml")
    }
}

fn text(addresses: &Addresses) -> String {
    let Addresses { mqtt, kafka, admin } = addresses;
    format!(
        r#"# What `tidegate demo` runs. With other addresses the same file runs against real brokers.
# Change a rule and save: the demo takes it while messages flow.

[mqtt.plant]
url = "mqtt://127.0.0.1:{mqtt}"
protocol = "3.1.1"
client_id = "tidegate-demo"

[kafka.demo]
brokers = ["{kafka}"]

[dead_letter]
kafka = "demo"
topic = "{DEAD_LETTER_TOPIC}"

[admin]
listen = "127.0.0.1:{admin}"

[[rule]]
name = "{READINGS_RULE}"
from = ["plant/{{area}}/{{machine}}/reading"]
via = ["plant"]                                        # decodes the machines' binary readings
to = {{ topic = "plant.{{area}}", key = "{{machine}}" }}

[[rule]]
name = "yours"
from = ["yours/{{rest...}}"]
to = {{ topic = "{YOURS_TOPIC}" }}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_toml_with_the_demos_addresses_and_rules() {
        let addresses = Addresses { mqtt: 2, kafka: "127.0.0.1:3".into(), admin: 4 };
        let file = SettingsFile::write(&addresses).unwrap();
        let settings: toml::Table = fs::read_to_string(file.path()).unwrap().parse().unwrap();
        assert_eq!(settings["mqtt"]["plant"]["url"].as_str(), Some("mqtt://127.0.0.1:2"));
        assert_eq!(settings["kafka"]["demo"]["brokers"][0].as_str(), Some("127.0.0.1:3"));
        assert_eq!(settings["rule"][0]["to"]["topic"].as_str(), Some("plant.{area}"));
        assert_eq!(settings["rule"][1]["from"][0].as_str(), Some("yours/{rest...}"));
        let folder = file.path().parent().unwrap().to_path_buf();
        drop(file);
        assert!(!folder.exists());
    }
}
