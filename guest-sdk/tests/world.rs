//! The description of the world in `src/raw/world.rs` against `wit/`.

#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::fmt::Write;
use std::path::Path;

use tidegate_guest_sdk::raw::world::{CONNECTION, DESCRIBE, TIMER, WORLD};
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// What the SDK can import and export: a component imports what its code uses of the first world, and exports what the
/// other sections that it has in it say.
const WORLDS: &str = "
    package tidegate:sdk;
    world base {
        include tidegate:plugin/plugin@0.1.0;
        import tidegate:plugin/state@0.1.0;
        import tidegate:plugin/publish@0.1.0;
        import tidegate:plugin/lookup@0.1.0;
        import tidegate:plugin/clock@0.1.0;
        import tidegate:plugin/metrics@0.1.0;
    }
    world describe { export tidegate:plugin/describe@0.1.0; }
    world timer { export tidegate:plugin/timer@0.1.0; }
    world connection { export tidegate:plugin/connection@0.1.0; }
";

fn encoded(world: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut resolve = Resolve::default();
    resolve.push_dir(folder).unwrap();
    let package = resolve.push_str("sdk.wit", WORLDS).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None).unwrap()
}

fn check(world: &str, description: &[u8]) {
    assert!(
        encoded(world) == description,
        "run `cargo test -p tidegate-guest-sdk --test world -- --ignored` after a change of wit/"
    );
}

#[test]
fn the_descriptions_are_those_of_the_contract() {
    check("base", &WORLD);
    check("describe", &DESCRIBE);
    check("timer", &TIMER);
    check("connection", &CONNECTION);
}

#[test]
#[ignore = "writes `src/raw/world.rs`"]
fn write_the_descriptions() {
    let mut text = String::from(
        "//! The worlds of `wit/` as the linker reads them. Written by `tests/world.rs`, which also compares them.\n",
    );
    for (name, world) in [("WORLD", "base"), ("DESCRIBE", "describe"), ("TIMER", "timer"), ("CONNECTION", "connection")]
    {
        write_one(&mut text, name, &encoded(world));
    }
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/raw/world.rs"), text).unwrap();
}

fn write_one(text: &mut String, name: &str, bytes: &[u8]) {
    write!(text, "\n#[rustfmt::skip]\npub const {name}: [u8; {}] = *b\"", bytes.len()).unwrap();
    for chunk in bytes.chunks(80) {
        text.push_str("\\\n");
        chunk.iter().for_each(|byte| match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\' | b' ') => text.push(char::from(*byte)),
            other => write!(text, "\\x{other:02x}").unwrap(),
        });
    }
    text.push_str("\";\n");
}
