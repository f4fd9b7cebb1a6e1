//! Plans that count what policies leave of a table, for whoever the scope is of. Nothing but one number
//! comes out of such a plan: it is an aggregate over a governed leaf, made here and nowhere else.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, lit};
use weir_catalog::Table;

use crate::governed_table::GovernedTable;
use crate::open_table::OpenedTable;
use crate::permit::Barrier;
use crate::policy_expression::{Policies, PolicyCompiler};
use crate::resolver::Scope;

/// The relation that is counted.
const COUNTED: &str = "weir_counted";

/// What a column is called under the mask that is tried; no column of a table ends like this.
const TRIED: &str = "weir:tried";

/// A count that is planned and not made yet.
#[derive(Debug, Clone)]
pub struct Count {
    /// One row of one number.
    pub plan: LogicalPlan,
    /// The same for the same effective policy, so that a count need not be made twice. Never shown.
    pub fingerprint: String,
}

/// How many rows of `table` the scope's caller gets, under the policies that `table` itself says: which
/// need not be those in the catalog.
pub async fn rows_kept(scope: &Arc<Scope>, table: &Table) -> Result<Count> {
    let opened = scope.open(table).await?;
    let policies = Box::pin(PolicyCompiler::new(scope).compile(table, &opened)).await?;
    rows_kept_by(scope, table, policies).await
}

/// How many rows of `table` these policies leave.
pub async fn rows_kept_by(scope: &Arc<Scope>, table: &Table, policies: Policies) -> Result<Count> {
    let opened = scope.open(table).await?;
    let fingerprint = policies.fingerprint();
    let plan = leaf(scope, table, opened, policies)?.aggregate(none(), vec![count(lit(1_i64))])?.build()?;
    Ok(Count { plan, fingerprint })
}

/// For how many rows that the scope's caller gets from `before` a column's value would be another under the masks of `after`: those
/// that hold there in all, of wider scopes as well.
pub async fn values_changed(
    scope: &Arc<Scope>,
    before: &Table,
    after: &Table,
    column: &str,
) -> Result<Count> {
    let opened = scope.open(before).await?;
    let tried = Box::pin(PolicyCompiler::beside(scope).compile(after, &opened)).await?;
    let policies = Box::pin(PolicyCompiler::new(scope).compile(before, &opened)).await?;
    let policies = policies.with_mask_of(TRIED, &tried, &column.to_lowercase());
    let opened = doubled(opened, column)?;
    let fingerprint = policies.fingerprint();
    let of = |name: &str| Expr::Column(Column::from_name(name));
    let differs = binary_expr(of(&column.to_lowercase()), Operator::IsDistinctFrom, of(TRIED));
    let plan = leaf(scope, before, opened, policies)?;
    let plan = plan.filter(differs)?.aggregate(none(), vec![count(lit(1_i64))])?.build()?;
    Ok(Count { plan, fingerprint })
}

fn none() -> Vec<Expr> {
    Vec::new()
}

/// The raw table with one column once more, under the name by which it is tried.
fn doubled(opened: OpenedTable, column: &str) -> Result<OpenedTable> {
    let schema = opened.provider.schema();
    let own = schema.fields().iter().map(|field| Expr::Column(Column::from_name(field.name())));
    let tried = Expr::Column(Column::from_name(column)).alias(TRIED);
    let scan =
        LogicalPlanBuilder::scan("weir_doubled", provider_as_source(Arc::clone(&opened.provider)), None)?;
    let plan = scan.project(own.chain([tried]).collect::<Vec<_>>())?.build()?;
    Ok(OpenedTable { provider: Arc::new(ViewTable::new(plan, None)), ..opened })
}

fn leaf(
    scope: &Arc<Scope>,
    table: &Table,
    opened: OpenedTable,
    policies: Policies,
) -> Result<LogicalPlanBuilder> {
    let barrier = if policies.is_trivial() { Barrier::None } else { Barrier::Strict };
    let permit = policies.permit(table, opened.version, barrier);
    let seal = scope.seal().clone();
    let mut governed = GovernedTable::new(opened.provider, opened.numbers, policies, permit, seal.clone())?;
    if table.view().is_some() {
        governed = governed.over_body(seal.within(table.id));
    }
    LogicalPlanBuilder::scan(COUNTED, provider_as_source(Arc::new(governed)), None)
}
