//! [`RowGroupCondition`]: a condition that is asked of the statistics of row groups and pages and of no row.
//!
//! The engine's reader of Parquet asks each condition that it has twice: of statistics, and of rows while it decodes them. What
//! keeps many rows costs more in there than above the scan ([`crate::selectivity`]), but leaves out row groups all the same. So
//! it is told to the reader in this form: to statistics it shows the condition itself, as a filter that grows at run time does
//! ([`PhysicalExpr::snapshot`]), and to the decoder a column that no file has, for which the decoder leaves it to others.
//!
//! The rows stay whatever the condition says of them: a [`RowGroupCondition`] is true.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

/// True of each row; `condition` to statistics.
#[derive(Debug, Clone, Eq)]
pub(crate) struct RowGroupCondition {
    condition: Arc<dyn PhysicalExpr>,
    /// Once the condition is one of a file: what keeps it from the decoder.
    no_column: Option<Arc<dyn PhysicalExpr>>,
}

// By hand: a derived comparison would move the condition out of what is compared.
impl PartialEq for RowGroupCondition {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition) && self.no_column.is_some() == other.no_column.is_some()
    }
}

impl Hash for RowGroupCondition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
        self.no_column.is_some().hash(state);
    }
}

impl RowGroupCondition {
    /// `condition`, over the columns of the table as its files have them.
    pub(crate) fn new(condition: Arc<dyn PhysicalExpr>) -> Self {
        Self { condition, no_column: None }
    }

    /// The same of one file.
    fn of_file(&self, file: &dyn PhysicalExprAdapter) -> Result<Self> {
        let condition = file.rewrite(Arc::clone(&self.condition))?;
        // The decoder looks for its name; whoever asks for its type is told that of the first column.
        let no_column = Column::new("asked of row groups", 0);
        Ok(Self { condition, no_column: Some(Arc::new(no_column)) })
    }
}

impl fmt::Display for RowGroupCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row groups: {}", self.condition)
    }
}

impl PhysicalExpr for RowGroupCondition {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, _batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.no_column.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(self)
    }

    fn snapshot(&self) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        Ok(Some(Arc::clone(&self.condition)))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

/// Brings expressions to the columns that a file has: as the engine does, and conditions of row groups too, which it does not
/// look into.
#[derive(Debug)]
pub(crate) struct FileColumns;

impl PhysicalExprAdapterFactory for FileColumns {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        Ok(Arc::new(OfFile(DefaultPhysicalExprAdapterFactory.create(table, file)?)))
    }
}

#[derive(Debug)]
struct OfFile(Arc<dyn PhysicalExprAdapter>);

impl PhysicalExprAdapter for OfFile {
    fn rewrite(&self, expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = self.0.rewrite(expression)?;
        let asked = rewritten.transform_down(|part| match part.downcast_ref::<RowGroupCondition>() {
            Some(condition) if condition.no_column.is_none() => {
                let of_file: Arc<dyn PhysicalExpr> = Arc::new(condition.of_file(self.0.as_ref())?);
                Ok(Transformed::yes(of_file))
            }
            _ => Ok(Transformed::no(part)),
        })?;
        Ok(asked.data)
    }
}
