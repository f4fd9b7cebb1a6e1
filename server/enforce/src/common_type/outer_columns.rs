//! Columns of the row around a subquery. The subquery was planned with the types that they had then; a CASE or a UNION below may have
//! been brought to another one since.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The subquery with its references outwards as the columns of `around` are by now.
pub(super) fn renewed(subquery: LogicalPlan, around: &DFSchema) -> Result<LogicalPlan> {
    let LogicalPlan::Subquery(mut subquery) = subquery else { return Ok(subquery) };
    let references = std::mem::take(&mut subquery.outer_ref_columns).into_iter();
    let references: Vec<Transformed<Expr>> = references.map(|column| as_known(column, around)).collect();
    let is_changed = references.iter().any(|reference| reference.transformed);
    subquery.outer_ref_columns = references.into_iter().map(|reference| reference.data).collect();
    if is_changed {
        let plan = Arc::unwrap_or_clone(subquery.subquery).transform_down_with_subqueries(|node| {
            node.map_expressions(|expression| expression.transform_up(|part| Ok(as_known(part, around))))
        })?;
        subquery.subquery = Arc::new(plan.data);
    }
    Ok(LogicalPlan::Subquery(subquery))
}

fn as_known(part: Expr, around: &DFSchema) -> Transformed<Expr> {
    match part {
        Expr::OuterReferenceColumn(field, column) => match around.field_from_column(&column) {
            Ok(known) if known.data_type() != field.data_type() => {
                Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(known), column))
            }
            _ => Transformed::no(Expr::OuterReferenceColumn(field, column)),
        },
        other => Transformed::no(other),
    }
}
