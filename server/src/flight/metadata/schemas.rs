//! GetDbSchemas.

use std::collections::BTreeSet;

use arrow::record_batch::RecordBatch;
use arrow_flight::sql::CommandGetDbSchemas;
use arrow_flight::sql::metadata::GetDbSchemasBuilder;

use super::pattern::Pattern;
use super::{catalogs_of, visible, within};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::run::Warehouse;

pub(super) async fn list(
    warehouse: &Warehouse,
    context: &Context,
    command: CommandGetDbSchemas,
) -> Result<RecordBatch> {
    let snapshot = warehouse.snapshot_for(context).await?;
    let filter = command.catalog.as_deref();
    let pattern = Pattern::new(command.db_schema_filter_pattern.as_deref());
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    if let Some(within) = within(filter) {
        let seen = visible(&snapshot, context).schemas(&within);
        found.extend(
            seen.iter().map(|schema| (schema.name.catalog.to_string(), schema.name.schema.to_string())),
        );
    }
    for catalog in catalogs_of(&snapshot, context, filter) {
        let tables = warehouse.system_tables(&catalog);
        found.extend(tables.iter().map(|table| (catalog.clone(), table.schema.to_owned())));
    }
    // filtered here, where names are known to have no case
    let mut answer = GetDbSchemasBuilder::new(None::<String>, None::<String>);
    for (catalog, schema) in found.into_iter().filter(|(_, schema)| pattern.matches(schema)) {
        answer.append(catalog, schema);
    }
    answer.build().map_err(Error::internal)
}
