//! New rows of a table with a row filter: each must be one that its writer can see.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use futures::stream::BoxStream;
use weir_catalog::Table;
use weir_enforce::new_rows::NewRows;
use weir_enforce::{Scope, govern};
use weir_scan::RowInput;

use super::Writer;
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::execute::{self, Deadline};
use crate::query::gauges::StatementGauges;

impl Writer {
    /// `rows` of `table` as they pass its row filter; at their end an error if one did not.
    pub(super) async fn admitted(
        &self,
        context: &Context,
        (scope, table): (&Arc<Scope>, &Table),
        filter: &NewRows,
        rows: SendableRecordBatchStream,
        gauges: &Arc<StatementGauges>,
        deadline: Deadline,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let schema = rows.schema();
        let input = Arc::new(RowInput::new(rows));
        let plan = filter.seen_of(input.table()?)?;
        let plan = govern(scope, scope.state(), &plan).await?;
        gauges.watch(&plan);
        let source = execute::start(scope, &plan, gauges)?;
        let seen = execute::checked(context, source, &schema, gauges, deadline);
        let judge = Judge { input, name: table.name.to_string(), seen: 0 };
        let judged = futures::stream::unfold(Some((seen, judge)), |state| async move {
            let (mut seen, mut judge) = state?;
            match seen.next().await {
                Some(Ok(rows)) => {
                    judge.seen += rows.num_rows() as u64;
                    Some((Ok(rows), Some((seen, judge))))
                }
                Some(Err(error)) => Some((Err(judge.cause_of(error).await), None)),
                None => judge.verdict().await.err().map(|refusal| (Err(refusal), None)),
            }
        });
        Ok(judged.boxed())
    }
}

/// Counts what came in and what came out again.
struct Judge {
    input: Arc<RowInput>,
    name: String,
    seen: u64,
}

impl Judge {
    /// Whether all came out. A filter that is sure to let nothing pass may read nothing.
    async fn verdict(&self) -> Result<()> {
        if self.seen == self.input.rows() && !self.input.has_unread().await? {
            return Ok(());
        }
        let text = format!("a new row of `{}` is one that its row filter would hide from you", self.name);
        Err(Error::new(Condition::RowFilterCheck, text)
            .with_hint("write rows that you can read, or have somebody write them who can"))
    }

    /// The rows' own error, where it was theirs.
    async fn cause_of(&self, error: Error) -> Error {
        match self.input.take_failure().await {
            Some(cause) => Error::from(DataFusionError::Shared(cause)),
            None => error,
        }
    }
}

/// The same rows under the table's own names.
pub(super) fn renamed(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), rows.columns().to_vec()).map_err(Error::internal)
}
