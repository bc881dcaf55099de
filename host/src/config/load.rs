//! From paths to a checked `Config`, or to everything that hinders it.

use std::path::{Path, PathBuf};

use super::raw::{Entry, Table, Value};
use super::review::{At, Review};
use super::{Config, Problem, Severity, check, files, merge, syntax};

/// What reading the configuration needs from outside.
pub struct Outside<'a> {
    /// Value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Names of the plugins that are part of the program.
    pub builtins: &'a [&'a str],
}

/// The answer of a reading.
#[derive(Debug)]
pub struct Loaded {
    /// `None` where any problem is an error.
    pub config: Option<Config>,
    /// In the order of the files and of the places in them.
    pub problems: Vec<Problem>,
    /// Every file and folder whose change may mend or break this configuration; there even when `config` is not.
    pub watched: Vec<PathBuf>,
}

impl Loaded {
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Nothing could be read: the program was used wrongly (exit code 2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("there is no configuration at {}", path.display())]
    Missing { path: PathBuf },
    #[error("the folder {} holds no *.toml", path.display())]
    EmptyFolder { path: PathBuf },
    #[error("no configuration is given with -c, and neither ./tidegate.toml nor /etc/tidegate/tidegate.toml is there")]
    NoDefault,
}

/// Reads and checks the configuration: the files and folders that `paths` name (none: the default places), the rules
/// folder, secrets and certificates. Touches no broker and loads no plugin.
///
/// # Errors
/// Where there is nothing to read. Everything else is a `Problem`.
pub fn load(paths: &[PathBuf], outside: &Outside<'_>) -> Result<Loaded, LoadError> {
    let review = Review::new(outside);
    let mut root = Table::default();
    for path in files::given(&review, paths)? {
        add_file(&review, &mut root, &path);
    }
    if let Some((at, folder)) = rules_folder(&review, &root) {
        add_rules(&review, &mut root, &at, &folder);
    }
    Ok(finished(review, &root))
}

fn finished(review: Review<'_>, root: &Table) -> Loaded {
    let config = check::config(&review, root);
    let watched = review.watched();
    let problems = review.into_problems();
    let mut loaded = Loaded { config: None, problems, watched: watched.clone() };
    if !loaded.has_errors() {
        loaded.config = config.map(|config| Config { watched, ..config });
    }
    loaded
}

fn add_file(review: &Review<'_>, root: &mut Table, path: &Path) {
    let file = files::read(review, path);
    let tree = syntax::parse(review, file);
    merge::merge(review, root, tree);
}

fn add_rules(review: &Review<'_>, root: &mut Table, at: &At, folder: &Path) {
    review.watch(folder);
    match files::toml_files(folder) {
        Ok(paths) => paths.iter().for_each(|path| add_file(review, root, path)),
        Err(error) => {
            let message = format!("the rules folder {} cannot be read: {error}", folder.display());
            review.error_with(
                at,
                "missing-folder",
                message,
                "the path is relative to the file it stands in".to_owned(),
            );
        }
    }
}

/// `rules` of the files that `-c` names; another type than a text is told later, with the other settings.
fn rules_folder(review: &Review<'_>, root: &Table) -> Option<(At, PathBuf)> {
    let Entry { node, .. } = root.entries.get("rules")?;
    match &node.value {
        Value::Text(folder) if !folder.is_empty() => {
            let at = At { span: node.span, key: "rules".into() };
            Some((at, beside(&review.text(node.span.file).path, folder)))
        }
        _ => None,
    }
}

/// `path` as meant by somebody who writes it into `file`.
pub(super) fn beside(file: &Path, path: &str) -> PathBuf {
    let plain: PathBuf = Path::new(path).components().collect();
    let plain = plain.strip_prefix(".").map(Path::to_path_buf).unwrap_or(plain);
    file.parent().map_or_else(|| plain.clone(), |folder| folder.join(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_they_stand_in() {
        let check = |file: &str, path: &str, expected: &str| {
            assert_eq!(beside(Path::new(file), path).to_string_lossy(), expected, "{path} in {file}");
        };
        check("tidegate.toml", "rules.d/", "rules.d");
        check("./tidegate.toml", "./rules.d", "./rules.d");
        check("conf/tidegate.toml", "rules.d", "conf/rules.d");
        check("conf/tidegate.toml", "../r", "conf/../r");
        check("conf/tidegate.toml", "/etc/r", "/etc/r");
    }
}
