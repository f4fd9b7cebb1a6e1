//! [`ChangedTable`]: a table whose rows a statement changes, as that statement may see them: the session user's policies
//! over its rows, and beside them what a row is known by when the files are written.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::TableSource;
use weir_catalog::Table;

use super::{Access, Scope};
use crate::error::Refusal;
use crate::open_table::OpenedTable;

/// A table whose rows are changed.
#[derive(Clone)]
pub struct ChangedTable {
    /// The table as it is opened, raw: for whoever writes files, never for a plan.
    pub opened: OpenedTable,
    /// Its raw rows with what they are known by: for whoever writes files, never for a plan.
    pub rows: Arc<dyn TableProvider>,
    /// The rows that the caller sees, masked, and behind the table's columns what rows are known by.
    pub source: Arc<dyn TableSource>,
}

impl fmt::Debug for ChangedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangedTable").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl Scope {
    /// `table` for a statement that changes rows. Whether the caller may read and change it has been decided.
    pub async fn changed_table(self: &Arc<Self>, table: &Table) -> Result<ChangedTable> {
        let opened = self.open(table).await?;
        let what = || Refusal::Unsupported(format!("changing rows of `{}`", table.name));
        let rows = opened.identified.as_ref().ok_or_else(what)?.rows().map_err(Refusal::Open)?;
        let access = Access::of_caller(&self.caller, "", "");
        let identified = OpenedTable { provider: Arc::clone(&rows), ..opened.clone() };
        let governed = self.governed(&access, table, identified).await?;
        self.remember_spelling(governed.raw_names()).await;
        Ok(ChangedTable { opened, rows, source: provider_as_source(Arc::new(governed)) })
    }
}
