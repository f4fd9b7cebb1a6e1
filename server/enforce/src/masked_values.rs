//! Which columns of a plan hold values that were masked for the caller: so that nobody stores in a table what they were
//! shown in the place of its real values.
//!
//! A value counts as masked when anything of it was: an expression over a masked column gives one. Where the plan does not
//! say where a column comes from, it counts as masked too.

use std::any::Any;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, Subquery, TableScan, Union, Values};
use weir_catalog::TableId;

use crate::governed_table::GovernedTable;
use crate::sealed_view::SealedView;

/// For each column of `plan`, whether it holds masked values of `table`.
pub fn masked_columns(plan: &LogicalPlan, table: TableId) -> Result<Vec<bool>> {
    let width = plan.schema().fields().len();
    let known = of_node(plan, table)?.filter(|columns| columns.len() == width);
    match known {
        Some(columns) => Ok(columns),
        // Nobody knows which column is which.
        None => Ok(vec![holds_masked(plan, table)?; width]),
    }
}

/// The same where the kind of node says what each of its columns is made of. A kind that is not named here may have
/// values of its own, as a select list is.
fn of_node(plan: &LogicalPlan, table: TableId) -> Result<Option<Vec<bool>>> {
    let columns = match plan {
        LogicalPlan::TableScan(scan) => of_scan(scan, table)?,
        LogicalPlan::EmptyRelation(nothing) => vec![false; nothing.schema.fields().len()],
        LogicalPlan::Values(values) => of_values(values, table)?,
        LogicalPlan::Projection(projection) => of_expressions(&projection.input, &projection.expr, table)?,
        LogicalPlan::Distinct(Distinct::On(first)) => {
            of_expressions(&first.input, &first.select_expr, table)?
        }
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
        LogicalPlan::Join(join) if gives_both_sides(join) => {
            let mut columns = masked_columns(&join.left, table)?;
            columns.extend(masked_columns(&join.right, table)?);
            columns
        }
        LogicalPlan::Union(union) => return of_union(union, table),
        LogicalPlan::Distinct(Distinct::All(input)) => masked_columns(input, table)?,
        LogicalPlan::Filter(filter) => masked_columns(&filter.input, table)?,
        LogicalPlan::Sort(sort) => masked_columns(&sort.input, table)?,
        LogicalPlan::Limit(limit) => masked_columns(&limit.input, table)?,
        LogicalPlan::Repartition(repartition) => masked_columns(&repartition.input, table)?,
        LogicalPlan::SubqueryAlias(alias) => masked_columns(&alias.input, table)?,
        _ => return Ok(None),
    };
    Ok(Some(columns))
}

/// Whether anything is masked of what a node reads or computes. One that reads no other may hold anything.
fn holds_masked(plan: &LogicalPlan, table: TableId) -> Result<bool> {
    let inputs = plan.inputs();
    let mut found = inputs.is_empty();
    for input in inputs {
        found |= masked_columns(input, table)?.contains(&true);
    }
    plan.apply_expressions(|expression| {
        // Its columns are those of the inputs.
        found = found || of_parts(expression, &|_: &Column| false, table)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn gives_both_sides(join: &Join) -> bool {
    matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full)
}

fn of_values(values: &Values, table: TableId) -> Result<Vec<bool>> {
    let mut columns = vec![false; values.schema.fields().len()];
    for row in &values.values {
        for (value, column) in row.iter().zip(&mut columns) {
            *column |= of_expression(value, &DFSchema::empty(), &[], table)?;
        }
    }
    Ok(columns)
}

fn of_union(union: &Union, table: TableId) -> Result<Option<Vec<bool>>> {
    let mut columns = vec![false; union.schema.fields().len()];
    for input in &union.inputs {
        let of_input = masked_columns(input, table)?;
        if of_input.len() != columns.len() {
            return Ok(None);
        }
        columns.iter_mut().zip(of_input).for_each(|(column, masked)| *column |= masked);
    }
    Ok(Some(columns))
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
    of_parts(expression, &is_masked, table)
}

/// The same where `is_masked` tells it of a column.
fn of_parts(expression: &Expr, is_masked: &impl Fn(&Column) -> bool, table: TableId) -> Result<bool> {
    let mut found = false;
    expression.apply(|part| {
        found |= match part {
            Expr::Column(column) => is_masked(column),
            // Of rows that are not at hand here.
            Expr::OuterReferenceColumn(..) => true,
            Expr::ScalarSubquery(subquery) => of_subquery(subquery, is_masked, table)?,
            Expr::InSubquery(within) => of_subquery(&within.subquery, is_masked, table)?,
            Expr::SetComparison(compared) => of_subquery(&compared.subquery, is_masked, table)?,
            Expr::Exists(exists) => of_subquery(&exists.subquery, is_masked, table)?,
            _ => false,
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// A subquery gives masked values of its own, or of the row around it, or tells whether a value is one of them.
fn of_subquery(subquery: &Subquery, is_masked: &impl Fn(&Column) -> bool, table: TableId) -> Result<bool> {
    let around = subquery.outer_ref_columns.iter().any(|reference| match reference {
        Expr::OuterReferenceColumn(_, column) => is_masked(column),
        _ => true,
    });
    if around || masked_columns(&subquery.subquery, table)?.contains(&true) {
        return Ok(true);
    }
    match compared_rows(&subquery.subquery) {
        Some(rows) => Ok(masked_columns(rows, table)?.contains(&true)),
        None => Ok(false),
    }
}

/// The rows that a value is compared with, where a subquery counts those that are equal: so `counted_subqueries` asks IN
/// as a value.
fn compared_rows(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    let LogicalPlan::Aggregate(count) = plan else { return None };
    let counted = match count.input.as_ref() {
        LogicalPlan::Limit(limit) => limit.input.as_ref(),
        other => other,
    };
    match counted {
        LogicalPlan::Filter(equal) => Some(equal.input.as_ref()),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests {
    use super::*;
    use crate::test_world::{World, batch, ints, texts};

    fn people() -> (World, TableId) {
        let mut world = World::new();
        let columns =
            vec![ints("id", [1, 2]), texts("name", ["ann", "ben"]), texts("ssn", ["111-1", "222-2"])];
        let table = world.table("people", batch(columns));
        world.mask(table, "ssn", &["v STRING"], "STRING", "'***'", &[]);
        (world, table)
    }

    async fn assert_masked(cases: &[(&str, &[bool])]) {
        let (world, table) = people();
        for (sql, masked) in cases {
            let plan = world.logical(&world.scope(world.alice), sql).await.unwrap();
            assert_eq!(masked_columns(&plan, table).unwrap(), *masked, "{sql}\n{}", plan.display_indent());
        }
    }

    #[tokio::test]
    async fn a_select_list_of_rows_that_are_told_apart_is_looked_through() {
        assert_masked(&[
            ("SELECT DISTINCT ON (id) ssn AS a, name AS b, id AS k FROM people", &[true, false, false]),
            ("SELECT DISTINCT ON (id) name, upper(ssn) FROM people", &[false, true]),
            ("SELECT DISTINCT ON (ssn) id, name FROM people", &[false, false]),
            ("SELECT DISTINCT ON (id) id, (SELECT max(ssn) FROM people) FROM people", &[false, true]),
            ("SELECT DISTINCT id, ssn FROM people", &[false, true]),
            ("SELECT b FROM (SELECT DISTINCT ON (id) ssn AS a, name AS b FROM people) x", &[false]),
        ])
        .await;
    }

    #[tokio::test]
    async fn subqueries_are_looked_through_in_whatever_they_are_written_as() {
        assert_masked(&[
            ("SELECT id, (SELECT max(ssn) FROM people), (SELECT max(id) FROM people) FROM people", &[
                false, true, false,
            ]),
            ("SELECT id, name IN (SELECT ssn FROM people) FROM people", &[false, true]),
            ("SELECT id, name NOT IN (SELECT ssn FROM people) FROM people", &[false, true]),
            ("SELECT id, ssn IN (SELECT name FROM people) FROM people", &[false, true]),
            ("SELECT id, upper(ssn) IN (SELECT name FROM people) FROM people", &[false, true]),
            ("SELECT 'x' IN (SELECT ssn FROM people)", &[true]),
            ("SELECT id, name IN (SELECT name FROM people) FROM people", &[false, false]),
            ("SELECT EXISTS (SELECT 1 FROM people)", &[false]),
            ("VALUES (1, (SELECT max(ssn) FROM people)), ((SELECT max(id) FROM people), 'x')", &[false, true]),
            ("SELECT max((SELECT max(ssn) FROM people)) FROM (SELECT id FROM people) p GROUP BY ROLLUP (id)", &[
                true,
            ]),
        ])
        .await;
    }

    #[tokio::test]
    async fn a_condition_masks_nothing_and_what_is_not_known_counts() {
        assert_masked(&[
            ("SELECT id, name FROM people WHERE ssn = '***' ORDER BY ssn LIMIT 1", &[false, false]),
            ("SELECT a.id, b.ssn FROM people a LEFT JOIN people b ON a.ssn = b.name", &[false, true]),
            ("SELECT name FROM people UNION ALL SELECT ssn FROM people", &[true]),
            ("SELECT name FROM people INTERSECT SELECT ssn FROM people", &[true]),
            ("SELECT id, max(ssn) OVER (ORDER BY id), count(*) OVER () FROM people", &[false, true, false]),
            ("SELECT id, max(ssn), count(*) FROM people GROUP BY id", &[false, true, false]),
        ])
        .await;
    }
}
