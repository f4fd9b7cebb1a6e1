//! Whether policies take anything of a table from the caller: for what is told of a table as a whole.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use weir_catalog::ObjectName;

use super::{Access, Scope};
use crate::governed_table::GovernedTable;
use crate::permit::Barrier;

impl Scope {
    /// Whether the caller, who may read the table, sees less than all of it. What is no open table counts as hidden.
    pub async fn hides(self: &Arc<Self>, table: &ObjectName) -> Result<bool> {
        let access = Access::of_caller(&self.caller, "", "");
        let parts = [&table.catalog, &table.schema, &table.object].map(|part| part.as_str().to_lowercase());
        let [catalog, schema, object] = parts;
        let source = self.resolve(&access, &TableReference::full(catalog, schema, object), None).await?;
        let provider = source_as_provider(&source)?;
        let provider: &dyn Any = provider.as_ref();
        let governed = provider.downcast_ref::<GovernedTable>();
        Ok(governed.is_none_or(|governed| governed.permit().barrier != Barrier::None))
    }
}
