//! Bulk ingestion: a statement without a text of its own.

use futures::FutureExt;
use weir_catalog::Name;

use super::changing::check_may_change;
use super::{Outcome, Run, Warehouse, failed, written};
use crate::context::Context;
use crate::error::Result;
use crate::query::history::StatementType;
use crate::query::record::{QueryRecord, Received};
use crate::query::standing::Asked;
use crate::query::write::{IfExists, IfMissing, Ingestion, SentRows};
use crate::sql::types::quoted_path;

impl Warehouse {
    /// Puts the rows that a client sends into a table. The books hear of it whatever comes.
    pub async fn ingest(&self, context: Context, ingestion: &Ingestion, sent: SentRows) -> Result<Outcome> {
        let gauges = self.gauges(&context);
        let text = ingestion.text();
        let kind = Some(StatementType::Insert);
        let record = QueryRecord::received(&context, &text, kind, self.sink.clone()).gauged(gauges.clone());
        if let Err(error) = check_may_change(&context) {
            return failed(record, error).await;
        }
        let mut run = Run { warehouse: self, context, sql: &text, parameters: None, bound: None, gauges };
        let (_turn, record) = run.turn(record).await?;
        run.ingest(record, ingestion, sent).await
    }
}

impl Ingestion {
    /// How the books tell of it: a remark, since no statement of SQL does the same.
    fn text(&self) -> String {
        let table = &self.table;
        let parts = [table.catalog.as_ref(), table.schema.as_ref(), Some(&table.object)];
        let name = quoted_path(parts.into_iter().flatten().map(Name::as_str));
        let mode = match (self.if_missing, self.if_exists) {
            (IfMissing::Create, IfExists::Append) => "CREATE OR APPEND",
            (IfMissing::Create, IfExists::Replace) => "CREATE OR REPLACE",
            (IfMissing::Create, IfExists::Fail) => "CREATE",
            (IfMissing::Fail, IfExists::Append) => "APPEND",
            (IfMissing::Fail, IfExists::Replace) => "REPLACE",
            (IfMissing::Fail, IfExists::Fail) => "FAIL",
        };
        format!("-- bulk ingestion into {name} ({mode})")
    }
}

impl Run<'_> {
    async fn ingest(
        self,
        record: QueryRecord<Received>,
        ingestion: &Ingestion,
        sent: SentRows,
    ) -> Result<Outcome> {
        let writer = &self.warehouse.writer;
        let prepare = async {
            let snapshot = self.warehouse.snapshot_for(&self.context).await?;
            let engine = &self.warehouse.engine;
            writer.prepare_ingestion(engine, &self.context, &snapshot, ingestion, &sent.schema).await
        };
        let prepared = match self.gauges.meter().future(prepare.boxed()).await {
            Ok(prepared) => prepared,
            Err(error) => return failed(record, error).await,
        };
        let write = prepared.write();
        let by = self.warehouse.governed_by(write.stands_on().0, write.plan()).await;
        let mut record = record.planned(StatementType::Insert).governed(by).running(self.gauges.clone());
        let guard = self.guard(Asked::Ingestion(Box::new(ingestion.clone())), write.stands_on());
        let sent = writer.write_sent(&self.context, prepared, sent, &self.gauges, guard);
        let rows = record.telling(sent).await;
        written(record, rows).await
    }
}
