//! `plugin build`: calls the language's own tools, and makes the component.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::anatomy::Anatomy;
use super::compiler::{BuildError, CCompiler, answers, c_compiler, command, on_path, run, zig};
use super::component;
use super::language::Language;

const MANIFEST: &str = "plugin.toml";
const RUST_TARGET: &str = "wasm32-unknown-unknown";
/// A larger stack than plugins need, which keeps the memory of small ones small.
const STACK_BYTES: &str = "65536";
/// Folder inside the plugin's for what is made on the way.
const BUILD: &str = "build";

/// What `plugin.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    lang: String,
    /// World of the contract in `wit/`.
    #[serde(default = "usual_world")]
    world: String,
}

fn usual_world() -> String {
    "plugin".into()
}

/// A plugin's folder, understood.
struct Source {
    folder: PathBuf,
    name: String,
    language: Language,
    world: String,
}

/// What was built.
#[derive(Debug)]
pub struct Built {
    pub language: Language,
    pub component: PathBuf,
    pub bytes: usize,
}

/// Builds the plugin in `folder` into `NAME.wasm` there.
///
/// # Errors
/// Nothing to build, a tool that is missing, sources or a component that have errors.
pub fn build(folder: &Path) -> Result<Built, BuildError> {
    let source = read(folder)?;
    let made = match source.language {
        Language::Rust => rust(&source)?,
        Language::C | Language::Cpp => c(&source)?,
        Language::Zig => with_zig(&source)?,
        Language::Go => go(&source)?,
        Language::Python => python(&source)?,
        Language::Javascript => javascript(&source, "src/plugin.js")?,
        Language::Typescript => typescript(&source)?,
    };
    let bytes = fs::read(&made).map_err(|error| no_component(&format!("read {}: {error}", made.display())))?;
    let bytes = if is_component(&bytes) { bytes } else { componentize(&source, &bytes)? };
    check_contract(&bytes)?;
    let component = source.folder.join(format!("{}.wasm", source.name));
    put(&component, &bytes).map_err(|error| no_component(&format!("write {}: {error}", component.display())))?;
    Ok(Built { language: source.language, component, bytes: bytes.len() })
}

fn read(folder: &Path) -> Result<Source, BuildError> {
    let path = folder.join(MANIFEST);
    let no_plugin = |text: String| BuildError::NoPlugin { text };
    let text = fs::read_to_string(&path).map_err(|error| {
        no_plugin(format!(
            "read {}: {error}; `tidegate plugin new --lang LANG NAME` makes a folder with a plugin, `plugin.toml` holds \
             `name` and `lang`",
            path.display()
        ))
    })?;
    let manifest: Manifest =
        toml::from_str(&text).map_err(|error| no_plugin(format!("{}: {}", path.display(), error.message())))?;
    if let Some(why) = super::templates::unfit(&manifest.name) {
        return Err(no_plugin(format!("{}: `name`: {why}", path.display())));
    }
    let language = Language::of(&manifest.lang).ok_or_else(|| {
        let known = "rust, c, cpp, zig, go, python, javascript or typescript";
        no_plugin(format!("{}: `lang` is `{}`, it must be {known}", path.display(), manifest.lang))
    })?;
    let folder = folder.canonicalize().map_err(|error| no_plugin(format!("find {}: {error}", folder.display())))?;
    Ok(Source { folder, name: manifest.name, language, world: manifest.world })
}

fn is_component(bytes: &[u8]) -> bool {
    matches!(bytes.first_chunk::<8>(), Some([0, b'a', b's', b'm', _, _, 1, 0]))
}

fn componentize(source: &Source, core: &[u8]) -> Result<Vec<u8>, BuildError> {
    let wit = source.folder.join("wit");
    component::make(core, wit.is_dir().then_some(wit.as_path()), &source.world).map_err(|error| {
        no_component(&format!(
            "make a component of what the compiler made: {error}; are `init` and `process` exported under the names and with \
             the types of the contract, and nothing imported beyond it?"
        ))
    })
}

fn check_contract(component: &[u8]) -> Result<(), BuildError> {
    match Anatomy::read(component) {
        Ok(anatomy) if anatomy.contract().is_some() => Ok(()),
        Ok(_) => Err(no_component("the component does not export `tidegate:plugin/transform`")),
        Err(error) => Err(no_component(&error)),
    }
}

/// Beside, then renamed: a bridge that watches the folder never sees half a file.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("wasm.new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

fn no_component(text: &str) -> BuildError {
    BuildError::Component { text: text.into() }
}

fn missing(tool: &'static str, language: Language) -> BuildError {
    BuildError::ToolMissing { tool, language }
}

fn rust(source: &Source) -> Result<PathBuf, BuildError> {
    let cargo = on_path("cargo").ok_or(missing("cargo", Language::Rust))?;
    if !has_rust_target(&source.folder) {
        return Err(missing("Rust's target wasm32-unknown-unknown", Language::Rust));
    }
    let mut cargo = command(&source.folder, cargo);
    cargo.args(["build", "--release", "--target", RUST_TARGET, "--target-dir", "target"]);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    run(&mut cargo)?;
    let file = format!("{}.wasm", source.name.replace('-', "_"));
    Ok(source.folder.join("target").join(RUST_TARGET).join("release").join(file))
}

fn has_rust_target(folder: &Path) -> bool {
    let told = command(folder, "rustc").args(["--print", "target-libdir", "--target", RUST_TARGET]).output();
    told.is_ok_and(|told| Path::new(String::from_utf8_lossy(&told.stdout).trim()).is_dir())
}

/// Where to make what is made on the way.
fn build_folder(source: &Source) -> Result<PathBuf, BuildError> {
    let folder = source.folder.join(BUILD);
    fs::create_dir_all(&folder).map_err(|error| no_component(&format!("make {}: {error}", folder.display())))?;
    Ok(folder)
}

/// The files of this extension in the plugin's folder, in name order.
fn sources(source: &Source, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(&source.folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
    let mut paths: Vec<PathBuf> = entries.unwrap_or_default();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

/// C files are compiled as C also where the plugin is C++.
fn c(source: &Source) -> Result<PathBuf, BuildError> {
    let language = source.language;
    let compiler_missing = || missing("a C compiler for WebAssembly", language);
    let c = c_compiler(Language::C).ok_or_else(compiler_missing)?;
    let build = build_folder(source)?;
    let mut objects = Vec::new();
    let mut compile = |compiler: &CCompiler, path: &Path, standard: &[&str]| {
        let object = build.join(format!("{}.o", path.file_name().unwrap_or_default().to_string_lossy()));
        let mut command = command(&source.folder, &compiler.program[0]);
        command.args(&compiler.program[1..]).args(&compiler.arguments).args(["-O2", "-Wall", "-c"]).args(standard);
        run(command.arg(path).arg("-o").arg(&object))?;
        objects.push(object);
        Ok(())
    };
    for path in sources(source, "c") {
        compile(&c, &path, &["-std=c11"])?;
    }
    let linker = match language {
        Language::Cpp => c_compiler(Language::Cpp).ok_or_else(compiler_missing)?,
        _ => c,
    };
    for path in sources(source, "cpp") {
        compile(&linker, &path, &["-std=c++20", "-fno-exceptions"])?;
    }
    let core = build.join("core.wasm");
    let mut link = command(&source.folder, &linker.program[0]);
    link.args(&linker.program[1..]).args(&linker.arguments).args(["-O2", "-s", "-mexec-model=reactor"]);
    link.arg(format!("-Wl,-z,stack-size={STACK_BYTES}")).args(&objects).arg("-o").arg(&core);
    run(&mut link)?;
    Ok(core)
}

fn with_zig(source: &Source) -> Result<PathBuf, BuildError> {
    let zig = zig().ok_or(missing("zig", Language::Zig))?;
    let core = build_folder(source)?.join("core.wasm");
    let mut command = command(&source.folder, &zig[0]);
    command.args(&zig[1..]).args(["build-exe", "plugin.zig", "-target", "wasm32-freestanding", "-O", "ReleaseFast"]);
    command.args(["-fno-entry", "-rdynamic", "-fstrip", "--stack", STACK_BYTES]);
    run(command.arg(format!("-femit-bin={}", core.display())))?;
    Ok(core)
}

fn go(source: &Source) -> Result<PathBuf, BuildError> {
    let go = on_path("go").ok_or(missing("go", Language::Go))?;
    let core = build_folder(source)?.join("core.wasm");
    let mut command = command(&source.folder, go);
    command.args(["build", "-buildmode=c-shared", "-ldflags=-s -w", "-o"]).arg(&core).arg(".");
    run(command.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOWORK", "off"))?;
    Ok(core)
}

fn python(source: &Source) -> Result<PathBuf, BuildError> {
    let own = source.folder.join(".venv/bin/componentize-py");
    let found = if own.is_file() { Some(own) } else { on_path("componentize-py") };
    let tool = found.ok_or(missing("componentize-py", Language::Python))?;
    let made = build_folder(source)?.join("plugin.wasm");
    let mut command = command(&source.folder, tool);
    command.args(["-d", "wit", "-w", &source.world, "componentize", "app", "-p", "src", "--stub-wasi", "-o"]);
    run(command.arg(&made))?;
    Ok(made)
}

/// A program of npm: in the plugin's folder, or on the path.
fn npm(source: &Source, name: &'static str) -> Result<PathBuf, BuildError> {
    if !on_path("node").is_some_and(|node| answers(node.as_os_str(), &["--version"])) {
        return Err(missing("node", source.language));
    }
    let own = source.folder.join("node_modules/.bin").join(name);
    let found = if own.exists() { Some(own) } else { on_path(name) };
    found.ok_or(missing(name, source.language))
}

fn javascript(source: &Source, file: &str) -> Result<PathBuf, BuildError> {
    let tool = npm(source, "componentize-qjs")?;
    let made = build_folder(source)?.join("plugin.wasm");
    let root = Path::new(file).parent().unwrap_or(Path::new("."));
    let mut command = command(&source.folder, tool);
    command.args(["--wit", "wit", "-n", &source.world, "--js", file, "--module-root"]).arg(root);
    run(command.args(["--sync", "--stub-wasi", "-o"]).arg(&made))?;
    Ok(made)
}

fn typescript(source: &Source) -> Result<PathBuf, BuildError> {
    run(command(&source.folder, npm(source, "tsc")?).args(["-p", "."]))?;
    build_folder(source)?;
    let mut bundle = command(&source.folder, npm(source, "esbuild")?);
    bundle.args(["src/plugin.ts", "--bundle", "--format=esm", "--external:tidegate:*", "--outfile=build/plugin.js"]);
    run(&mut bundle)?;
    javascript(source, "build/plugin.js")
}
