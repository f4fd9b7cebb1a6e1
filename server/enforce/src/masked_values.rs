//! Which columns of a plan hold values that were masked for the caller: so that nobody stores in a table what they were
//! shown in the place of its real values.
//!
//! A value counts as masked when anything of it was: an expression over a masked column gives one. Where the plan does not
//! say where a column comes from, it counts as masked too.

use std::any::Any;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery, TableScan};
use weir_catalog::TableId;

use crate::governed_table::GovernedTable;
use crate::sealed_view::SealedView;

/// For each column of `plan`, whether it holds masked values of `table`.
pub fn masked_columns(plan: &LogicalPlan, table: TableId) -> Result<Vec<bool>> {
    let width = plan.schema().fields().len();
    let columns = match plan {
        LogicalPlan::TableScan(scan) => of_scan(scan, table)?,
        LogicalPlan::EmptyRelation(_) => vec![false; width],
        LogicalPlan::Values(values) => {
            let mut masked = vec![false; width];
            for row in &values.values {
                for (value, column) in row.iter().zip(&mut masked) {
                    *column |= of_expression(value, &DFSchema::empty(), &[], table)?;
                }
            }
            masked
        }
        LogicalPlan::Projection(projection) => of_expressions(&projection.input, &projection.expr, table)?,
        LogicalPlan::Aggregate(aggregate) => {
            let mut columns = of_expressions(&aggregate.input, &aggregate.group_expr, table)?;
            columns.extend(of_expressions(&aggregate.input, &aggregate.aggr_expr, table)?);
            columns
        }
        LogicalPlan::Window(window) => {
            let mut columns = masked_columns(&window.input, table)?;
            columns.extend(of_expressions(&window.input, &window.window_expr, table)?);
            columns
        }
        LogicalPlan::Join(join) => {
            let mut columns = masked_columns(&join.left, table)?;
            columns.extend(masked_columns(&join.right, table)?);
            columns
        }
        LogicalPlan::Union(union) => {
            let mut columns = vec![false; width];
            for input in &union.inputs {
                let of_input = masked_columns(input, table)?;
                columns.iter_mut().zip(of_input).for_each(|(column, masked)| *column |= masked);
            }
            columns
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::SubqueryAlias(_) => match plan.inputs().as_slice() {
            [input] => masked_columns(input, table)?,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    if columns.len() == width {
        return Ok(columns);
    }
    // Nobody knows which column is which.
    let mut any = false;
    for input in plan.inputs() {
        any |= masked_columns(input, table)?.contains(&true);
    }
    Ok(vec![any || plan.inputs().is_empty(); width])
}

fn of_scan(scan: &TableScan, table: TableId) -> Result<Vec<bool>> {
    let provider = source_as_provider(&scan.source)?;
    let width = provider.schema().fields().len();
    let all: Vec<usize> = (0..width).collect();
    let read = scan.projection.as_ref().unwrap_or(&all);
    let opened = provider.get_logical_plan();
    let provider: &dyn Any = provider.as_ref();
    if let Some(governed) = provider.downcast_ref::<GovernedTable>() {
        let permit = governed.permit();
        // The rows of a view that has policies come from who knows where.
        let is_it = permit.table == Some(table) || governed.is_of_view();
        return Ok(read.iter().map(|column| is_it && governed.is_masked(*column)).collect());
    }
    if let Some(view) = provider.downcast_ref::<SealedView>() {
        return of_view(view.plan(), read, table);
    }
    match opened {
        Some(view) => of_view(&view, read, table),
        None => Ok(vec![true; read.len()]),
    }
}

fn of_view(plan: &LogicalPlan, read: &[usize], table: TableId) -> Result<Vec<bool>> {
    let columns = masked_columns(plan, table)?;
    Ok(read.iter().map(|column| columns.get(*column).copied().unwrap_or(true)).collect())
}

fn of_expressions(input: &LogicalPlan, expressions: &[Expr], table: TableId) -> Result<Vec<bool>> {
    let columns = masked_columns(input, table)?;
    let schema = input.schema();
    expressions.iter().map(|expression| of_expression(expression, schema, &columns, table)).collect()
}

/// Whether a value over the columns `masked` of `schema` is masked.
fn of_expression(expression: &Expr, schema: &DFSchema, masked: &[bool], table: TableId) -> Result<bool> {
    let is_masked = |column: &Column| {
        let position = schema.maybe_index_of_column(column);
        position.is_none_or(|position| masked.get(position).copied().unwrap_or(true))
    };
    let mut found = false;
    expression.apply(|part| {
        found |= match part {
            Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => is_masked(column),
            Expr::ScalarSubquery(subquery) => of_subquery(subquery, &is_masked, table)?,
            Expr::InSubquery(within) => of_subquery(&within.subquery, &is_masked, table)?,
            Expr::SetComparison(compared) => of_subquery(&compared.subquery, &is_masked, table)?,
            Expr::Exists(exists) => of_subquery(&exists.subquery, &is_masked, table)?,
            _ => false,
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// A subquery gives masked values of its own, or of the row around it.
fn of_subquery(subquery: &Subquery, is_masked: &impl Fn(&Column) -> bool, table: TableId) -> Result<bool> {
    let around = subquery.outer_ref_columns.iter().any(|reference| match reference {
        Expr::OuterReferenceColumn(_, column) => is_masked(column),
        _ => true,
    });
    Ok(around || masked_columns(&subquery.subquery, table)?.contains(&true))
}
