//! `x IN (query)` as SQL means it: NULL where a NULL leaves it open whether `x` is among the rows.
//!
//! The engine joins such a subquery with a mark that is TRUE or FALSE and never NULL, unless it stands by itself as a
//! condition of WHERE. So `x NOT IN (query) OR …` would hold for a NULL, and a view meant as a filter would let rows pass.
//! Here, before anything is optimised, each IN whose NULL could be told from FALSE is written out with its three values.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, when,
};

use crate::counted_subqueries;
use crate::empty_subqueries::with_row;
use crate::named_casts::NAMED_CAST;
use crate::subqueries::{around, with_subqueries};

/// Every IN of `plan` with its three values, those of its subqueries among them.
pub(crate) fn in_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let written = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) => {
            let schema = Arc::clone(filter.input.schema());
            let predicate = in_filter(with_row(filter.predicate)?.data, &schema)?;
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?)))
        }
        other => {
            let schema = around(&other);
            let names = NamePreserver::new(&other);
            let told = other.map_expressions(|expression| {
                let name = names.save(&expression);
                let expression = with_row(expression)?;
                Ok(match holds_in(&expression.data)? {
                    true => Transformed::yes(name.restore(told_apart(expression.data, &schema)?)),
                    false => expression.update_data(|expression| name.restore(expression)),
                })
            })?;
            told.transform_data(counted_subqueries::in_node)
        }
    })?;
    Ok(written.data)
}

/// The same for an expression over `schema`, wherever it will stand.
pub(crate) fn in_expression(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    told_apart(in_subqueries(expression)?, schema)
}

/// The same for the subqueries within an expression, and nothing of itself.
pub(crate) fn in_subqueries(expression: Expr) -> Result<Expr> {
    Ok(with_row(with_subqueries(expression, in_plan)?)?.data)
}

/// The same for a filter of rows of `schema`, and nothing in its subqueries.
pub(crate) fn in_filter(filter: Expr, schema: &DFSchema) -> Result<Expr> {
    let parts = split_conjunction_owned(filter).into_iter();
    let parts = parts.map(|part| condition(part, schema)).collect::<Result<Vec<_>>>()?;
    Ok(conjunction(parts).unwrap_or_else(|| lit(true)))
}

fn holds_in(expression: &Expr) -> Result<bool> {
    expression.exists(|part| Ok(matches!(part, Expr::InSubquery(_))))
}

/// One of the conditions that must all hold. An IN that is the whole of it is the engine's to do right, but for a NOT IN
/// that speaks of the row around it, which it cannot, or whose value is no key of the join that it makes: it forgets NULL then.
fn condition(part: Expr, schema: &DFSchema) -> Result<Expr> {
    match &part {
        Expr::InSubquery(found) if !found.negated => Ok(part),
        Expr::InSubquery(found) if found.subquery.outer_ref_columns.is_empty() && is_key(&found.expr) => {
            Ok(part)
        }
        _ if holds_in(&part)? => kept(part, schema),
        _ => Ok(part),
    }
}

/// Whether a value is a column, whatever is made of constants when the query is simplified.
fn is_key(value: &Expr) -> bool {
    match value {
        Expr::Column(_) => true,
        Expr::Cast(cast) => is_key(&cast.expr),
        Expr::Alias(alias) => is_key(&alias.expr),
        // A cast that has a name of its own.
        Expr::ScalarFunction(call) if call.func.name() == NAMED_CAST => call.args.first().is_some_and(is_key),
        _ => false,
    }
}

/// An expression of which it counts alone whether it is TRUE.
fn kept(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (kept(*left, schema)?, kept(*right, schema)?);
            Ok(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) }))
        }
        Expr::InSubquery(found) if !found.negated => Ok(Expr::InSubquery(found)),
        other => told_apart(other, schema),
    }
}

/// An expression of which it counts whether it is FALSE or NULL.
fn told_apart(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    let written = expression.transform_up(|part| {
        Ok(match part {
            Expr::InSubquery(found) if may_be_null(&found, schema) => Transformed::yes(three_valued(found)?),
            other => Transformed::no(other),
        })
    })?;
    Ok(written.data)
}

fn may_be_null(found: &InSubquery, schema: &DFSchema) -> bool {
    // What cannot be told may be NULL.
    let value = found.expr.nullable(schema).unwrap_or(true);
    let rows = found.subquery.subquery.schema().fields().first().is_none_or(|field| field.is_nullable());
    value || rows || (found.negated && !found.subquery.outer_ref_columns.is_empty())
}

/// TRUE for a row that is equal; else FALSE where there are no rows; else NULL where the value or one of the rows is; else
/// FALSE.
fn three_valued(found: InSubquery) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = found;
    let rows = |plan: LogicalPlan, negated: bool| {
        let subquery = Subquery { subquery: Arc::new(plan), ..subquery.clone() };
        Expr::Exists(Exists { subquery, negated })
    };
    let all = subquery.subquery.as_ref().clone();
    let nulls = match all.schema().columns().into_iter().next() {
        Some(column) => {
            let is_null = Expr::Column(column).is_null();
            LogicalPlanBuilder::from(all.clone()).filter(is_null)?.build()?
        }
        None => all.clone(),
    };
    let equal =
        Expr::InSubquery(InSubquery { expr: expr.clone(), subquery: subquery.clone(), negated: false });
    let open = lit(ScalarValue::Boolean(None));
    when(equal, lit(!negated))
        .when(rows(all, true), lit(negated))
        .when(expr.is_null(), open.clone())
        .when(rows(nulls, false), open)
        .otherwise(lit(negated))
}
