//! From a compiler's core module to a component of the contract.

use std::fmt::Display;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve, SourceMap};

use super::texts::WIT;

/// Answers WASI inside the component: `templates/wasi/stub.wat`.
const WASI_STUB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/wasi_stub.wasm"));
/// The module whose functions the stub answers.
const WASI: &str = "wasi_snapshot_preview1";
/// What the stub itself imports.
const STUB_WORLD: &str = "package tidegate:stub; world stub { import tidegate:plugin/log@0.1.0; }";

/// Makes the component of the world `world`, by the contract in the folder `wit` where that is there, else by ours.
///
/// # Errors
/// What does not fit, as the encoder tells it.
pub(super) fn make(core: &[u8], wit: Option<&Path>, world: &str) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    let package = match wit {
        Some(folder) => resolve.push_dir(folder).map(|(package, _)| package).map_err(told)?,
        None => push_ours(&mut resolve)?,
    };
    let world = resolve.select_world(&[package], Some(world)).map_err(told)?;
    let mut module = core.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(told)?;
    let encoder = ComponentEncoder::default().validate(true).module(&module).map_err(told)?;
    encoder.adapter(WASI, &stub()?).map_err(told)?.encode().map_err(told)
}

fn stub() -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    push_ours(&mut resolve)?;
    let package = resolve.push_str("stub.wit", STUB_WORLD).map_err(told)?;
    let world = resolve.select_world(&[package], Some("stub")).map_err(told)?;
    let mut stub = WASI_STUB.to_vec();
    embed_component_metadata(&mut stub, &resolve, world, StringEncoding::UTF8).map_err(told)?;
    Ok(stub)
}

fn push_ours(resolve: &mut Resolve) -> Result<PackageId, String> {
    let mut map = SourceMap::default();
    for (path, text) in WIT {
        map.push_str(path, *text);
    }
    let group = map.parse().map_err(|(_, error)| error.to_string())?;
    resolve.push_group(group).map_err(|error| error.to_string())
}

/// The whole chain of causes on one line.
fn told(error: impl Display) -> String {
    format!("{error:#}")
}
