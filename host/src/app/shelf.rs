//! The plugins of the folder, compiled once per content: a reload that does not change a file does not compile it, and a
//! stage whose plugin and configuration stay keeps its running instances.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use crate::config::cases;
use crate::config::{Grant, Grants, PluginConfig, PluginLimits, PluginsConfig, Problem, Severity, ViaConfig};
use crate::plugin_tools::{self, advice::Trouble};
use crate::seam::Stage;
use crate::wasm::embedded;
use crate::wasm::{Engine, Outside, Plugin};

/// Compiled plugins and configured stages, by what they were made of.
pub struct Shelf {
    engine: Arc<Engine>,
    plugins: HashMap<PluginKey, Arc<Plugin>>,
    stages: HashMap<StageKey, Weak<dyn Stage>>,
    /// What became of a plugin's cases, so that neither is tried again while it does not change.
    tried: HashMap<(PluginKey, String), Result<(), String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PluginKey {
    name: String,
    sha256: String,
    trusted: bool,
    limits: PluginLimits,
}

/// A stage is of one rule: its log lines and its instances are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct StageKey {
    plugin: PluginKey,
    rule: String,
    config: String,
    grants: Grants,
}

/// What one look at the shelf found; files are read once per look.
pub struct Look<'s> {
    shelf: &'s mut Shelf,
    config: &'s PluginsConfig,
    seen: HashMap<String, Result<(PluginKey, Arc<Plugin>), String>>,
}

impl Shelf {
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, plugins: HashMap::new(), stages: HashMap::new(), tried: HashMap::new() }
    }

    /// Looks at the folder as it is now.
    pub fn look<'s>(&'s mut self, config: &'s PluginsConfig) -> Look<'s> {
        Look { shelf: self, config, seen: HashMap::new() }
    }
}

fn grant_help(grant: Grant) -> String {
    format!("if it shall: add `grants = [{}]` to this entry of `via`", grant.example())
}

impl Look<'_> {
    /// Whether `name` means the plugin in the binary: a file of that name in the folder comes first.
    #[must_use]
    pub fn is_built_in(&self, name: &str) -> bool {
        let file = self.config.folder.as_ref().map(|folder| folder.join(format!("{name}.wasm")));
        embedded::plugin(name).is_some() && !file.is_some_and(|file| file.exists())
    }

    /// The stage that the `via` entry of `rule` asks for, tried with one instance.
    ///
    /// # Errors
    /// What is wrong with the file or its configuration, at the place of the entry.
    pub fn stage(&mut self, rule: &str, via: &ViaConfig, outside: &Outside) -> Result<Arc<dyn Stage>, Problem> {
        let problem = |code, message: String| Problem {
            severity: Severity::Error,
            code,
            place: via.place.clone(),
            message,
            help: None,
            excerpt: None,
        };
        let (key, plugin) = self.plugin(&via.plugin).map_err(|error| problem("plugin-unusable", error))?;
        if let Some(missing) = plugin.missing(&via.grants).first() {
            let message = format!("plugin `{}` uses `{missing}`, which this rule does not grant", via.plugin);
            return Err(Problem { help: Some(grant_help(*missing)), ..problem("not-granted", message) });
        }
        let (config, grants) = (via.config.clone(), via.grants.clone());
        let stage_key = StageKey { plugin: key, rule: rule.into(), config, grants };
        if let Some(stage) = self.shelf.stages.get(&stage_key).and_then(Weak::upgrade) {
            return Ok(stage);
        }
        let stage = plugin
            .stage_granted(rule, via.config.clone(), &via.grants, outside)
            .map_err(|fault| problem("plugin-init", format!("plugin `{}` does not start: {fault}", via.plugin)))?;
        self.shelf.stages.insert(stage_key, Arc::downgrade(&stage));
        Ok(stage)
    }

    /// Checks the files of the folder that no rule has asked for.
    pub fn unused(&mut self) -> Vec<(PathBuf, String)> {
        let Some(folder) = &self.config.folder else { return Vec::new() };
        let entries = fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        let mut paths: Vec<PathBuf> = entries.unwrap_or_default();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        paths.sort();
        let mut broken = Vec::new();
        for path in paths {
            let Some(name) = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            if name.starts_with('.') || self.seen.contains_key(&name) {
                continue;
            }
            if let Err(error) = self.plugin(&name) {
                broken.push((path, error));
            }
        }
        broken
    }

    /// Digest of every plugin that was asked for, by name.
    #[must_use]
    pub fn digests(&self) -> HashMap<String, String> {
        let digest = |(name, seen): (&String, &Result<(PluginKey, Arc<Plugin>), String>)| {
            seen.as_ref().ok().map(|(key, _)| (name.clone(), key.sha256.clone()))
        };
        self.seen.iter().filter_map(digest).collect()
    }

    /// Ends the look: forgets the plugins that it did not ask for, so that replaced files do not pile up.
    pub fn finish(self) {
        let kept: Vec<&PluginKey> = self.seen.values().flatten().map(|(key, _)| key).collect();
        self.shelf.plugins.retain(|key, _| kept.contains(&key));
        self.shelf.tried.retain(|(key, _), _| kept.contains(&key));
        self.shelf.stages.retain(|_, stage| stage.strong_count() > 0);
    }

    fn plugin(&mut self, name: &str) -> Result<(PluginKey, Arc<Plugin>), String> {
        if let Some(seen) = self.seen.get(name) {
            return seen.clone();
        }
        let found = self.load(name);
        self.seen.insert(name.to_owned(), found.clone());
        found
    }

    fn load(&mut self, name: &str) -> Result<(PluginKey, Arc<Plugin>), String> {
        let settings = self.settings(name);
        let bytes = self.bytes(name, &settings)?;
        let sha256 = crate::digest::sha256_hex(&bytes);
        if let Some(wanted) = settings.sha256.as_ref().filter(|wanted| **wanted != sha256) {
            return Err(format!("plugin `{name}` has the digest {sha256}, but `sha256` asks for {wanted}"));
        }
        let key = PluginKey { name: name.into(), sha256, trusted: settings.trusted, limits: settings.limits };
        let plugin = match self.shelf.plugins.get(&key) {
            Some(known) => known.clone(),
            None => {
                let loaded = self.shelf.engine.load(name, &bytes, settings.trusted, settings.limits);
                loaded.map_err(|error| Trouble::of_load(name, &error).in_one_line())?
            }
        };
        self.try_cases(&key, &plugin)?;
        self.shelf.plugins.insert(key.clone(), plugin.clone());
        Ok((key, plugin))
    }

    /// Runs the cases that lie beside the plugin's file, if any, once for each content of both.
    fn try_cases(&mut self, key: &PluginKey, plugin: &Arc<Plugin>) -> Result<(), String> {
        let name = &key.name;
        let path = self.config.folder.as_ref().map(|folder| folder.join(format!("{name}.cases.toml")));
        let Some(path) = path.filter(|path| path.is_file()) else { return Ok(()) };
        let bytes = fs::read(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
        let tried = (key.clone(), crate::digest::sha256_hex(&bytes));
        if let Some(known) = self.shelf.tried.get(&tried) {
            return known.clone();
        }
        let outcome = match cases::load(&path) {
            Ok(wanted) => plugin_tools::cases::summary(&wanted, &plugin_tools::cases::run(plugin, &wanted))
                .map_or(Ok(()), |failures| Err(format!("plugin `{name}` {failures}"))),
            Err(problems) => Err(told(name, &problems)),
        };
        self.shelf.tried.insert(tried, outcome.clone());
        outcome
    }

    fn settings(&self, name: &str) -> PluginConfig {
        match self.config.each.get(name) {
            Some(settings) => settings.clone(),
            None => {
                PluginConfig { trusted: embedded::plugin(name).is_some(), sha256: None, limits: self.config.limits }
            }
        }
    }

    /// The folder's file comes before a built-in plugin of the same name.
    fn bytes(&self, name: &str, settings: &PluginConfig) -> Result<Vec<u8>, String> {
        let path = self.config.folder.as_ref().map(|folder| folder.join(format!("{name}.wasm")));
        let Some(path) = path.filter(|path| path.exists()) else {
            return embedded::plugin(name).map(<[u8]>::to_vec).ok_or_else(|| {
                format!("plugin `{name}` is not there: no such file in the plugin folder, and no built-in of that name")
            });
        };
        let shown = path.display();
        let length = fs::metadata(&path).map_err(|error| format!("read plugin {shown}: {error}"))?.len();
        if length > settings.limits.file_bytes {
            let limit = settings.limits.file_bytes;
            return Err(format!("plugin {shown} has {length} bytes, more than the limit of {limit}"));
        }
        fs::read(&path).map_err(|error| format!("read plugin {shown}: {error}"))
    }
}

/// The first problem of a cases file, and how many there are.
fn told(name: &str, problems: &[Problem]) -> String {
    let first = problems.iter().find(|problem| problem.severity == Severity::Error);
    let first = first.map(|problem| format!("{}:{}: {}", problem.place.file, problem.place.line, problem.message));
    let count = problems.len();
    format!("the cases of plugin `{name}` cannot be used ({count} problems): {}", first.unwrap_or_default())
}
