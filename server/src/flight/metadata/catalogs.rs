//! GetCatalogs.

use arrow::record_batch::RecordBatch;
use arrow_flight::sql::CommandGetCatalogs;
use weir_catalog::Snapshot;

use super::catalogs_of;
use crate::context::Context;
use crate::error::{Error, Result};

pub(super) fn list(
    snapshot: &Snapshot,
    context: &Context,
    command: CommandGetCatalogs,
) -> Result<RecordBatch> {
    let mut answer = command.into_builder();
    for catalog in catalogs_of(snapshot, context, None) {
        answer.append(catalog);
    }
    answer.build().map_err(Error::internal)
}
