//! The names that rules and other tables may refer to.

use std::path::PathBuf;

use super::rule::Checked;
use crate::config::files;
use crate::config::load::beside;
use crate::config::nearest::suggestion;
use crate::config::raw::Value;
use crate::config::reader::{Section, shown};

/// All names of sources, clusters and plugins. Taken from the tree, so that a reference to a table that has problems
/// of its own is still right.
pub(super) struct Known<'n> {
    /// In name order, as in `Config::sources`.
    pub(super) sources: Vec<&'n str>,
    /// In name order, as in `Config::clusters`.
    pub(super) clusters: Vec<&'n str>,
    /// Tables to look into.
    pub(super) lookups: Vec<&'n str>,
    /// Of the folder and of the program.
    pub(super) plugins: Vec<String>,
    pub(super) folder: Option<PathBuf>,
    /// Why the folder's plugins are not known.
    folder_trouble: Option<String>,
}

impl<'n> Known<'n> {
    pub(super) fn gather(root: &Section<'n, '_>) -> Self {
        let names = |key| root.item(key).map(|item| item.names()).unwrap_or_default();
        let folder = folder(root);
        let (found, folder_trouble) = match folder.as_deref().map(files::plugin_names) {
            Some(Ok(names)) => (names, None),
            Some(Err(error)) => (Vec::new(), Some(error.to_string())),
            None => (Vec::new(), None),
        };
        let builtins = root.review.outside.builtins.iter().map(|name| (*name).to_owned());
        let plugins = found.into_iter().chain(builtins).collect();
        Self {
            sources: names("mqtt"),
            clusters: names("kafka"),
            lookups: names("lookup"),
            plugins,
            folder,
            folder_trouble,
        }
    }

    /// The place of the source that `section` names; the only one where it names none.
    pub(super) fn source(&self, section: &Section<'_, '_>) -> Option<usize> {
        pick(section, "source", &self.sources, ["unknown-source", "[mqtt.NAME]"])
    }

    /// The place of the cluster that `section` names; the only one where it names none.
    pub(super) fn cluster(&self, section: &Section<'_, '_>) -> Option<usize> {
        pick(section, "kafka", &self.clusters, ["unknown-cluster", "[kafka.NAME]"])
    }

    /// Whether `name` is a plugin; where the folder cannot be read, that is told instead.
    pub(super) fn has_plugin(&self, name: &str) -> bool {
        self.folder_trouble.is_some() || self.plugins.iter().any(|known| known == name)
    }

    /// What to do about an unknown plugin.
    pub(super) fn plugin_help(&self, name: &str) -> Option<String> {
        let near = suggestion(name, self.plugins.iter().map(String::as_str));
        match (&self.folder, near) {
            (_, Some(near)) => Some(near),
            (Some(folder), None) => Some(format!("put {name}.wasm into {}", folder.display())),
            (None, None) => Some("name the folder of your plugins: `[plugins]` with `folder = \"plugins.d\"`".into()),
        }
    }

    /// A plugin folder that is not there hinders only those rules that need it.
    pub(super) fn tell_folder(&self, root: &Section<'_, '_>, rules: &[Checked]) {
        let (Some(trouble), Some(folder)) = (&self.folder_trouble, &self.folder) else { return };
        let Some(item) = root.peek("plugins", "folder") else { return };
        let builtin = |name: &str| self.plugins.iter().any(|known| known == name);
        let needed = rules.iter().flat_map(|rule| &rule.config.via).any(|via| !builtin(&via.plugin));
        let message = format!("the plugin folder {} cannot be read: {trouble}", folder.display());
        let help = "the path is relative to the file it stands in".to_owned();
        match needed {
            true => item.error("missing-folder", message, help),
            false => item.review.warn(&item.at(), "missing-folder", message, help),
        }
    }
}

fn folder(root: &Section<'_, '_>) -> Option<PathBuf> {
    let item = root.peek("plugins", "folder")?;
    let Value::Text(folder) = &item.node.value else { return None };
    if folder.is_empty() {
        return None;
    }
    let folder = beside(&root.review.text(item.node.span.file).path, folder);
    root.review.watch(&folder);
    Some(folder)
}

fn pick(section: &Section<'_, '_>, key: &'static str, names: &[&str], words: [&'static str; 2]) -> Option<usize> {
    let [code, table] = words;
    let Some(item) = section.item(key) else {
        if names.len() > 1 && !section.review.may_be_hidden(key) {
            let message = format!("`{key}` is needed here, since there is more than one `{table}`");
            let all = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            section.review.error_with(&section.at_key(key), "missing-key", message, format!("one of {all}"));
        }
        return (names.len() == 1).then_some(0);
    };
    let name = item.text()?;
    let found = names.iter().position(|known| *known == name);
    if found.is_none() && !names.is_empty() && !section.review.may_be_hidden(name) {
        let message = format!("there is no `{}`", table.replace("NAME", &shown(name)));
        item.error(code, message, suggestion(name, names.iter().copied()));
    }
    found
}
