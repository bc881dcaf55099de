//! Whether a component is a plugin of this contract: what it exports and imports, told in the words of its author.

use wasmtime::component::Component;

use super::plugin::PluginError;

/// The contract that this host offers.
pub const CONTRACT: &str = "0.1.0";

const TRANSFORM: &str = "tidegate:plugin/transform";
/// What may be imported: by full name or package, without the version.
const OFFERED: [&str; 9] = [
    "tidegate:plugin/types",
    "tidegate:plugin/log",
    "tidegate:plugin/properties",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

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
pub(super) fn check(component: &Component) -> Result<(), PluginError> {
    let (kind, engine) = (component.component_type(), component.engine());
    check_exports(kind.exports(engine).map(|(name, _)| name))?;
    match kind.imports(engine).map(|(name, _)| name).find(|name| !is_offered(name)) {
        Some(name) => Err(PluginError::ImportNotOffered { name: name.into() }),
        None => Ok(()),
    }
}

fn check_exports<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), PluginError> {
    let versions: Vec<_> = names.filter_map(|name| version_of(name, TRANSFORM)).collect();
    match versions.as_slice() {
        [] => Err(PluginError::NoTransform),
        versions if versions.iter().any(|version| is_compatible(version)) => Ok(()),
        [other, ..] => Err(PluginError::OtherContract { version: (*other).into() }),
    }
}

/// The version in `name` if it names `interface`.
fn version_of<'a>(name: &'a str, interface: &str) -> Option<&'a str> {
    name.strip_prefix(interface)?.strip_prefix('@')
}

/// Before 1.0 all versions with the same minor number fit each other.
fn is_compatible(version: &str) -> bool {
    let minor = |version: &str| version.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    minor(version) == minor(CONTRACT) && !version.contains('-')
}

fn is_offered(name: &str) -> bool {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    OFFERED.iter().any(|offered| match offered.strip_suffix('/') {
        Some(package) => path.split_once('/').is_some_and(|(of, _)| of == package) && version.starts_with("0.2."),
        None => path == *offered && is_compatible(version),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_import(name: &str, expected: bool) {
        assert_eq!(is_offered(name), expected, "{name}");
    }

    #[test]
    fn imports_are_offered_by_name_and_version() {
        check_import("tidegate:plugin/log@0.1.0", true);
        check_import("tidegate:plugin/log@0.1.7", true);
        check_import("tidegate:plugin/log@0.2.0", false);
        check_import("tidegate:plugin/state@0.1.0", false);
        check_import("wasi:cli/stderr@0.2.6", true);
        check_import("wasi:cli/stderr@0.3.0", false);
        check_import("wasi:http/types@0.2.6", false);
        check_import("cm32p2", false);
    }

    fn check_export(names: &[&str], expected: &str) {
        let told = check_exports(names.iter().copied()).map_or_else(|error| error.to_string(), |()| String::new());
        assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told}");
    }

    #[test]
    fn the_exported_contract_is_told() {
        check_export(&["x", "tidegate:plugin/transform@0.1.0"], "");
        check_export(&["tidegate:plugin/transform@0.2.0"], "contract 0.2.0");
        check_export(&["tidegate:plugin/transform@0.2.0", "tidegate:plugin/transform@0.1.3"], "");
        check_export(&["wasi:cli/run@0.2.0"], "tidegate:plugin/transform");
    }
}
