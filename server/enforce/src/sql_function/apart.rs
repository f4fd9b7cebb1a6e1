//! The relations of a body under names of their own.
//!
//! An argument's columns stand inside the body's subqueries as references outwards, and where the
//! engine makes a join of a subquery it tells columns apart by their names alone. A table that the body
//! and the statement both read would be one and the same there. So every relation in a body's
//! subqueries is renamed; names without a relation are kept and told, so that an argument of such a name
//! can be refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SubqueryAlias};

use super::inline::{is_parameter, map_subquery, with_outer};

/// `expression` with the relations of its subqueries renamed after `function`.
pub(super) fn set_apart(expression: Expr, function: &str) -> Result<Expr> {
    let apart = expression.transform_up(|part| map_subquery(part, &mut |plan| plan_apart(plan, function)))?;
    Ok(apart.data)
}

/// The names of columns in the subqueries of `expression` that belong to no relation.
pub(super) fn bare_names(expression: &Expr) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let collected = expression.clone().transform_up(|part| {
        map_subquery(part, &mut |plan| {
            plan.apply_with_subqueries(|node| {
                let bare = node.schema().iter().filter(|(qualifier, _)| qualifier.is_none());
                names.extend(bare.map(|(_, field)| field.name().clone()));
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(plan)
        })
    });
    collected?;
    Ok(names)
}

fn plan_apart(plan: LogicalPlan, function: &str) -> Result<LogicalPlan> {
    let apart = plan.transform_up(|node| {
        let names_columns =
            matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_));
        let node = node.map_expressions(|expression| {
            let before = expression.schema_name().to_string();
            let renamed = expression_apart(expression, function)?;
            let kept = matches!(renamed, Expr::Column(_) | Expr::Alias(_))
                || !names_columns
                || renamed.schema_name().to_string() == before;
            Ok(Transformed::yes(if kept { renamed } else { renamed.alias(before) }))
        })?;
        Ok(Transformed::yes(match node.data {
            LogicalPlan::TableScan(scan) => {
                let name = relation_apart(&scan.table_name, function);
                let (source, projection) = (Arc::clone(&scan.source), scan.projection.clone());
                LogicalPlanBuilder::scan_with_filters_fetch(
                    name,
                    source,
                    projection,
                    scan.filters,
                    scan.fetch,
                )?
                .build()?
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let name = relation_apart(&alias.alias, function);
                LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(alias.input, name)?)
            }
            LogicalPlan::Subquery(subquery) => LogicalPlan::Subquery(with_outer(subquery)),
            values @ LogicalPlan::Values(_) => values,
            other => other.recompute_schema()?,
        }))
    })?;
    Ok(apart.data)
}

fn expression_apart(expression: Expr, function: &str) -> Result<Expr> {
    let apart = expression.transform_up(|part| match part {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(column_apart(column, function)))),
        Expr::OuterReferenceColumn(field, column) => {
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column_apart(column, function))))
        }
        Expr::Alias(alias) => {
            let relation = alias.relation.as_ref().map(|relation| relation_apart(relation, function));
            Ok(Transformed::yes(Expr::Alias(Alias { relation, ..alias })))
        }
        other => map_subquery(other, &mut |plan| plan_apart(plan, function)),
    })?;
    Ok(apart.data)
}

fn column_apart(column: Column, function: &str) -> Column {
    match &column.relation {
        Some(relation) if !is_parameter(&column) => {
            Column::new(Some(relation_apart(relation, function)), column.name)
        }
        _ => column,
    }
}

fn relation_apart(relation: &TableReference, function: &str) -> TableReference {
    TableReference::bare(format!("weir:{function}:{relation}"))
}
