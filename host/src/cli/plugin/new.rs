//! `tidegate plugin new`.

use std::path::PathBuf;

use crate::cli::{Exit, print};
use crate::plugin_tools::language::Language;
use crate::plugin_tools::templates;

#[derive(clap::Args)]
pub struct Arguments {
    /// The language to write it in.
    #[arg(long, value_enum)]
    lang: Language,
    /// Name of the plugin and of its folder; a path makes the folder there.
    name: PathBuf,
}

/// Exit 2 where the name does not fit or the folder holds something.
pub fn new(arguments: &Arguments) -> Exit {
    let folder = &arguments.name;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if let Some(why) = templates::unfit(&name) {
        eprintln!("tidegate: `{}` cannot be the name of a plugin: {why}", name.escape_debug());
        return Exit::CouldNotRun;
    }
    if let Err(error) = templates::write(arguments.lang, &name, folder) {
        eprintln!("tidegate: write a plugin into {}: {error}", folder.display());
        return Exit::CouldNotRun;
    }
    let shown = folder.display();
    print(&format!(
        "{shown}: a plugin in {title}. Next:\n  tidegate plugin build {shown}\n  tidegate plugin test {shown}/{name}.wasm\n  \
         tidegate plugin bench {shown}/{name}.wasm\nNeeded: {tools}\n",
        title = arguments.lang.title(),
        tools = arguments.lang.tools(),
    ))
}
