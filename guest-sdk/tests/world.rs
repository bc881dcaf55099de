//! The description of the world in `src/raw/world.rs` against `wit/`.

#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::fmt::Write;
use std::path::Path;

use tidegate_guest_sdk::raw::world::WORLD;
use wit_component::StringEncoding;
use wit_parser::Resolve;

fn encoded() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None).unwrap()
}

#[test]
fn the_description_is_that_of_the_contract() {
    assert!(
        encoded() == WORLD,
        "run `cargo test -p tidegate-guest-sdk --test world -- --ignored` after a change of wit/"
    );
}

#[test]
#[ignore = "writes `src/raw/world.rs`"]
fn write_the_description() {
    let bytes = encoded();
    let mut text = String::from(
        "//! The world of `wit/` as the linker reads it. Written by `tests/world.rs`, which also compares it.\n\n",
    );
    write!(text, "#[rustfmt::skip]\npub const WORLD: [u8; {}] = *b\"", bytes.len()).unwrap();
    for chunk in bytes.chunks(80) {
        text.push_str("\\\n");
        chunk.iter().for_each(|byte| match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\' | b' ') => text.push(char::from(*byte)),
            other => write!(text, "\\x{other:02x}").unwrap(),
        });
    }
    text.push_str("\";\n");
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/raw/world.rs"), text).unwrap();
}
