//! Which files the configuration is made of, and their bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::LoadError;
use super::review::{At, Broken, Review};
use super::text::{SourceText, Span};

/// Read when no `-c` is given: the first that is there.
pub(super) const DEFAULT_PATHS: [&str; 2] = ["./tidegate.toml", "/etc/tidegate/tidegate.toml"];
const MAIN_FILE: &str = "tidegate.toml";
/// Largest configuration file; ten thousand rules need about three megabytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The files that `-c` names, in order, and the folders among them, to be watched.
pub(super) fn given(review: &Review<'_>, paths: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    if paths.is_empty() {
        let found = DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| path.exists());
        return found.map(|path| vec![path]).ok_or(LoadError::NoDefault);
    }
    let mut files = Vec::new();
    for path in paths {
        if !path.exists() {
            return Err(LoadError::Missing { path: path.clone() });
        }
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        review.watch(path);
        let main = path.join(MAIN_FILE);
        let inside = if main.exists() { vec![main] } else { toml_files(path).unwrap_or_default() };
        if inside.is_empty() {
            return Err(LoadError::EmptyFolder { path: path.clone() });
        }
        files.extend(inside);
    }
    Ok(files)
}

/// All `*.toml` of a folder in name order. Names that begin with a dot are skipped: editors and Kubernetes keep their
/// own things under such names.
pub(super) fn toml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".toml") && !text.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Names of the plugins that lie in `folder`: `NAME.wasm` is plugin NAME.
pub(super) fn plugin_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match name.strip_suffix(".wasm") {
            Some(plugin) if !name.starts_with('.') && folder.join(&name).is_file() => names.push(plugin.to_owned()),
            Some(_) | None => {}
        }
    }
    names.sort();
    Ok(names)
}

/// Takes the file into the review. What cannot be read, or is no UTF-8, is told; the answer is its place.
pub(super) fn read(review: &Review<'_>, path: &Path) -> usize {
    review.watch(path);
    let name = path.to_string_lossy().into_owned();
    let (bytes, trouble) = match read_limited(path, FILE_BYTES_MAX) {
        Ok(bytes) => (bytes, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let text = SourceText::new(name, path.to_path_buf(), String::from_utf8_lossy(bytes).into_owned());
    let line = text.line_range(valid);
    let file = review.add_text(text);
    let at = |start| At { span: Span { file, start, end: start + 1 }, key: String::new() };
    if let Some(error) = trouble {
        review.error(&at(0), "unreadable-file", format!("this file cannot be read: {error}"));
        let whole = Span { file, start: 0, end: 0 };
        review.mark_broken(Broken { silent: whole, hides: Span { end: usize::MAX, ..whole } });
    } else if valid < bytes.len() {
        let help = "save the file as UTF-8".to_owned();
        review.error_with(&at(valid), "not-utf8", "from here on this file is no UTF-8", help);
        let span = Span { file, start: line.start, end: line.end };
        review.mark_broken(Broken { silent: span, hides: span });
    }
    file
}

/// The bytes of a plain file that holds at most `bytes_max`. Pipes and devices are refused: they could block for ever,
/// and a reload could not read them again.
pub(super) fn read_limited(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}
