//! What a component says of itself, without compiling it.

use wasmparser::{BinaryReaderError, Parser, Payload};

/// The contract's package; what a plugin exports and imports of it stands under this name.
const PACKAGE: &str = "tidegate:plugin/";
/// Interfaces of the contract that every plugin may import.
const FREE: [&str; 3] = ["types", "log", "properties"];

/// Names in the order of the file, with their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

impl Anatomy {
    /// Reads the outermost component.
    ///
    /// # Errors
    /// Where the bytes are not WebAssembly, or are cut off.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut anatomy = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|error| one_line(&error))? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        anatomy.imports.push(import.map_err(|error| one_line(&error))?.name.name.into());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        anatomy.exports.push(export.map_err(|error| one_line(&error))?.name.name.into());
                    }
                }
                _ => {}
            }
        }
        Ok(anatomy)
    }

    /// The version of the contract that it was built for.
    #[must_use]
    pub fn contract(&self) -> Option<&str> {
        let transform = self.exports.iter().filter_map(|name| name.strip_prefix(PACKAGE)?.strip_prefix("transform@"));
        transform.into_iter().next()
    }

    /// What a rule has to grant it, in name order.
    #[must_use]
    pub fn grants(&self) -> Vec<&str> {
        let interface = |name: &'_ str| -> Option<usize> { name.strip_prefix(PACKAGE)?.find('@') };
        let mut grants: Vec<&str> = self
            .imports
            .iter()
            .filter_map(|name| interface(name).map(|at| &name[PACKAGE.len()..PACKAGE.len() + at]))
            .filter(|name| !FREE.contains(name))
            .collect();
        grants.sort_unstable();
        grants.dedup();
        grants
    }

    /// Whether it imports any part of WASI.
    #[must_use]
    pub fn uses_wasi(&self) -> bool {
        self.imports.iter().any(|name| name.starts_with("wasi:"))
    }
}

/// The parser breaks some of its lines.
fn one_line(error: &BinaryReaderError) -> String {
    error.message().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::embedded;

    #[test]
    fn a_plugin_tells_its_contract_and_imports() {
        let anatomy = Anatomy::read(embedded::PLANT).unwrap();
        assert_eq!(anatomy.contract(), Some("0.1.0"));
        assert_eq!(anatomy.grants(), Vec::<&str>::new());
        assert!(!anatomy.uses_wasi(), "{anatomy:?}");
    }

    #[test]
    fn grants_are_the_interfaces_beyond_the_free_ones() {
        let imports = ["tidegate:plugin/state@0.1.0", "tidegate:plugin/log@0.1.0", "wasi:cli/stderr@0.2.6"];
        let anatomy = Anatomy { imports: imports.map(String::from).into(), exports: Vec::new() };
        assert_eq!(anatomy.grants(), ["state"]);
        assert_eq!(anatomy.contract(), None);
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_never_a_panic() {
        for length in (0..embedded::PLANT.len()).step_by(61) {
            let _told = Anatomy::read(&embedded::PLANT[..length]);
        }
        assert!(Anatomy::read(b"#!/bin/sh").is_err());
    }
}
