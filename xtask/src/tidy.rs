//! `cargo xtask tidy`: the shape of the house, read from the source. Who may use whom, where clients are named, how long
//! files and functions are.

use std::fs;
use std::path::Path;

use crate::place::{files, relative, root};
use crate::scan::{code_only, functions, names_behind, without_tests, words};

const FILE_LINES_MAX: usize = 500;
/// Files that are one long table each.
const TABLES: [&str; 0] = [];
const MEDIAN_LINES_MAX: usize = 8;
const NINTH_DECILE_LINES_MAX: usize = 30;
const FUNCTION_LINES_MAX: usize = 60;

/// The layers of `host/src`, from the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Values,
    Policy,
    Edge,
    Flow,
    Assembly,
}

/// Modules below assembly; whatever is not named here is assembly.
const LAYERS: [(Layer, &[&str]); 4] = [
    (Layer::Values, &["message", "topic", "ack", "seam", "meters"]),
    (Layer::Policy, &["router", "config", "digest"]),
    (Layer::Edge, &["mqtt", "kafka", "wasm"]),
    (Layer::Flow, &["pipeline"]),
];

/// Foreign libraries and the one folder of `host/src` that names them.
const CLIENTS: [(&str, &str); 10] = [
    ("rumqttc", "mqtt"),
    ("rdkafka", "kafka"),
    ("rdkafka_sys", "kafka"),
    ("wasmtime", "wasm"),
    ("wasmtime_wasi", "wasm"),
    ("wasmtime_environ", "wasm"),
    ("rumqttd", "demo"),
    ("wasmparser", "plugin_tools"),
    ("wit_component", "plugin_tools"),
    ("wit_parser", "plugin_tools"),
];

/// What values and policy must not know: waiting, clocks, sockets.
const WORLDLY: [&str; 5] = ["tokio", "axum", "Instant", "SystemTime", "TcpStream"];

/// One source file, read.
struct Source {
    /// From the root of the repository.
    path: String,
    /// The first module below `host/src`; empty elsewhere.
    module: String,
    /// How many modules above it there are, for `super`.
    depth: usize,
    lines: usize,
    code: String,
    /// Without test modules.
    product: String,
}

/// Checks everything and prints the sizes.
///
/// # Errors
/// Each broken rule, one a line.
pub(crate) fn run() -> Result<(), String> {
    let sources: Vec<_> = rust_files().iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let mut broken: Vec<String> = sources.iter().flat_map(arrows).collect();
    broken.extend(sources.iter().flat_map(clients));
    broken.extend(sources.iter().flat_map(worldly));
    broken.extend(sources.iter().filter_map(too_long));
    broken.extend(sizes(&sources));
    match broken.is_empty() {
        true => Ok(()),
        false => Err(format!("{} rules are broken:\n  {}", broken.len(), broken.join("\n  "))),
    }
}

fn rust_files() -> Vec<std::path::PathBuf> {
    let folders = ["host", "guest-sdk", "plugins", "tests", "benches", "xtask"];
    folders.iter().flat_map(|folder| files(&root().join(folder), "rs")).collect()
}

fn read(path: &Path) -> Result<Source, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?;
    let path = relative(path);
    let code = code_only(&text);
    let (module, depth) = place_of(&path);
    Ok(Source { lines: text.lines().count(), product: without_tests(&code), path, module, depth, code })
}

/// Module and depth of a file of `host/src`: `mqtt/source.rs` is module `mqtt`, two below the root.
fn place_of(path: &str) -> (String, usize) {
    let Some(inside) = path.strip_prefix("host/src/") else { return (String::new(), 0) };
    let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    let module = inside.split('/').next().unwrap_or_default();
    (module.to_owned(), inside.split('/').count())
}

fn layer(module: &str) -> Layer {
    let found = LAYERS.iter().find(|(_, modules)| modules.contains(&module));
    found.map_or(Layer::Assembly, |(layer, _)| *layer)
}

/// Whether `from` may name `to`.
fn may_use(from: &str, to: &str) -> bool {
    let (user, used) = (layer(from), layer(to));
    match user {
        _ if from == to => true,
        Layer::Values => used == Layer::Values,
        Layer::Policy => used <= Layer::Policy,
        // Their own section of the settings, and the hash that all share.
        Layer::Edge => used == Layer::Values || to == "config" || to == "digest",
        Layer::Flow => used <= Layer::Policy,
        Layer::Assembly => true,
    }
}

fn arrows(source: &Source) -> Vec<String> {
    if source.module.is_empty() {
        return Vec::new();
    }
    let up = vec!["super"; source.depth].join("::");
    let mut named = names_behind(&source.product, "crate");
    named.extend(names_behind(&source.product, &up));
    let is_module = |name: &str| name.chars().next().is_some_and(char::is_lowercase);
    let is_broken = |(_, name): &(usize, String)| is_module(name) && !may_use(&source.module, name);
    let tell = |(line, name): (usize, String)| {
        format!("{}:{line}: `{}` ({:?}) must not know `{name}`", source.path, source.module, layer(&source.module))
    };
    named.into_iter().filter(is_broken).map(tell).collect()
}

fn clients(source: &Source) -> Vec<String> {
    if source.module.is_empty() {
        return Vec::new();
    }
    let named = |library: &str| words(&source.code).any(|(_, word)| word == library);
    let broken = CLIENTS.iter().filter(|(library, home)| source.module != *home && named(library));
    broken.map(|(library, home)| format!("{}: `{library}` is named outside host/src/{home}", source.path)).collect()
}

fn worldly(source: &Source) -> Vec<String> {
    if source.module.is_empty() || layer(&source.module) > Layer::Policy {
        return Vec::new();
    }
    let broken = words(&source.product).filter(|(_, word)| WORLDLY.contains(word));
    broken.map(|(_, word)| format!("{}: `{}` must not know `{word}`", source.path, source.module)).collect()
}

fn too_long(source: &Source) -> Option<String> {
    let is_table = TABLES.contains(&source.path.as_str());
    (source.lines > FILE_LINES_MAX && !is_table)
        .then(|| format!("{}: {} lines, at most {FILE_LINES_MAX} are readable", source.path, source.lines))
}

fn sizes(sources: &[Source]) -> Vec<String> {
    let mut lengths = Vec::new();
    let mut broken = Vec::new();
    for source in sources {
        for function in functions(&source.product) {
            lengths.push(function.lines);
            if function.lines > FUNCTION_LINES_MAX {
                let (path, line, name, lines) = (&source.path, function.line, function.name, function.lines);
                broken.push(format!("{path}:{line}: `{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}"));
            }
        }
    }
    lengths.sort_unstable();
    let at = |tenths: usize| lengths.get(lengths.len() * tenths / 10).copied().unwrap_or(0);
    let longest = lengths.last().copied().unwrap_or(0);
    println!(
        "{} files; {} functions: median {} lines, 90 % at most {}, longest {longest}",
        sources.len(),
        lengths.len(),
        at(5),
        at(9)
    );
    broken.extend(over("median function", at(5), MEDIAN_LINES_MAX));
    broken.extend(over("90 % of the functions", at(9), NINTH_DECILE_LINES_MAX));
    broken
}

fn over(what: &str, lines: usize, lines_max: usize) -> Option<String> {
    (lines > lines_max).then(|| format!("{what}: {lines} lines, at most {lines_max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, broken: usize) {
        let code = code_only(text);
        let (module, depth) = place_of(path);
        let product = without_tests(&code);
        let source = Source { path: path.into(), module, depth, lines: 1, code, product };
        let found = [arrows(&source), clients(&source), worldly(&source)].concat();
        assert_eq!(found.len(), broken, "{path}: {text}: {found:?}");
    }

    #[test]
    fn edges_know_values_and_settings_and_nothing_else() {
        check("host/src/mqtt/source.rs", "use crate::seam::Intake; use crate::config::SourceConfig;", 0);
        check("host/src/mqtt/source.rs", "use crate::kafka::Producer;", 1);
        check("host/src/mqtt/source.rs", "use super::super::router::RuleSet;", 1);
        check("host/src/wasm/mod.rs", "use super::pipeline;", 1);
        check("host/src/wasm/stage.rs", "use super::pipeline;", 0);
    }

    #[test]
    fn nobody_below_knows_assembly() {
        check("host/src/pipeline.rs", "use crate::{app, seam::Sink};", 1);
        check("host/src/app.rs", "use crate::{mqtt, kafka, pipeline, router};", 0);
        check("host/src/ack/ledger.rs", "use crate::router::Rule;", 1);
    }

    #[test]
    fn clients_are_named_at_home_only() {
        check("host/src/mqtt/codec.rs", "use rumqttc::v5;", 0);
        check("host/src/demo/mod.rs", "use rdkafka::mocking;", 1);
        check("host/src/demo/mod.rs", "// rdkafka would do\nlet x = \"rdkafka\";", 0);
        check("tests/src/read.rs", "use rdkafka::consumer;", 0);
    }

    #[test]
    fn values_and_policy_know_no_clock_and_no_socket() {
        check("host/src/router/mod.rs", "use std::time::Instant;", 1);
        check("host/src/mqtt/source.rs", "use std::time::Instant;", 0);
        check("host/src/ack/ledger.rs", "#[cfg(test)]\nmod tests { use std::time::Instant; }", 0);
    }
}
