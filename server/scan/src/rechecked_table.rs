//! [`RecheckedTable`]: a Delta table to which predicates go for pruning alone.
//!
//! delta-rs calls a predicate on nothing but partition columns exactly applied, also where it cannot
//! evaluate it (a CASE, a function) and prunes nothing. Here every predicate stays above the scan as
//! well, so that pruning is never what decides about a row; and one that statistics would answer wrongly
//! goes no further, whoever scans.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};

use crate::file_scan::FileScan;
use crate::late_snapshot::LateSnapshot;
use crate::own_files::only_own;
use crate::pruning;
use crate::true_statistics_exec::TrueStatisticsExec;

/// Only for reading: its `insert_into` fails.
pub(crate) struct RecheckedTable {
    /// Scans what `files` does not, of the version by which `log` is described.
    pub(crate) delta: Arc<DeltaScanNext>,
    /// With what `delta` was made.
    pub(crate) config: DeltaScanConfig,
    pub(crate) log: Arc<LateSnapshot>,
    /// None for tables whose files name their columns in a way that only delta-rs knows.
    pub(crate) files: Option<FileScan>,
}

impl RecheckedTable {
    fn own(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        TrueStatisticsExec::over(only_own(plan, self.log.location())?)
    }
}

#[async_trait]
impl TableProvider for RecheckedTable {
    fn schema(&self) -> SchemaRef {
        self.delta.schema()
    }

    fn table_type(&self) -> TableType {
        self.delta.table_type()
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.delta.get_logical_plan()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let filters = pruning::answered(filters, &self.delta.schema())?;
        if let Some(files) = &self.files
            && projection.is_some_and(Vec::is_empty)
            && let Some(plan) = files.counted(session, &filters, limit).await?
        {
            return self.own(plan);
        }
        // Rows alone are counted from the log by delta-rs.
        if let (Some(files), Some(columns)) = (&self.files, projection)
            && !columns.is_empty()
            && files.reads(columns)
            && let Some(plan) = files.plan(session, columns, &filters, limit).await?
        {
            return self.own(plan);
        }
        let snapshot = self.log.planned().await?;
        let delta = match self.log.is_own() {
            true => Arc::clone(&self.delta),
            false => Arc::new(DeltaScanNext::new(snapshot, self.config.clone())?),
        };
        self.own(delta.scan(session, projection, &filters, limit).await?)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let told = self.delta.supports_filters_pushdown(filters)?;
        let rechecked = |support| match support {
            TableProviderFilterPushDown::Exact => TableProviderFilterPushDown::Inexact,
            other => other,
        };
        Ok(told.into_iter().map(rechecked).collect())
    }
}

impl fmt::Debug for RecheckedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecheckedTable").field("files", &self.files).finish_non_exhaustive()
    }
}
