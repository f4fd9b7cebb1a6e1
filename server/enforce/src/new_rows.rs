//! Whether new rows of a table are ones that their writer may see: they are put behind the table's own row filter, as if
//! they were stored, and must all come out again.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use weir_catalog::Table;

use crate::governed_table::GovernedTable;
use crate::open_table::OpenedTable;
use crate::permit::{Barrier, Permit};
use crate::policy_expression::{Policies, PolicyCompiler};
use crate::resolver::{NoFiles, Scope};

/// The relation of new rows.
const NEW: &str = "weir_new";

/// The row filter of a table for the caller, to put new rows behind.
#[derive(Debug, Clone)]
pub struct NewRows {
    scope: Arc<Scope>,
    permit: Permit,
    filter: Policies,
}

impl NewRows {
    /// `None` where the caller sees every row of `table`, whatever is in it.
    pub async fn of(scope: &Arc<Scope>, table: &Table, opened: &OpenedTable) -> Result<Option<Self>> {
        let policies = Box::pin(PolicyCompiler::new(scope).compile(table, opened)).await?;
        let filter = policies.filter_alone();
        if filter.is_trivial() {
            return Ok(None);
        }
        // Nothing of anybody's goes in, and no sizes come out.
        let permit = filter.permit(table, opened.version, Barrier::Strict);
        Ok(Some(Self { scope: Arc::clone(scope), permit, filter }))
    }

    /// Those of `rows`, which have the table's columns, that the caller would see, unmasked: their writer knows them.
    pub fn seen_of(&self, rows: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
        let (permit, seal) = (self.permit.clone(), self.scope.seal().clone());
        let governed = GovernedTable::new(rows, Arc::new(NoFiles), self.filter.clone(), permit, seal)?;
        LogicalPlanBuilder::scan(NEW, provider_as_source(Arc::new(governed)), None)?.build()
    }
}
