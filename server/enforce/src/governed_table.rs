//! [`GovernedTable`]: one permitted table as the planner sees it.
//!
//! Its columns are folded to lower case, so that every spelling of a name meets the same mask.
//! Its `scan` plans the inside of the leaf: the raw scan, the arguments of the policies, the row
//! filter on raw values, the predicates that may enter, then the masks.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, TableReference, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, cast,
};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Refusal;
use crate::governed_scan_exec::{GovernedScanExec, StatementSeal, without_values};
use crate::inside::{Asked, Insides};
use crate::leakproof::Admission;
use crate::open_table::ScanNumbers;
use crate::permit::{Barrier, Permit};
use crate::policed_view;
use crate::policy_expression::Policies;
use crate::three_valued;

/// The raw table's name within a leaf's inner plan.
const RAW: &str = "weir_raw";

/// One permitted table. Made by the resolver alone.
#[derive(Debug, Clone)]
pub struct GovernedTable {
    raw: Arc<dyn TableProvider>,
    numbers: Arc<dyn ScanNumbers>,
    policies: Policies,
    permit: Arc<Permit>,
    seal: StatementSeal,
    schema: SchemaRef,
    raw_names: HashMap<String, String>,
    admission: Admission,
    body: Option<StatementSeal>,
    insides: Insides,
}

impl GovernedTable {
    /// Puts `policies` before `raw`. Refuses a table two of whose columns differ by case only.
    pub(crate) fn new(
        raw: Arc<dyn TableProvider>,
        numbers: Arc<dyn ScanNumbers>,
        policies: Policies,
        permit: Permit,
        seal: StatementSeal,
    ) -> Result<Self> {
        let mut raw_names = HashMap::new();
        let mut fields = Vec::new();
        for field in raw.schema().fields() {
            let name = field.name().to_lowercase();
            let nullable = field.is_nullable() || policies.mask(&name).is_some();
            fields.push(Field::new(&name, field.data_type().clone(), nullable));
            if raw_names.insert(name, field.name().clone()).is_some() {
                return plan_err!("table `{}` has columns whose names differ by case only", permit.name);
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let admission = Admission::new(Arc::clone(&schema), policies.masked_columns());
        let permit = Arc::new(permit);
        let (body, insides) = (None, Insides::default());
        Ok(Self { raw, numbers, policies, permit, seal, schema, raw_names, admission, body, insides })
    }

    /// The same over a view's body, which carries this mark.
    pub(crate) fn over_body(self, body: StatementSeal) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The same for another place in the statement.
    pub(crate) fn placed(&self, seal: StatementSeal) -> Self {
        Self { seal, ..self.clone() }
    }

    /// Whether it is a view, with policies of its own.
    pub(crate) fn is_of_view(&self) -> bool {
        self.body.is_some()
    }

    /// Whether it was resolved for the statement of `seal`.
    pub(crate) fn is_of(&self, seal: &StatementSeal) -> bool {
        self.seal.is(seal)
    }

    /// Whether the column at that place in the schema may hold masked values. Of a view it is not known
    /// which do.
    pub(crate) fn is_masked(&self, column: usize) -> bool {
        let field = self.schema.fields().get(column);
        self.body.is_some() || field.is_none_or(|field| self.policies.mask(field.name()).is_some())
    }

    /// What its policies stand on.
    pub(crate) fn raw(&self) -> &Arc<dyn TableProvider> {
        &self.raw
    }

    /// The policies that hold for the caller.
    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The leaf's permission.
    pub fn permit(&self) -> &Arc<Permit> {
        &self.permit
    }

    /// The columns as the table itself spells them, by folded name.
    pub fn raw_names(&self) -> &HashMap<String, String> {
        &self.raw_names
    }

    fn raw_column(&self, folded: &str) -> Result<Expr> {
        match self.raw_names.get(folded) {
            Some(name) => Ok(Expr::Column(Column::new(Some(TableReference::bare(RAW)), name))),
            None => plan_err!("column `{folded}` is not in `{}`", self.permit.name),
        }
    }

    /// Whether a predicate of the user's may stand in the leaf.
    fn lets_in(&self, filter: &Expr) -> bool {
        match self.permit.barrier {
            Barrier::None => !reaches_outside(filter),
            Barrier::Standard => self.admission.admits(filter),
            Barrier::Strict => false,
        }
    }

    /// A user's predicate, which speaks of folded names, over the raw columns.
    fn over_raw(&self, predicate: &Expr) -> Result<Expr> {
        let rewritten = predicate.clone().transform(|part| match part {
            Expr::Column(column) => Ok(Transformed::yes(self.raw_column(&column.name)?)),
            other => Ok(Transformed::no(other)),
        })?;
        Ok(rewritten.data)
    }

    /// The inside of the leaf for what is asked of it.
    fn inside(&self, asked: &Asked) -> Result<LogicalPlan> {
        let Asked { projection, filters, limit } = asked;
        let mut plan = LogicalPlanBuilder::scan(RAW, provider_as_source(Arc::clone(&self.raw)), None)?;
        let arguments = self.policies.arguments(RAW, projection, &self.schema)?;
        if !arguments.is_empty() {
            let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
            columns.extend(arguments);
            plan = plan.project(columns)?;
        }
        if let Some(filter) = self.policies.filter() {
            let filter = three_valued::in_filter(filter.clone(), plan.schema())?;
            plan = plan.filter(filter)?;
        }
        for filter in filters {
            plan = plan.filter(self.over_raw(filter)?)?;
        }
        let columns = projection
            .iter()
            .filter_map(|position| self.schema.fields().get(*position))
            .map(|field| {
                let value = match self.policies.mask(field.name()) {
                    Some(mask) => cast(mask.clone(), field.data_type().clone()),
                    None => self.raw_column(field.name())?,
                };
                Ok(value.alias(field.name()))
            })
            .collect::<Result<Vec<_>>>()?;
        plan = plan.project(columns)?;
        if let (Barrier::None, Some(limit)) = (self.permit.barrier, *limit) {
            plan = plan.limit(0, Some(limit))?;
        }
        plan.build()
    }
}

#[async_trait]
impl TableProvider for GovernedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match self.lets_in(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize>;
        let projection = match projection {
            Some(projection) => projection,
            None => {
                all = (0..self.schema.fields().len()).collect();
                &all
            }
        };
        // The optimiser may have rewritten what was let in; it is asked again.
        if !filters.iter().all(|filter| self.lets_in(filter)) {
            return Err(Refusal::Ungoverned("a predicate that may not enter a leaf".to_owned()).into());
        }
        let asked = Asked { projection: projection.clone(), filters: filters.to_vec(), limit };
        let planned = self.insides.physical(state, asked, |asked| self.inside(asked)).await;
        let inner = planned.map_err(|error| without_values(error, &self.permit))?;
        let filter_count = usize::from(self.policies.filter().is_some()) + usize::from(!filters.is_empty());
        let files = self.numbers.planned(&inner);
        let permit = match &self.body {
            Some(body) => Arc::new(policed_view::permit_over(&self.permit, &inner, body)?),
            None => Arc::clone(&self.permit),
        };
        let leaf = GovernedScanExec::new(
            inner,
            permit,
            self.seal.clone(),
            self.admission.clone(),
            filter_count,
            files,
        );
        Ok(Arc::new(leaf.counted(Arc::clone(&self.numbers))))
    }
}

/// Whether a predicate speaks of more than the row at hand.
fn reaches_outside(filter: &Expr) -> bool {
    let found = filter.exists(|part| {
        Ok(matches!(
            part,
            Expr::OuterReferenceColumn(..)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
        ))
    });
    found.unwrap_or(true)
}
