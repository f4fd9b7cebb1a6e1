//! CACHE query: what the query reads is read, so that it lies in memory for those who ask next.

use super::{Outcome, Run, failed};
use crate::command::require_rank;
use crate::error::Result;
use crate::query::history::StatementType;
use crate::query::record::{QueryRecord, Received};
use crate::sql::ast;

impl Run<'_> {
    /// Runs the query to its end and gives nothing of it. What is kept are contents of files, before any filtering.
    pub(super) async fn cache(self, record: QueryRecord<Received>, query: &ast::Query) -> Result<Outcome> {
        let begun = async {
            require_rank(&*self.warehouse.snapshot_for(&self.context).await?, &self.context)?;
            self.ready(query).await
        };
        let ready = match begun.await {
            Ok(ready) => ready,
            Err(error) => return failed(record, error).await,
        };
        let (planned, governed) = (&ready.planned, &ready.governed);
        let by = self.warehouse.governed_by(&planned.scope, governed).await;
        let record = record.planned(StatementType::Other).governed(by);
        self.gauges.watch(governed);
        let mut record = record.running(self.gauges.clone());
        match record.telling(self.drained(query, planned, governed)).await {
            Ok(()) => {
                record.finish().await?;
                Ok(Outcome::Done { rows: None, session: None })
            }
            Err(error) => failed(record, error).await,
        }
    }
}
