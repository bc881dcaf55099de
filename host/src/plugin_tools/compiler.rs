//! Finds the tools of a language and runs them.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::language::Language;

/// Most bytes of a tool's complaints that are told.
const TOLD_BYTES_MAX: usize = 16 << 10;

/// Why a plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Used wrongly: there is nothing to build.
    #[error("{text}")]
    NoPlugin { text: String },
    #[error("{tool} is missing: to build a plugin in {} you need {}", language.title(), language.tools())]
    ToolMissing { tool: &'static str, language: Language },
    /// The tool has told what is wrong with the sources.
    #[error("`{command}` failed:\n{output}")]
    Failed { command: String, output: String },
    #[error("{text}")]
    Component { text: String },
}

/// `name` on the search path, as a whole path.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether the command can be run and says that all is well.
pub(super) fn answers(program: &OsStr, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A command in the plugin's folder.
pub(super) fn command(folder: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs it to its end; what it prints is told only where it fails.
///
/// # Errors
/// It does not start, or fails.
pub(super) fn run(command: &mut Command) -> Result<(), BuildError> {
    let line = line(command);
    let output = command
        .output()
        .map_err(|error| BuildError::Failed { command: line.clone(), output: format!("it does not start: {error}") })?;
    if output.status.success() {
        return Ok(());
    }
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    let start = (0..=told.len().saturating_sub(TOLD_BYTES_MAX)).rev().find(|at| told.is_char_boundary(*at));
    Err(BuildError::Failed { command: line, output: told[start.unwrap_or(0)..].trim_end().to_owned() })
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// How to run Zig: the program itself, or the one in the Python package.
pub(super) fn zig() -> Option<Vec<String>> {
    if let Some(zig) = on_path("zig") {
        return Some(vec![zig.display().to_string()]);
    }
    let python = ["python3", "python"]
        .into_iter()
        .find(|python| on_path(python).is_some_and(|path| answers(path.as_os_str(), &["-m", "ziglang", "version"])))?;
    Some(vec![python.into(), "-m".into(), "ziglang".into()])
}

/// A compiler for C or C++ and what tells it that the target is WebAssembly.
pub(super) struct CCompiler {
    pub(super) program: Vec<String>,
    pub(super) arguments: Vec<String>,
}

/// wasi-sdk, Debian's clang, or Zig, whichever is there first.
pub(super) fn c_compiler(language: Language) -> Option<CCompiler> {
    let name = if language == Language::Cpp { "clang++" } else { "clang" };
    let zig_name = if language == Language::Cpp { "c++" } else { "cc" };
    let sdk = env::var_os("WASI_SDK_PATH").map(|sdk| PathBuf::from(sdk).join("bin").join(name));
    if let Some(clang) = sdk.filter(|clang| clang.is_file()) {
        return Some(CCompiler {
            program: vec![clang.display().to_string()],
            arguments: vec!["--target=wasm32-wasi".into()],
        });
    }
    if let Some(clang) = on_path(name).filter(|_| has_debian_libraries(language)) {
        let arguments = vec!["--target=wasm32-wasi".into(), "--sysroot=/usr".into()];
        return Some(CCompiler { program: vec![clang.display().to_string()], arguments });
    }
    let mut program = zig()?;
    program.push(zig_name.into());
    Some(CCompiler { program, arguments: vec!["-target".into(), "wasm32-wasi".into()] })
}

fn has_debian_libraries(language: Language) -> bool {
    let there = |path: &str| Path::new(path).exists();
    let has_c = there("/usr/lib/wasm32-wasi/libc.a") && on_path("wasm-ld").is_some();
    has_c && (language != Language::Cpp || there("/usr/lib/wasm32-wasi/libc++.a"))
}
