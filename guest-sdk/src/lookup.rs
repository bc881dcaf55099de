//! Tables that Tidegate holds: `[lookup.NAME]` of its configuration. The rule must grant them: `grants = ["lookup"]` for
//! all, `grants = [{ lookup = ["machines"] }]` for some.

use std::fmt;

use crate::raw::host;

/// The configuration has no table of that name, or the rule does not grant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchTable;

impl fmt::Display for NoSuchTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such table, or the rule does not grant it")
    }
}

impl std::error::Error for NoSuchTable {}

/// The row of `key`, as JSON where the table comes from a CSV or JSON file.
///
/// # Errors
/// Where there is no such table.
pub fn row(table: &str, key: &str) -> Result<Option<Vec<u8>>, NoSuchTable> {
    host::lookup_row(table, key)
}

/// One column of the row of `key`: a text as it is, everything else as JSON.
///
/// # Errors
/// Where there is no such table.
pub fn field(table: &str, key: &str, column: &str) -> Result<Option<String>, NoSuchTable> {
    host::lookup_field(table, key, column)
}
