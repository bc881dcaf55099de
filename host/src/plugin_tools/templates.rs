//! `plugin new`: a folder with a working plugin, the same small one in each language, with the same cases.

use std::fs;
use std::io;
use std::path::Path;

use super::language::Language;
use super::texts::{SDK, WIT};

const CASES: &str = include_str!("../../templates/common/cases.toml");
const README: &str = include_str!("../../templates/common/README.md");
const SDK_README: &str = include_str!("../../../guest-sdk/README.md");

/// Path inside the plugin's folder, and text.
type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal, $template:literal) => {
        ($path, include_str!(concat!("../../templates/", $template)))
    };
}

const RUST: [File; 4] = [
    file!("Cargo.toml", "rust/Cargo.toml.txt"),
    file!(".cargo/config.toml", "rust/cargo-config.toml.txt"),
    file!("src/lib.rs", "rust/lib.rs.txt"),
    file!("tidegate-guest-sdk/Cargo.toml", "rust/sdk.Cargo.toml.txt"),
];
const C: [File; 5] = [
    file!("plugin.c", "c/plugin.c"),
    file!("json.h", "c/json.h"),
    file!("json.c", "c/json.c"),
    file!("tidegate.h", "c/tidegate.h"),
    file!("tidegate.c", "c/tidegate.c"),
];
const CPP: [File; 7] = [
    file!("plugin.cpp", "cpp/plugin.cpp"),
    file!("json.h", "c/json.h"),
    file!("json.c", "c/json.c"),
    file!("tidegate.hpp", "cpp/tidegate.hpp"),
    file!("glue.cpp", "cpp/glue.cpp"),
    file!("tidegate.h", "c/tidegate.h"),
    file!("tidegate.c", "c/tidegate.c"),
];
const ZIG: [File; 2] = [file!("plugin.zig", "zig/plugin.zig"), file!("tidegate.zig", "zig/tidegate.zig")];
const GO: [File; 4] = [
    file!("go.mod", "go/go.mod.txt"),
    file!("main.go", "go/main.go.txt"),
    file!("tidegate/tidegate.go", "go/tidegate/tidegate.go.txt"),
    file!("tidegate/boundary.go", "go/tidegate/boundary.go.txt"),
];
const PYTHON: [File; 1] = [file!("src/app.py", "python/app.py")];
const JAVASCRIPT: [File; 3] = [
    file!("package.json", "javascript/package.json"),
    file!("src/plugin.js", "javascript/plugin.js"),
    file!("src/text.js", "javascript/text.js"),
];
const TYPESCRIPT: [File; 5] = [
    file!("package.json", "typescript/package.json"),
    file!("tsconfig.json", "typescript/tsconfig.json"),
    file!("src/plugin.ts", "typescript/plugin.ts"),
    file!("src/text.ts", "typescript/text.ts"),
    file!("src/tidegate.d.ts", "typescript/tidegate.d.ts"),
];

/// Writes the plugin `name` into `folder`, which must not hold anything yet.
///
/// # Errors
/// Where a file cannot be written, or the folder is not empty.
pub fn write(language: Language, name: &str, folder: &Path) -> io::Result<()> {
    if folder.exists() && fs::read_dir(folder)?.next().is_some() {
        return Err(io::Error::other("the folder is not empty"));
    }
    let put = |path: &str, text: &str| -> io::Result<()> {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let text = text.replace("PLUGIN_NAME", name).replace("SDK_VERSION", env!("CARGO_PKG_VERSION"));
        fs::write(path, text)
    };
    for (path, text) in sources(language) {
        put(path, text)?;
    }
    put("plugin.toml", &manifest(language, name))?;
    put(&format!("{name}.cases.toml"), CASES)?;
    put("README.md", &readme(language))?;
    put(".gitignore", ignored(language))?;
    if language == Language::Rust {
        SDK.iter().try_for_each(|(path, text)| put(&format!("tidegate-guest-sdk/src/{path}"), text))?;
        put("tidegate-guest-sdk/README.md", SDK_README)?;
    }
    WIT.iter().try_for_each(|(path, text)| put(&format!("wit/{path}"), text))
}

/// Why `name` cannot be the name of a plugin; `None` where it can. What fits is a name for every language's packages.
#[must_use]
pub fn unfit(name: &str) -> Option<&'static str> {
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    match (begins && plain, name.ends_with('-') || name.contains("--"), name.len() > 64) {
        (true, false, false) => None,
        (false, _, _) => Some("a name begins with a letter and has only a-z, 0-9 and -"),
        (true, true, _) => Some("a - stands between two letters or digits"),
        (true, false, true) => Some("a name has at most 64 characters"),
    }
}

fn sources(language: Language) -> &'static [File] {
    match language {
        Language::Rust => &RUST,
        Language::C => &C,
        Language::Cpp => &CPP,
        Language::Zig => &ZIG,
        Language::Go => &GO,
        Language::Python => &PYTHON,
        Language::Javascript => &JAVASCRIPT,
        Language::Typescript => &TYPESCRIPT,
    }
}

fn manifest(language: Language, name: &str) -> String {
    format!("# What `tidegate plugin build` reads.\nname = \"{name}\"\nlang = \"{}\"\n", language.name())
}

fn readme(language: Language) -> String {
    README
        .replace("LANGUAGE", language.title())
        .replace("FILES", files(language))
        .replace("TOOLS", language.tools())
        .replace("NOTES", notes(language))
}

fn files(language: Language) -> &'static str {
    match language {
        Language::Rust => {
            "Yours is `src/lib.rs`; `cargo test` runs its tests natively. `tidegate-guest-sdk/` is the SDK, `wit/` the contract."
        }
        Language::C => {
            "Yours is `plugin.c`; every `.c` file in this folder is built. `tidegate.h` says what a plugin can do, \
             `tidegate.c` carries it over, `json.c` is a small JSON reader, `wit/` the contract."
        }
        Language::Cpp => {
            "Yours is `plugin.cpp`; every `.cpp` and `.c` file in this folder is built. `tidegate.hpp` says what a plugin can \
             do, `glue.cpp` and `tidegate.c` carry it over, `json.c` is a small JSON reader, `wit/` the contract."
        }
        Language::Zig => "Yours is `plugin.zig`. `tidegate.zig` says what a plugin can do, `wit/` is the contract.",
        Language::Go => {
            "Yours is `main.go`. The package `tidegate` says what a plugin can do (`tidegate.go`) and carries it over \
             (`boundary.go`), `wit/` is the contract."
        }
        Language::Python => {
            "Yours is `src/app.py`. `wit/` is the contract. For your editor: `componentize-py -d wit -w plugin bindings src` \
             writes its types."
        }
        Language::Javascript => "Yours is `src/plugin.js`. `src/text.js` is UTF-8, `wit/` the contract.",
        Language::Typescript => {
            "Yours is `src/plugin.ts`. `src/tidegate.d.ts` has the types of the contract, `src/text.ts` is UTF-8, `wit/` the \
             contract itself."
        }
    }
}

/// What surprises in a language.
fn notes(language: Language) -> &'static str {
    match language {
        Language::Rust | Language::Zig => "",
        Language::C | Language::Cpp | Language::Go => {
            "\n\nThe clock moves only when it is read, random numbers are the same at each start, standard output goes nowhere,\n\
             standard error becomes log lines."
        }
        Language::Python | Language::Javascript | Language::Typescript => {
            "\n\nThere is no clock, no source of random numbers and no input or output: to use one ends the call."
        }
    }
}

fn ignored(language: Language) -> &'static str {
    match language {
        Language::Rust => "/target\n/*.wasm\n",
        Language::C | Language::Cpp | Language::Zig | Language::Go => "/build\n/*.wasm\n",
        Language::Python => "/.venv\n/build\n__pycache__\n/*.wasm\n",
        Language::Javascript | Language::Typescript => "/node_modules\n/build\n/*.wasm\n",
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_language_gets_a_whole_folder() {
        for language in Language::value_variants() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("celsius");
            write(*language, "celsius", &path).unwrap();
            for file in ["plugin.toml", "celsius.cases.toml", "README.md", "wit/world.wit"] {
                let text = fs::read_to_string(path.join(file)).unwrap();
                assert!(!text.contains("PLUGIN_NAME"), "{file} of {}", language.name());
            }
            assert!(crate::config::cases::load(&path.join("celsius.cases.toml")).is_ok());
            assert!(write(*language, "celsius", &path).is_err(), "a second time into the same folder");
        }
    }

    #[test]
    fn names_fit_all_languages() {
        for name in ["celsius", "a", "to-celsius-2"] {
            assert_eq!(unfit(name), None, "{name}");
        }
        for name in ["", "2a", "-a", "a-", "a--b", "A", "a_b", "a/b", "ä", &"a".repeat(65)] {
            assert!(unfit(name).is_some(), "{name}");
        }
    }
}
