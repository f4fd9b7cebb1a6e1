//! Rows of VALUES that hold subqueries: each becomes a select list, in which the engine runs them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Union, Values, cast};

/// The plan with select lists in the place of such rows.
pub(crate) fn in_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let written = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Values(values) if asking(&values)? => Ok(Transformed::yes(selected(values)?)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(written.data)
}

fn asking(values: &Values) -> Result<bool> {
    let asks =
        |part: &Expr| Ok(matches!(part, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)));
    values.values.iter().flatten().try_fold(false, |found, value| Ok(found || value.exists(asks)?))
}

fn selected(values: Values) -> Result<LogicalPlan> {
    let Values { schema, values } = values;
    let row = |row: Vec<Expr>| -> Result<Arc<LogicalPlan>> {
        let typed = row.into_iter().zip(schema.fields());
        let typed = typed.map(|(value, field)| cast(value, field.data_type().clone()).alias(field.name()));
        Ok(Arc::new(LogicalPlanBuilder::empty(true).project(typed)?.build()?))
    };
    let mut rows = values.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    match (rows.len(), rows.pop()) {
        (1, Some(one)) => Ok(Arc::unwrap_or_clone(one)),
        (_, last) => {
            rows.extend(last);
            Ok(LogicalPlan::Union(Union::try_new_with_loose_types(rows)?))
        }
    }
}
