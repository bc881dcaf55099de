//! Files that are not plugins of this contract, each refused with its reason.

use tidegate::wasm::PluginError;

use crate::guests::identity;
use crate::support::{LIMITS, engine, load};

fn refusal(bytes: &[u8]) -> String {
    let refused = load(bytes).err().expect("this file is not a plugin").to_string();
    assert!(!refused.contains('\n'), "{refused}");
    refused
}

fn check_refused(bytes: &[u8], part: &str) {
    let refused = refusal(bytes);
    assert!(refused.contains(part), "{refused}");
}

/// The identity plugin with `from` replaced everywhere by `to`, which is as long.
fn altered(from: &str, to: &str) -> Vec<u8> {
    let mut bytes = identity().to_vec();
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from}");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn other_files_are_told_apart() {
    check_refused(b"", "not WebAssembly");
    check_refused(b"#!/bin/sh\n", "not WebAssembly");
    check_refused(b"\0asm\x01\0\0\0", "core WebAssembly module");
    check_refused(b"\0asm\x0d\0\x01\0", "does not export");
}

#[test]
fn a_truncated_file_is_refused_at_every_place() {
    let whole = identity();
    for length in (0..whole.len()).step_by(997) {
        refusal(&whole[..length]);
    }
}

#[test]
fn another_contract_is_named() {
    check_refused(&altered("plugin/transform@0.1.0", "plugin/transform@0.2.0"), "contract 0.2.0");
    check_refused(&altered("plugin/transform@0.1.0", "plugin/transfarm@0.1.0"), "does not export");
}

#[test]
fn an_import_that_is_not_offered_is_named() {
    check_refused(&altered("tidegate:plugin/log@0.1.0", "tidegate:plugin/lug@0.1.0"), "`tidegate:plugin/lug@0.1.0`");
}

#[test]
fn other_types_are_refused() {
    check_refused(&altered("received-ms", "received-us"), "other types");
}

#[test]
fn a_later_patch_of_the_contract_fits() {
    load(&altered("plugin/transform@0.1.0", "plugin/transform@0.1.9")).unwrap();
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let limits = tidegate::config::PluginLimits { file_bytes: 1000, ..LIMITS };
    let refused = engine().load("guest", &identity(), false, limits).err();
    assert!(matches!(refused, Some(PluginError::TooLarge { limit_bytes: 1000, .. })));
}

#[test]
fn a_plugin_tells_its_digest() {
    let plugin = load(&identity()).unwrap();
    assert_eq!(plugin.sha256().len(), 64);
    assert_eq!(plugin.name(), "guest");
}
