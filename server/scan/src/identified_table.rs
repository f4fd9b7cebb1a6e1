//! [`IdentifiedTable`]: the rows of one version together with what they are known by while they are changed: their file,
//! and the place that they have in it.
//!
//! A place is a row's number among the rows of its file that are not marked as deleted, in the order of the file. It
//! means the same in every scan of the same version, and nothing in any other.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};

use crate::own_files::only_own;
use crate::pinned_table::PinnedTable;
use crate::pruning;
use crate::row_place_exec::RowPlaceExec;
use crate::table_schema;
use crate::true_statistics_exec::TrueStatisticsExec;

/// The column that names a row's file, as text. No column of a table has this name.
pub const FILE: &str = "weir:file";
/// The column of a row's place in its file, from 0.
pub const PLACE: &str = "weir:place";

/// Only for reading. Predicates leave whole files out and nothing else: a place is counted over all rows of a file.
#[derive(Debug)]
pub(crate) struct IdentifiedTable {
    pub(crate) pinned: PinnedTable,
    config: DeltaScanConfig,
    /// All files, where none.
    files: Option<Vec<String>>,
    schema: SchemaRef,
    /// How many columns the table itself has.
    width: usize,
}

impl IdentifiedTable {
    /// All rows of `table`, or those of the given files only, which are named as in [`FILE`].
    pub(crate) fn new(table: &PinnedTable, files: Option<Vec<String>>) -> Self {
        let own = table_schema::as_read(&table.schema());
        let config = DeltaScanConfig {
            file_column_name: Some(FILE.to_owned()),
            wrap_partition_values: false,
            enable_parquet_pushdown: false,
            schema_force_view_types: false,
            schema: Some(Arc::clone(&own)),
        };
        let mut fields: Vec<Field> = own.fields().iter().map(|field| field.as_ref().clone()).collect();
        let width = fields.len();
        fields.push(Field::new(FILE, DataType::Utf8, false));
        fields.push(Field::new(PLACE, DataType::UInt64, false));
        Self { pinned: table.clone(), config, files, schema: Arc::new(Schema::new(fields)), width }
    }
}

#[async_trait]
impl TableProvider for IdentifiedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let own = |filter: &Expr| filter.column_refs().iter().all(|column| !is_identity(&column.name));
        let support = |filter: &&Expr| match own(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let mut read: Vec<usize> = columns.iter().copied().filter(|column| *column < self.width).collect();
        read.push(self.width);
        let filters = pruning::answered(filters, &self.schema)?;
        let scan = DeltaScanNext::new(self.pinned.log().planned().await?, self.config.clone())?;
        let scan = match &self.files {
            Some(files) => scan.with_file_paths(files.clone()),
            None => scan,
        };
        let scanned = scan.scan(session, Some(&read), &filters, None).await?;
        let scanned = TrueStatisticsExec::over(only_own(scanned, self.pinned.location())?)?;
        let placed: Arc<dyn ExecutionPlan> = Arc::new(RowPlaceExec::new(scanned)?);
        let schema = placed.schema();
        let outputs = columns
            .iter()
            .filter_map(|column| self.schema.fields().get(*column))
            .map(|field| {
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new_with_schema(field.name(), &schema)?);
                Ok((column, field.name().clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(outputs, placed)?))
    }
}

fn is_identity(name: &str) -> bool {
    name == FILE || name == PLACE
}
