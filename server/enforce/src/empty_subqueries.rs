//! A subquery that gives a value is NULL where it has no row, whatever its column says; and one of a row for none that is found is
//! refused where the engine would have no row.
//!
//! The engine takes it for a value that is never NULL where its column never is: `(SELECT id FROM t WHERE …) IS NULL` is
//! FALSE to it before it has looked. Joined to the side of one row that has no columns, the subquery has that row or its own.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit};

/// The expression with a row in each subquery that gives a value and may have none. What speaks of the row around it becomes
/// a join of its own, which knows NULL.
pub(crate) fn with_row(expression: Expr) -> Result<Transformed<Expr>> {
    expression.transform_up(|part| match part {
        Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. })
            if aggregates_by_row(&subquery.subquery)? =>
        {
            not_impl_err!("EXISTS or IN over an aggregate without GROUP BY that speaks of the row around it")
        }
        Expr::ScalarSubquery(subquery) if forgets_null(&subquery) => {
            let rows = subquery.subquery.as_ref().clone();
            let joined =
                LogicalPlanBuilder::empty(true).join_on(rows, JoinType::Left, [lit(true)])?.build()?;
            Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(joined), ..subquery })))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Whether rows that are found by the row around them are aggregated to one row, which is there when none is found: the engine
/// joins by what is found, and has no such row then.
fn aggregates_by_row(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| match node {
        LogicalPlan::Aggregate(aggregate) if has_row_of_none(&aggregate.group_expr) => {
            aggregate.input.exists(speaks_outwards)
        }
        _ => Ok(false),
    })
}

fn has_row_of_none(groups: &[Expr]) -> bool {
    groups.is_empty() || groups.iter().any(|group| matches!(group, Expr::GroupingSet(_)))
}

fn speaks_outwards(node: &LogicalPlan) -> Result<bool> {
    let mut speaks = false;
    node.apply_expressions(|expression| {
        speaks |= expression.exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..))))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(speaks)
}

fn forgets_null(subquery: &Subquery) -> bool {
    let rows = &subquery.subquery;
    let never_null = rows.schema().fields().first().is_some_and(|field| !field.is_nullable());
    never_null && subquery.outer_ref_columns.is_empty() && !has_one_row(rows)
}

/// Whether it has one row whatever it reads.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row, .. }) => *produce_one_row,
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        _ => false,
    }
}
