//! GetDbSchemas.

use std::collections::BTreeSet;

use arrow::record_batch::RecordBatch;
use arrow_flight::sql::CommandGetDbSchemas;
use arrow_flight::sql::metadata::GetDbSchemasBuilder;
use weir_catalog::{SecurableId, Snapshot};

use super::pattern::Pattern;
use super::{SYSTEM_CATALOG, catalog_matches, visible};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::run::ListedSystemTable;

pub(super) fn list(
    snapshot: &Snapshot,
    context: &Context,
    command: CommandGetDbSchemas,
    system: &[ListedSystemTable],
) -> Result<RecordBatch> {
    let catalog_filter = command.catalog.as_deref();
    let pattern = Pattern::new(command.db_schema_filter_pattern.as_deref());
    // filtered here, where names are known to have no case
    let mut answer = GetDbSchemasBuilder::new(None::<String>, None::<String>);
    for catalog in snapshot.catalogs().filter(|c| catalog_matches(catalog_filter, c.name.as_str())) {
        for schema in snapshot.schemas(catalog.id) {
            let name = schema.name.schema.as_str();
            if pattern.matches(name) && visible(snapshot, context, SecurableId::Schema(schema.id)) {
                answer.append(catalog.name.as_str(), name);
            }
        }
    }
    if catalog_matches(catalog_filter, SYSTEM_CATALOG) {
        let names: BTreeSet<&str> = system.iter().map(|table| table.schema.as_str()).collect();
        for name in names.into_iter().filter(|name| pattern.matches(name)) {
            answer.append(SYSTEM_CATALOG, name);
        }
    }
    answer.build().map_err(Error::internal)
}
