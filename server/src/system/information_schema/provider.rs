//! [`InformationTable`]: a view as a table whose rows are made when it is scanned.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use weir_catalog::{AccessRequest, Name, PrincipalId, Snapshot, Within};

use super::{Asked, Rows, View};
use crate::system::SYSTEM_CATALOG;

/// A view over one snapshot of the catalog, for one caller.
#[derive(Debug)]
pub struct InformationTable {
    view: &'static View,
    catalog: Name,
    snapshot: Arc<Snapshot>,
    by: PrincipalId,
    schema: SchemaRef,
    requests: Vec<AccessRequest>,
}

impl InformationTable {
    /// `view` as the schema `information_schema` of `catalog` shows it to `by`.
    pub fn new(view: &'static View, catalog: Name, snapshot: Arc<Snapshot>, by: PrincipalId) -> Self {
        Self { view, catalog, snapshot, by, schema: view.arrow_schema(), requests: Vec::new() }
    }

    /// The same, of the view that tells of these requests.
    #[must_use]
    pub fn with_requests(self, requests: Vec<AccessRequest>) -> Self {
        Self { requests, ..self }
    }

    /// What the predicates narrow the rows to; none if no row can fulfil them.
    fn within(&self, filters: &[Expr]) -> Option<Within> {
        let mut within = Within::default();
        if self.catalog.as_str() != SYSTEM_CATALOG {
            within.catalog = Some(self.catalog.clone());
        }
        let [catalog, schema, object] = self.view.key;
        for (column, text) in filters.iter().filter_map(equality) {
            let place = match Some(column) {
                column if column == catalog => &mut within.catalog,
                column if column == schema => &mut within.schema,
                column if column == object => &mut within.object,
                _ => continue,
            };
            let name = Name::new(text).ok().filter(|name| name.as_str() == text)?;
            if place.as_ref().is_some_and(|other| *other != name) {
                return None;
            }
            *place = Some(name);
        }
        Some(within)
    }
}

/// `column = 'text'`.
fn equality(filter: &Expr) -> Option<(&str, &str)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
            Some((column.name.as_str(), text_of(value)?))
        }
        _ => None,
    }
}

fn text_of(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

#[async_trait]
impl TableProvider for InformationTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut rows = Rows::default();
        if let Some(within) = self.within(filters) {
            let asked = Asked::new(&self.snapshot, self.by, &self.catalog, within);
            let asked = Asked { requests: &self.requests, ..asked };
            (self.view.rows)(&asked, &mut rows);
        }
        let batch = rows.batch(&self.schema)?;
        let source =
            MemorySourceConfig::try_new_exec(&[vec![batch]], Arc::clone(&self.schema), projection.cloned())?;
        Ok(source)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // They narrow what is looked at; whoever scans filters again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
