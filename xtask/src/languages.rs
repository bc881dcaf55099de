//! The tools of the languages that plugins are written in: into the project's tool folder, from package registries.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{root, target};
use crate::steps::program;

/// As `tests/src/languages.rs` expects them, and as the templates name them.
const ZIG: &str = "ziglang==0.17.0";
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// Everything but Go, which has no package of the right age everywhere.
///
/// # Errors
/// An installation failed.
pub(crate) fn install() -> Result<(), String> {
    let folder = target().join("tools").join("languages");
    python(&folder)?;
    javascript(&folder)
}

fn python(folder: &Path) -> Result<(), String> {
    let venv = folder.join("python");
    if venv.join("bin/componentize-py").is_file() {
        return Ok(());
    }
    let place = venv.display().to_string();
    program("Python environment", 5, "python3", &["-m", "venv", &place]).run()?;
    let pip = venv.join("bin/pip").display().to_string();
    program("Zig and componentize-py", 15, &pip, &["install", "--quiet", ZIG, COMPONENTIZE_PY]).run()
}

/// What the templates' own `package.json` asks for.
fn javascript(folder: &Path) -> Result<(), String> {
    let folder: PathBuf = folder.join("javascript");
    if folder.join("node_modules/.bin/componentize-qjs").exists() {
        return Ok(());
    }
    fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    let template = root().join("host/templates/typescript/package.json");
    let text = fs::read_to_string(&template).map_err(|error| format!("read {}: {error}", template.display()))?;
    let package = folder.join("package.json");
    fs::write(&package, text.replace("PLUGIN_NAME", "tools"))
        .map_err(|error| format!("write {}: {error}", package.display()))?;
    program("componentize-qjs, esbuild and typescript", 10, "npm", &["install", "--no-fund", "--no-audit"])
        .within(&folder)
        .run()
}
