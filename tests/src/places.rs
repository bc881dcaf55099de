//! Where things lie in the repository and what was built.

use std::path::{Path, PathBuf};

/// The version of Apache Kafka that `cargo xtask tools` fetches.
pub const KAFKA_VERSION: &str = "4.3.1";

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// The `target` folder.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The folder of Kafka's jars: `TIDEGATE_KAFKA_JARS`, or what `cargo xtask tools` made.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn kafka_jars() -> PathBuf {
    let cached = || target().join("tools").join(format!("kafka-{KAFKA_VERSION}"));
    let folder = std::env::var_os("TIDEGATE_KAFKA_JARS").map_or_else(cached, PathBuf::from);
    assert!(folder.is_dir(), "no Apache Kafka in {}; get it with `cargo xtask tools`", folder.display());
    folder
}

/// The program under test: `TIDEGATE_BIN`, or the one in the profile `fast`.
///
/// # Panics
/// Where it is not built.
#[must_use]
pub fn tidegate() -> PathBuf {
    let built = || target().join("fast").join("tidegate");
    let path = std::env::var_os("TIDEGATE_BIN").map_or_else(built, PathBuf::from);
    let how = "build it with `cargo build --profile fast --workspace` or set TIDEGATE_BIN";
    assert!(path.is_file(), "no program at {}; {how}", path.display());
    path
}
