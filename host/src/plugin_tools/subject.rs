//! A plugin file, read, with the settings that apply to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::advice::Trouble;
use super::anatomy::Anatomy;
use crate::config::{PluginConfig, PluginLimits, PluginsConfig};
use crate::digest::sha256_hex;
use crate::wasm::{Engine, Plugin, PluginError};

/// A plugin file as the tools see it.
pub struct Subject {
    /// The file's name without `.wasm`.
    pub name: String,
    pub path: PathBuf,
    /// Empty where it is too large to be read.
    pub bytes: Vec<u8>,
    /// Its length, where that is beyond the limit.
    too_large: Option<u64>,
    /// Lower-case hex.
    pub sha256: String,
    pub settings: PluginConfig,
}

impl Subject {
    /// Reads the file at `path`. The settings are those of `plugins`, where given, else the defaults.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path, plugins: Option<&PluginsConfig>) -> io::Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let limits = plugins.map_or_else(PluginLimits::recommended, |plugins| plugins.limits);
        let each = plugins.and_then(|plugins| plugins.each.get(&name).cloned());
        let settings = each.unwrap_or(PluginConfig { trusted: false, sha256: None, limits });
        let (length, limit) = (fs::metadata(path)?.len(), settings.limits.file_bytes);
        if length > limit {
            return Ok(Self {
                name,
                path: path.to_owned(),
                bytes: Vec::new(),
                too_large: Some(length),
                sha256: String::new(),
                settings,
            });
        }
        let bytes = fs::read(path)?;
        let sha256 = sha256_hex(&bytes);
        Ok(Self { name, path: path.to_owned(), bytes, too_large: None, sha256, settings })
    }

    /// The file as messages name it.
    #[must_use]
    pub fn file(&self) -> String {
        self.path.display().to_string()
    }

    /// `NAME.cases.toml` beside it.
    #[must_use]
    pub fn cases_path(&self) -> PathBuf {
        self.path.with_file_name(format!("{}.cases.toml", self.name))
    }

    /// That the file is beyond its limit, where it is.
    #[must_use]
    pub fn oversize(&self) -> Option<Trouble> {
        let limit_bytes = self.settings.limits.file_bytes;
        self.too_large.map(|bytes| Trouble::of_load(&self.name, &PluginError::TooLarge { bytes, limit_bytes }))
    }

    /// Checks, compiles and links it.
    ///
    /// # Errors
    /// Why it cannot be used, and what to do.
    pub fn load(&self, engine: &Arc<Engine>) -> Result<Arc<Plugin>, Trouble> {
        if let Some(trouble) = self.oversize() {
            return Err(trouble);
        }
        if let Some(wanted) = self.settings.sha256.as_ref().filter(|wanted| **wanted != self.sha256) {
            let message =
                format!("plugin `{}` has the digest {}, but `sha256` asks for {wanted}", self.name, self.sha256);
            return Err(Trouble::error(
                "sha256",
                message,
                "put the digest of this file into the configuration, or the file of that digest in its place",
            ));
        }
        let loaded = engine.load(&self.name, &self.bytes, self.settings.trusted, self.settings.limits);
        loaded.map_err(|error| Trouble::of_load(&self.name, &error))
    }

    /// What it says of itself; nothing where it cannot be read.
    #[must_use]
    pub fn anatomy(&self) -> Anatomy {
        Anatomy::read(&self.bytes).unwrap_or_default()
    }
}
