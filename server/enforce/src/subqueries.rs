//! What the passes over bound plans share: subqueries of an expression, and the columns that an expression may speak of.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

/// The expression with each of its subqueries as `written` has it.
pub(crate) fn with_subqueries(
    expression: Expr,
    written: impl Fn(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<Expr> {
    let within = |subquery: Subquery| -> Result<Subquery> {
        let plan = written(Arc::unwrap_or_clone(subquery.subquery))?;
        Ok(Subquery { subquery: Arc::new(plan), ..subquery })
    };
    let expression = expression.transform_up(|part| {
        Ok(match part {
            Expr::InSubquery(found) => {
                Transformed::yes(Expr::InSubquery(InSubquery { subquery: within(found.subquery)?, ..found }))
            }
            Expr::Exists(found) => {
                Transformed::yes(Expr::Exists(Exists { subquery: within(found.subquery)?, ..found }))
            }
            Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(within(subquery)?)),
            other => Transformed::no(other),
        })
    })?;
    Ok(expression.data)
}

/// The columns that a node's expressions speak of; none where they cannot be put together.
pub(crate) fn around(node: &LogicalPlan) -> DFSchema {
    let inputs = node.inputs();
    let all = inputs.iter().try_fold(DFSchema::empty(), |all, input| all.join(input.schema()));
    // reason: of columns that are not known every value may be NULL, and no type is known
    all.unwrap_or_else(|_| DFSchema::empty())
}
