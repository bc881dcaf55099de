//! `cargo xtask tools`: what the tests need beyond cargo. As root on a Debian-like system it is installed; elsewhere the
//! exact packages are named.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::languages;
use crate::place::target;
use crate::steps::program;

/// As in `tests/src/places.rs`, which looks for it.
const KAFKA_VERSION: &str = "4.3.1";
const LOG4J_VERSION: &str = "2.25.4";

/// A program, how to see that it is there, and the package that brings it.
struct Tool {
    program: &'static str,
    version: &'static str,
    package: &'static str,
    why: &'static str,
}

const BUILD_TOOLS: [Tool; 4] = [
    Tool { program: "cc", version: "--version", package: "build-essential", why: "a C compiler, for librdkafka" },
    Tool { program: "make", version: "--version", package: "make", why: "for librdkafka and OpenSSL" },
    Tool { program: "cmake", version: "--version", package: "cmake", why: "for zstd" },
    Tool { program: "perl", version: "--version", package: "perl", why: "for OpenSSL" },
];

/// What plugins in C, C++, Python, JavaScript and TypeScript are built with; the rest comes by `languages`.
const LANGUAGE_TOOLS: [Tool; 4] = [
    Tool { program: "wasm-ld", version: "--version", package: "lld", why: "links plugins in C and C++" },
    Tool { program: "clang", version: "--version", package: "clang", why: "compiles plugins in C and C++" },
    Tool { program: "python3", version: "--version", package: "python3-venv", why: "runs componentize-py" },
    Tool { program: "npm", version: "--version", package: "npm", why: "brings componentize-qjs" },
];
/// Libraries have no program to ask; their packages are asked for where this file is missing.
const WASM_LIBRARIES: (&str, [&str; 3]) =
    ("/usr/lib/wasm32-wasi/libc++.a", ["wasi-libc", "libclang-rt-dev-wasm32", "libc++-dev-wasm32"]);

const SERVER_TOOLS: [Tool; 5] = [
    Tool { program: "/usr/sbin/mosquitto", version: "-h", package: "mosquitto", why: "the real MQTT broker" },
    Tool { program: "java", version: "-version", package: "openjdk-17-jre-headless", why: "runs Apache Kafka" },
    Tool { program: "mvn", version: "--version", package: "maven", why: "fetches Apache Kafka" },
    Tool { program: "kcat", version: "-V", package: "kcat", why: "a Kafka client of another make" },
    Tool { program: "strace", version: "-V", package: "strace", why: "kills the bridge at a chosen system call" },
];

/// Everything.
///
/// # Errors
/// Something is missing and may not be installed; the text says what to do.
pub(crate) fn run() -> Result<(), String> {
    for_building()?;
    provide(&SERVER_TOOLS)?;
    provide(&LANGUAGE_TOOLS)?;
    wasm_libraries()?;
    languages::install()?;
    kafka()
}

/// Where they cannot be installed, plugins in C and C++ are built with Zig's.
fn wasm_libraries() -> Result<(), String> {
    let (sign, packages) = WASM_LIBRARIES;
    if Path::new(sign).is_file() || !may_install() { Ok(()) } else { install(&packages) }
}

/// What every tier needs.
///
/// # Errors
/// As `run`.
pub(crate) fn for_building() -> Result<(), String> {
    provide(&BUILD_TOOLS)?;
    wasm_target()
}

fn provide(tools: &[Tool]) -> Result<(), String> {
    let missing: Vec<_> = tools.iter().filter(|tool| !is_there(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    if !may_install() {
        return Err(please(&missing, &packages));
    }
    install(&packages)?;
    match missing.iter().find(|tool| !is_there(tool)) {
        None => Ok(()),
        Some(tool) => Err(format!("{} is missing although package {} is installed", tool.program, tool.package)),
    }
}

fn please(missing: &[&Tool], packages: &[&str]) -> String {
    let lines = missing.iter().map(|tool| format!("\n  {} ({}): package {}", tool.program, tool.why, tool.package));
    let list: String = lines.collect();
    format!("these programs are missing:{list}\ninstall them: sudo apt-get install {}", packages.join(" "))
}

/// Mosquitto has no option that only tells its version, so starting at all counts, whatever the exit code.
fn is_there(tool: &Tool) -> bool {
    let quiet = |program: &str| {
        Command::new(program)
            .arg(tool.version)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    };
    quiet(tool.program) || tool.program.strip_prefix("/usr/sbin/").is_some_and(quiet)
}

/// Root on a system with apt.
fn may_install() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    uids.split_whitespace().nth(1) == Some("0") && Path::new("/usr/bin/apt-get").is_file()
}

fn install(packages: &[&str]) -> Result<(), String> {
    program("package lists", 5, "apt-get", &["update", "-qq"]).run()?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    program("packages", 15, "apt-get", &arguments).env("DEBIAN_FRONTEND", "noninteractive").run()
}

/// Plugins are built for wasm; rustup knows whether the target is there and does nothing then.
fn wasm_target() -> Result<(), String> {
    let targets = ["target", "add", "wasm32-unknown-unknown"];
    program("wasm target", 5, "rustup", &targets)
        .run()
        .map_err(|text| format!("{text}; plugins need Rust's target wasm32-unknown-unknown"))
}

fn kafka() -> Result<(), String> {
    let folder = target().join("tools").join(format!("kafka-{KAFKA_VERSION}"));
    if folder.is_dir() {
        return Ok(());
    }
    let work = target().join("tools").join("fetch");
    write_pom(&work).map_err(|error| format!("write {}: {error}", work.display()))?;
    fetch(&work)?;
    // Only a complete folder gets the name that the tests look for.
    fs::rename(work.join("jars"), &folder).map_err(|error| format!("put {} in place: {error}", folder.display()))
}

fn write_pom(work: &Path) -> std::io::Result<()> {
    fs::create_dir_all(work)?;
    let jars = work.join("jars");
    if jars.is_dir() {
        fs::remove_dir_all(&jars)?;
    }
    fs::write(work.join("pom.xml"), pom())
}

fn pom() -> String {
    let of = |group: &str, artifact: &str, version: &str| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>\
             </dependency>"
        )
    };
    let server = of("org.apache.kafka", "kafka_2.13", KAFKA_VERSION);
    let log = of("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J_VERSION);
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>tidegate</groupId><artifactId>kafka</artifactId>\
         <version>1</version><dependencies>{server}{log}</dependencies></project>"
    )
}

/// The network may fail once; the second try goes on where the first one stopped.
fn fetch(work: &Path) -> Result<(), String> {
    let arguments = ["-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"];
    let step = || program("fetch Apache Kafka", 10, "mvn", &arguments).within(work);
    step().run().or_else(|_| step().run())
}
