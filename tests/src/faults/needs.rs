//! What a row needs of the machine beyond cargo.

use std::process::{Command, Stdio};

use crate::places::{KAFKA_VERSION, target};

/// Something that may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Kills at the Nth system call.
    Strace,
    Mosquitto,
    /// Java and the jars of Apache Kafka.
    Kafka,
    /// Moves the wall clock of one process.
    Faketime,
    /// Root, and a kernel with network namespaces.
    Namespaces,
}

impl Need {
    /// Why it is missing, if it is.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let (is_there, reason) = match self {
            Self::Strace => (answers("strace", &["-V"]), "strace is not installed".to_owned()),
            Self::Mosquitto => (
                answers("/usr/sbin/mosquitto", &["-h"]) || answers("mosquitto", &["-h"]),
                "Mosquitto is not installed".to_owned(),
            ),
            Self::Kafka => {
                let jars = target().join("tools").join(format!("kafka-{KAFKA_VERSION}"));
                let jars = jars.is_dir() || std::env::var_os("TIDEGATE_KAFKA_JARS").is_some();
                (jars && answers("java", &["-version"]), "Java or Apache Kafka is missing: `cargo xtask tools`".into())
            }
            Self::Faketime => (faketime().is_some(), "libfaketime is not installed".to_owned()),
            Self::Namespaces => {
                (answers("unshare", &["-n", "true"]), "network namespaces need root and a kernel that has them".into())
            }
        };
        (!is_there).then_some(reason)
    }
}

/// The library that moves the clock.
#[must_use]
pub fn faketime() -> Option<std::path::PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|path| path.is_file())
}

/// Whether a program can be started at all: some have no option that ends well.
fn answers(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) => program != "unshare" || status.success(),
        Err(_) => false,
    }
}
