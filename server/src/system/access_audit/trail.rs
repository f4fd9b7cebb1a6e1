//! [`Trail`]: the catalog's own trail as rows of `system.access.audit`, read page by page while the
//! query runs, so that a long trail is never in memory at once.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;
use weir_catalog::Metastore;

use super::rows;
use crate::billing::Account;
use crate::system::SystemTableName;

/// Events read at one time.
const PAGE: u32 = 4096;

/// The catalog's trail.
pub(crate) struct Trail {
    metastore: Arc<Metastore>,
    account: Account,
    schema: SchemaRef,
}

impl Trail {
    /// The trail as a table of its own.
    pub(crate) fn table(metastore: Arc<Metastore>, account: Account) -> Result<StreamingTable> {
        let schema = SystemTableName::AccessAudit.arrow_schema();
        let trail = Self { metastore, account, schema: Arc::clone(&schema) };
        StreamingTable::try_new(schema, vec![Arc::new(trail)])
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").finish_non_exhaustive()
    }
}

impl PartitionStream for Trail {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (metastore, account) = (Arc::clone(&self.metastore), self.account.clone());
        let pages = stream::try_unfold(0_i64, move |after| {
            let (metastore, account) = (Arc::clone(&metastore), account.clone());
            async move { page(&metastore, &account, after).await }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), pages))
    }
}

/// The page after the event numbered `after`, and where it ends.
async fn page(metastore: &Metastore, account: &Account, after: i64) -> Result<Option<(RecordBatch, i64)>> {
    let external = |error| DataFusionError::External(Box::new(crate::Error::from(error)));
    let numbered = metastore.audit_page(after, PAGE).await.map_err(external)?;
    let Some(last) = numbered.last().map(|(number, _)| *number) else { return Ok(None) };
    let events: Vec<_> = numbered.into_iter().map(|(_, event)| event).collect();
    Ok(Some((rows::of_events(account, &events)?, last)))
}
