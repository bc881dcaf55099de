//! `lookup`: the tables that a rule lets a plugin look into.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::LookupGrant;
use crate::seam::Tables;

/// There is no such table, or the rule does not grant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSuchTable;

/// The tables of one plugin in one rule.
#[derive(Clone)]
pub(super) struct View {
    grant: LookupGrant,
    tables: Option<Arc<dyn Tables>>,
}

impl View {
    pub(super) fn new(grant: LookupGrant, tables: Option<Arc<dyn Tables>>) -> Self {
        Self { grant, tables }
    }

    pub(super) fn row(&self, table: &str, key: &str) -> Result<Option<Bytes>, NoSuchTable> {
        self.granted(table)?.row(table, key).ok_or(NoSuchTable)
    }

    pub(super) fn field(&self, table: &str, key: &str, column: &str) -> Result<Option<String>, NoSuchTable> {
        self.granted(table)?.field(table, key, column).ok_or(NoSuchTable)
    }

    fn granted(&self, table: &str) -> Result<&dyn Tables, NoSuchTable> {
        let is_granted = match &self.grant {
            LookupGrant::All => true,
            LookupGrant::Tables(names) => names.iter().any(|name| name == table),
        };
        self.tables.as_deref().filter(|_| is_granted).ok_or(NoSuchTable)
    }
}
