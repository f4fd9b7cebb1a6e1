//! GetCatalogs.

use arrow::record_batch::RecordBatch;
use arrow_flight::sql::CommandGetCatalogs;
use weir_catalog::{SecurableId, Snapshot};

use super::{SYSTEM_CATALOG, visible};
use crate::context::Context;
use crate::error::{Error, Result};

pub(super) fn list(
    snapshot: &Snapshot,
    context: &Context,
    command: CommandGetCatalogs,
) -> Result<RecordBatch> {
    let mut answer = command.into_builder();
    for catalog in snapshot.catalogs() {
        if visible(snapshot, context, SecurableId::Catalog(catalog.id)) {
            answer.append(catalog.name.as_str());
        }
    }
    answer.append(SYSTEM_CATALOG);
    answer.build().map_err(Error::internal)
}
