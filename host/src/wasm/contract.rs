//! Which contract a component was built for, what it exports and imports: read from its type, told in the words of its
//! author.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::plugin::PluginError;
use crate::config::Grant;

/// The newest contract that this host offers.
pub const CONTRACT: &str = "0.1.0";

const PACKAGE: &str = "tidegate:plugin/";
const TRANSFORM: &str = "tidegate:plugin/transform";
/// What may be imported without a grant, by full name or package, without the version.
const OFFERED: [&str; 10] = [
    "tidegate:plugin/types",
    "tidegate:plugin/occasions",
    "tidegate:plugin/log",
    "tidegate:plugin/properties",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// A contract that this host offers. All of them are linked side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V0_1,
}

impl Version {
    const ALL: [Self; 1] = [Self::V0_1];

    fn number(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1.0",
        }
    }

    /// The contract that `version` of a package belongs to. Before 1.0 all with the same minor number fit each other.
    fn of(version: &str) -> Option<Self> {
        let minor = |version: &str| version.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
        let is_this = |known: &Self| minor(version) == minor(known.number()) && !version.contains('-');
        Self::ALL.into_iter().find(is_this)
    }
}

/// Interfaces that a plugin may export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Optional {
    pub(super) describe: bool,
    pub(super) timer: bool,
    pub(super) connection: bool,
}

/// What the type of a component tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contract {
    pub(super) version: Version,
    /// The contract's number as the component has it.
    pub(super) number: String,
    pub(super) optional: Optional,
    /// What it cannot run without.
    pub(super) asks: Vec<Grant>,
    /// Full names, in order.
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// Tells core modules and other files from components, by the first eight bytes (WebAssembly binary format, section
/// "Modules"; Component Model, `Binary.md`).
///
/// # Errors
/// What it is instead.
pub(super) fn check_preamble(bytes: &[u8]) -> Result<(), PluginError> {
    match bytes.first_chunk::<8>() {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', ..]) => Err(PluginError::CoreModule),
        Some(_) | None => Err(PluginError::NotWasm),
    }
}

/// # Errors
/// The first import that is not offered, or that the plugin's functions are missing or of another version.
pub(super) fn read(component: &Component) -> Result<Contract, PluginError> {
    let (kind, engine) = (component.component_type(), component.engine());
    let exports: Vec<String> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let imports: Vec<(String, bool)> = kind
        .imports(engine)
        .map(|(name, import)| {
            let has_functions = match import.ty {
                ComponentItem::ComponentInstance(instance) => {
                    instance.exports(engine).any(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
                }
                _ => true,
            };
            (name.to_owned(), has_functions)
        })
        .collect();
    of(exports, imports)
}

/// The contract of a component that exports and imports these names; an import is told with whether it has functions.
fn of(exports: Vec<String>, imports: Vec<(String, bool)>) -> Result<Contract, PluginError> {
    let (version, number) = version(&exports)?;
    if let Some((name, _)) = imports.iter().find(|(name, _)| !is_offered(name) && granted_by(name).is_none()) {
        return Err(not_offered(name));
    }
    let asks =
        |grant: &Grant| imports.iter().any(|(name, has_functions)| *has_functions && granted_by(name) == Some(*grant));
    let has = |interface: &str| {
        let versions = exports.iter().filter_map(|name| version_of(name, interface));
        versions.filter_map(Version::of).any(|known| known == version)
    };
    Ok(Contract {
        version,
        number,
        optional: Optional {
            describe: has("tidegate:plugin/describe"),
            timer: has("tidegate:plugin/timer"),
            connection: has("tidegate:plugin/connection"),
        },
        asks: Grant::ALL.into_iter().filter(asks).collect(),
        imports: imports.into_iter().map(|(name, _)| name).collect(),
        exports,
    })
}

fn version(exports: &[String]) -> Result<(Version, String), PluginError> {
    let versions: Vec<&str> = exports.iter().filter_map(|name| version_of(name, TRANSFORM)).collect();
    let known = versions.iter().find_map(|version| Some((Version::of(version)?, (*version).to_owned())));
    match (known, versions.first()) {
        (Some(known), _) => Ok(known),
        (None, Some(other)) => Err(PluginError::OtherContract { version: (*other).into() }),
        (None, None) => Err(PluginError::NoTransform),
    }
}

/// Why an import cannot be had: a version that we do not know, or nothing of ours at all.
fn not_offered(name: &str) -> PluginError {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    let is_ours = OFFERED.contains(&path) || path.strip_prefix(PACKAGE).and_then(Grant::named).is_some();
    match is_ours && Version::of(version).is_none() {
        true => PluginError::OtherContract { version: version.into() },
        false => PluginError::ImportNotOffered { name: name.into() },
    }
}

/// The version in `name` if it names `interface`.
fn version_of<'a>(name: &'a str, interface: &str) -> Option<&'a str> {
    name.strip_prefix(interface)?.strip_prefix('@')
}

fn is_offered(name: &str) -> bool {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    OFFERED.iter().any(|offered| match offered.strip_suffix('/') {
        Some(package) => path.split_once('/').is_some_and(|(of, _)| of == package) && version.starts_with("0.2."),
        None => path == *offered && Version::of(version).is_some(),
    })
}

/// What a rule must grant for this import.
fn granted_by(name: &str) -> Option<Grant> {
    let (path, version) = name.split_once('@')?;
    Version::of(version)?;
    Grant::named(path.strip_prefix(PACKAGE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSFORM_0_1: &str = "tidegate:plugin/transform@0.1.0";

    fn told(exports: &[&str], imports: &[(&str, bool)]) -> Result<Contract, String> {
        let exports = exports.iter().map(|name| (*name).to_owned()).collect();
        let imports = imports.iter().map(|(name, has_functions)| ((*name).to_owned(), *has_functions)).collect();
        of(exports, imports).map_err(|error| error.to_string())
    }

    fn check_import(name: &str, refusal: &str) {
        let told = told(&[TRANSFORM_0_1], &[(name, true)]).err().unwrap_or_default();
        assert!(told.contains(refusal) && told.is_empty() == refusal.is_empty(), "{told}");
    }

    #[test]
    fn imports_are_offered_by_name_and_version() {
        check_import("tidegate:plugin/log@0.1.0", "");
        check_import("tidegate:plugin/log@0.1.7", "");
        check_import("tidegate:plugin/log@0.2.0", "contract 0.2.0");
        check_import("tidegate:plugin/state@0.1.0", "");
        check_import("tidegate:plugin/state@0.2.0", "contract 0.2.0");
        check_import("tidegate:plugin/stats@0.1.0", "`tidegate:plugin/stats@0.1.0` is not offered");
        check_import("wasi:cli/stderr@0.2.6", "");
        check_import("wasi:cli/stderr@0.3.0", "not offered");
        check_import("wasi:http/types@0.2.6", "not offered");
        check_import("cm32p2", "not offered");
    }

    #[test]
    fn what_needs_a_grant_is_known_by_its_functions() {
        let imports = [("tidegate:plugin/clock@0.1.0", true), ("tidegate:plugin/state@0.1.2", false)];
        assert_eq!(told(&[TRANSFORM_0_1], &imports).unwrap().asks, [Grant::Clock]);
    }

    fn check_export(names: &[&str], expected: &str) {
        let told = told(names, &[]).err().unwrap_or_default();
        assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told}");
    }

    #[test]
    fn the_exported_contract_is_told() {
        check_export(&["x", TRANSFORM_0_1], "");
        check_export(&["tidegate:plugin/transform@0.2.0"], "contract 0.2.0");
        check_export(&["tidegate:plugin/transform@0.2.0", "tidegate:plugin/transform@0.1.3"], "");
        check_export(&["wasi:cli/run@0.2.0"], "tidegate:plugin/transform");
    }

    #[test]
    fn optional_exports_are_found() {
        let found = told(&[TRANSFORM_0_1, "tidegate:plugin/timer@0.1.0", "tidegate:plugin/describe@0.2.0"], &[]);
        assert_eq!(found.unwrap().optional, Optional { timer: true, ..Optional::default() });
    }
}
