//! `[lookup.NAME]`.

use super::tell_bad_name;
use crate::config::LookupConfig;
use crate::config::load::beside;
use crate::config::reader::Section;

/// All tables, in name order. The files themselves are read with the plugins.
pub(super) fn lookups(root: &Section<'_, '_>) -> Vec<LookupConfig> {
    let named = root.item("lookup").map(|item| item.named()).unwrap_or_default();
    named.iter().filter_map(|(name, section)| lookup(name, section)).collect()
}

fn lookup(name: &str, section: &Section<'_, '_>) -> Option<LookupConfig> {
    tell_bad_name(section.review, &section.at(), name);
    let key = section.text("key").map(Into::into);
    let rows_max = usize::try_from(section.whole("rows")).unwrap_or(usize::MAX);
    let file_bytes_max = section.size("size");
    let item = section.item("file")?;
    let file = beside(&section.review.text(item.node.span.file).path, item.filled_text()?);
    section.review.watch(&file);
    Some(LookupConfig {
        name: name.into(),
        file,
        key,
        rows_max,
        file_bytes_max,
        place: section.review.place(&item.at()),
    })
}
