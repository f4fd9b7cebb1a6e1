//! [`JoinedTable`]: the rows of a stored table and the rows that still lie in the journal, as
//! one table of exactly one schema.
//!
//! It plans plain operators and asks no optimiser: each part is scanned with the columns wanted,
//! brought to the declared types, and both are put one after the other. Predicates are passed on
//! as hints for pruning only; whoever scans filters again. Some values can be withheld: they
//! read as NULL, and no predicate on them reaches a part, so pruning tells nothing of them. Nor does
//! one on texts of which a part may hold more than is read.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator, ScalarUDF, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::{binary, case, cast, col, lit};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::union::UnionExec;

use super::text_beginnings::{beginning, in_small_batches};

/// A column that reads as NULL in each row, unless another column of the row says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Withheld {
    /// The column.
    pub(crate) column: &'static str,
    /// The column that decides.
    pub(crate) decided_by: &'static str,
    /// What must be true of that one for the column to be shown.
    pub(crate) unless: Unless,
}

/// What shows a withheld column.
#[derive(Debug, Clone)]
pub(crate) enum Unless {
    /// The deciding column has this value.
    Is(&'static str),
    /// This holds of the deciding column's value.
    Holds(Arc<ScalarUDF>),
}

/// A stored table and further rows.
#[derive(Debug)]
pub(crate) struct JoinedTable {
    schema: SchemaRef,
    parts: Vec<Arc<dyn TableProvider>>,
    withheld: Vec<Withheld>,
    /// Columns of texts of which the beginning is read.
    long_texts: &'static [&'static str],
}

impl JoinedTable {
    /// The rows of `stored`, in this schema.
    pub(crate) fn new(
        schema: SchemaRef,
        stored: Arc<dyn TableProvider>,
        withheld: Vec<Withheld>,
        long_texts: &'static [&'static str],
    ) -> Self {
        Self { schema, parts: vec![stored], withheld, long_texts }
    }

    /// The same, and the rows of a further part of the same schema.
    pub(crate) fn and(mut self, part: Arc<dyn TableProvider>) -> Self {
        self.parts.push(part);
        self
    }

    fn withheld(&self, column: &str) -> Option<&Withheld> {
        self.withheld.iter().find(|withheld| withheld.column == column)
    }

    fn is_long_text(&self, column: &str) -> bool {
        self.long_texts.contains(&column)
    }

    /// A predicate on a withheld value would prune by what is not shown, and one on a long text by what is not read.
    fn may_prune(&self, predicate: &Expr) -> bool {
        let is_shown = |column: &str| self.withheld(column).is_none() && !self.is_long_text(column);
        predicate.column_refs().iter().all(|column| is_shown(&column.name))
    }

    async fn scan_part(
        &self,
        part: &Arc<dyn TableProvider>,
        session: &dyn Session,
        wanted: &Schema,
        filters: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let given = part.schema();
        let guards = wanted.fields().iter().filter_map(|field| self.withheld(field.name()));
        let names = wanted.fields().iter().map(|field| field.name().as_str());
        let mut columns = Vec::new();
        for name in names.chain(guards.map(|withheld| withheld.decided_by)) {
            let index = given.index_of(name)?;
            if !columns.contains(&index) {
                columns.push(index);
            }
        }
        let scan = part.scan(session, Some(&columns), filters, None).await?;
        let has_long_texts = wanted.fields().iter().any(|field| self.is_long_text(field.name()));
        let scan = if has_long_texts { in_small_batches(scan)? } else { scan };
        let mut shown = Vec::with_capacity(wanted.fields().len());
        for field in wanted.fields() {
            let expr = self.shown(field.name(), wanted, &scan.schema())?;
            shown.push(ProjectionExpr { expr, alias: field.name().clone() });
        }
        Ok(Arc::new(ProjectionExec::try_new_with_schema_metadata(shown, scan, wanted)?))
    }

    /// The column as it is shown, over the columns of a part.
    fn shown(&self, name: &str, wanted: &Schema, given: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
        let data_type = wanted.field_with_name(name)?.data_type();
        let value = cast(col(name, given)?, given, data_type.clone())?;
        let value: Arc<dyn PhysicalExpr> = match self.is_long_text(name) {
            true => Arc::new(ScalarFunctionExpr::try_new(beginning(), vec![value], given, Arc::default())?),
            false => value,
        };
        let Some(withheld) = self.withheld(name) else { return Ok(value) };
        let guard = cast(col(withheld.decided_by, given)?, given, arrow::datatypes::DataType::Utf8)?;
        let open: Arc<dyn PhysicalExpr> = match &withheld.unless {
            Unless::Is(value) => binary(guard, Operator::Eq, lit(*value), given)?,
            Unless::Holds(test) => {
                let test = Arc::clone(test);
                Arc::new(ScalarFunctionExpr::try_new(test, vec![guard], given, Arc::default())?)
            }
        };
        let nothing = lit(ScalarValue::try_from(data_type)?);
        case(None, vec![(open, value)], Some(nothing))
    }
}

#[async_trait]
impl TableProvider for JoinedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = match projection {
            Some(indices) => self.schema.project(indices)?,
            None => self.schema.as_ref().clone(),
        };
        let hints: Vec<Expr> = filters.iter().filter(|filter| self.may_prune(filter)).cloned().collect();
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            parts.push(self.scan_part(part, session, &wanted, &hints).await?);
        }
        UnionExec::try_new(parts)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
