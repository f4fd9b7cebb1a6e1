//! [`RecheckedTable`]: a Delta table to which predicates go for pruning alone.
//!
//! delta-rs calls a predicate on nothing but partition columns exactly applied, also where it cannot
//! evaluate it (a CASE, a function) and prunes nothing. Here every predicate stays above the scan as
//! well, so that pruning is never what decides about a row; and one that statistics would answer wrongly
//! goes no further, whoever scans.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use deltalake::delta_datafusion::DeltaScanNext;

use crate::pruning;
use crate::true_statistics_exec::TrueStatisticsExec;

/// Only for reading: its `insert_into` fails.
#[derive(Debug)]
pub(crate) struct RecheckedTable(pub(crate) DeltaScanNext);

#[async_trait]
impl TableProvider for RecheckedTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.0.get_logical_plan()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let filters = pruning::answered(filters, &self.0.schema())?;
        TrueStatisticsExec::over(self.0.scan(session, projection, &filters, limit).await?)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let told = self.0.supports_filters_pushdown(filters)?;
        let rechecked = |support| match support {
            TableProviderFilterPushDown::Exact => TableProviderFilterPushDown::Inexact,
            other => other,
        };
        Ok(told.into_iter().map(rechecked).collect())
    }
}
