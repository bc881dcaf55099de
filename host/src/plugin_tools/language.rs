//! The languages that there are templates and builders for.

use clap::ValueEnum;

/// A language to write plugins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    C,
    #[value(alias = "c++")]
    Cpp,
    Zig,
    Go,
    #[value(alias = "py")]
    Python,
    #[value(alias = "js")]
    Javascript,
    #[value(alias = "ts")]
    Typescript,
}

impl Language {
    /// As in `--lang` and `plugin.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Zig => "zig",
            Self::Go => "go",
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::Typescript => "typescript",
        }
    }

    /// As people write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::C => "C",
            Self::Cpp => "C++",
            Self::Zig => "Zig",
            Self::Go => "Go",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
            Self::Typescript => "TypeScript",
        }
    }

    /// The language of that name, as in `plugin.toml`.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::value_variants().iter().find(|language| language.name() == name).copied()
    }

    /// What has to be installed, and how.
    #[must_use]
    pub fn tools(self) -> &'static str {
        match self {
            Self::Rust => "Rust 1.95 or later with its wasm target: `rustup target add wasm32-unknown-unknown`.",
            Self::C => {
                "clang for WebAssembly, either Debian's (`apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`), or \
                 wasi-sdk named by `WASI_SDK_PATH`, or Zig (`pip install ziglang`)."
            }
            Self::Cpp => {
                "clang for WebAssembly with a C++ library, either Debian's (`apt-get install clang lld wasi-libc \
                 libclang-rt-dev-wasm32 libc++-dev-wasm32`), or wasi-sdk named by `WASI_SDK_PATH`, or \
                 Zig (`pip install ziglang`)."
            }
            Self::Zig => "Zig 0.17 (`pip install ziglang==0.17.0`, or `zig` on the path).",
            Self::Go => "Go 1.24 or later.",
            Self::Python => {
                "componentize-py (`pip install componentize-py==0.25.1`, also in a virtual environment `.venv` in this folder)."
            }
            Self::Javascript => "Node.js, and once in this folder `npm install`, which brings componentize-qjs.",
            Self::Typescript => {
                "Node.js, and once in this folder `npm install`, which brings componentize-qjs, esbuild and typescript."
            }
        }
    }
}
