//! Floating-point numbers beside decimals: both are doubles, as the dialect has it. A literal such as `1.5` is a decimal, and the
//! engine alone would make decimals of both, which NaN and large numbers do not fit.
//!
//! Comparisons by an operator are planned so ([`ComparisonPlanner`]), since the planner takes the keys of joins from them.
//! What else brings values to one type (BETWEEN, IN, CASE, UNION, `coalesce` and its kin) is planned without asking
//! anybody, and written anew once it is bound. VALUES has its types when it is bound, and is seen to before (`exponents`).

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, Case, InList, InSubquery, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Subquery, Union, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::subqueries::{around, with_subqueries};

/// Functions that give one of their arguments, or compare them: they bring all to one type.
const ONE_TYPE: [&str; 8] = ["coalesce", "greatest", "least", "make_array", "nanvl", "nullif", "nvl", "nvl2"];

/// Plans the comparisons of a floating-point number with a decimal.
#[derive(Debug)]
pub struct ComparisonPlanner;

impl ExprPlanner for ComparisonPlanner {
    fn plan_binary_op(
        &self,
        expression: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expression;
        let compares = matches!(
            op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
                | BinaryOperator::Spaceship
        );
        let (left, right) = match compares && meet([&left, &right], schema) {
            true => (as_double(left, schema), as_double(right, schema)),
            false => (left, right),
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// `plan` with doubles wherever its expressions, or those of its subqueries, bring both kinds to one type.
pub(crate) fn in_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Union(_));
        node.apply_expressions(|expression| {
            found |= expression.exists(|part| Ok(one_type(part)))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    if !found {
        return Ok(plan);
    }
    let written = plan.transform_up_with_subqueries(|node| {
        if let LogicalPlan::Union(union) = node {
            return in_union(union);
        }
        let schema = around(&node);
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            Ok(outermost(expression, &schema)?.update_data(|written| name.restore(written)))
        })?
        // What an expression gives may have become a double.
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(written.data)
}

/// The same for an expression over `schema`.
pub(crate) fn in_expression(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(outermost(with_subqueries(expression, in_plan)?, schema)?.data)
}

/// The same for nothing in its subqueries.
fn outermost(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expression.transform_up(|part| {
        Ok(match part {
            Expr::Between(Between { expr, negated, low, high }) if meet([&*expr, &*low, &*high], schema) => {
                let [expr, low, high] = [expr, low, high].map(|side| Box::new(as_double(*side, schema)));
                Transformed::yes(Expr::Between(Between { expr, negated, low, high }))
            }
            Expr::InList(InList { expr, list, negated })
                if meet(std::iter::once(&*expr).chain(&list), schema) =>
            {
                let expr = Box::new(as_double(*expr, schema));
                Transformed::yes(Expr::InList(InList { expr, list: as_doubles(list, schema), negated }))
            }
            Expr::InSubquery(found) => in_subquery(found, schema)?,
            Expr::Case(case) => in_case(case, schema),
            Expr::ScalarFunction(ScalarFunction { func, args })
                if ONE_TYPE.contains(&func.name()) && meet(&args, schema) =>
            {
                let args = as_doubles(args, schema);
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            other => Transformed::no(other),
        })
    })
}

/// Whether an expression brings several values to one type and is not asked about when it is planned.
fn one_type(part: &Expr) -> bool {
    match part {
        Expr::Between(_) | Expr::InList(_) | Expr::InSubquery(_) | Expr::Case(_) => true,
        Expr::ScalarFunction(call) => ONE_TYPE.contains(&call.func.name()),
        _ => false,
    }
}

/// The columns of a union that are doubles in one input and decimals in another are doubles in all.
fn in_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let width = union.schema.fields().len();
    let any = |place: usize, of: fn(&DataType) -> bool| {
        let fields = union.inputs.iter().filter_map(|input| input.schema().fields().get(place));
        fields.into_iter().any(|field| of(field.data_type()))
    };
    let mixed: Vec<bool> = (0..width)
        .map(|place| any(place, DataType::is_floating) && any(place, |found| found.is_decimal()))
        .collect();
    if !mixed.contains(&true) {
        return Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)));
    }
    let double = |input: Arc<LogicalPlan>| -> Result<Arc<LogicalPlan>> {
        let columns: Vec<Expr> = input
            .schema()
            .iter()
            .zip(&mixed)
            .map(|((table, field), mixed)| {
                let column = Expr::Column(Column::from((table, field)));
                match *mixed && field.data_type().is_decimal() {
                    true => cast(column, DataType::Float64).alias_qualified(table.cloned(), field.name()),
                    false => column,
                }
            })
            .collect();
        Ok(Arc::new(LogicalPlanBuilder::from(input).project(columns)?.build()?))
    };
    let inputs = union.inputs.into_iter().map(double).collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

fn in_subquery(mut found: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (asked, rows) = (found.expr.get_type(schema), found.subquery.subquery.schema());
    // reason: a parameter has no type yet, and takes that of the rows
    let (Ok(asked), Some(field)) = (asked, rows.fields().first()) else {
        return Ok(Transformed::no(Expr::InSubquery(found)));
    };
    if asked.is_floating() && field.data_type().is_decimal() {
        let column = Expr::Column(Column::from(rows.qualified_field(0)));
        let double = cast(column, DataType::Float64).alias(field.name());
        let plan =
            LogicalPlanBuilder::from(Arc::clone(&found.subquery.subquery)).project([double])?.build()?;
        found.subquery = Subquery { subquery: Arc::new(plan), ..found.subquery };
    } else if asked.is_decimal() && field.data_type().is_floating() {
        found.expr = Box::new(cast(*found.expr, DataType::Float64));
    } else {
        return Ok(Transformed::no(Expr::InSubquery(found)));
    }
    Ok(Transformed::yes(Expr::InSubquery(found)))
}

/// What a CASE compares are doubles where these meet, and so are what it gives.
fn in_case(case: Case, schema: &DFSchema) -> Transformed<Expr> {
    let Case { mut expr, mut when_then_expr, mut else_expr } = case;
    let compared = expr.is_some() && {
        let whens = when_then_expr.iter().map(|(when, _)| &**when);
        meet(expr.as_deref().into_iter().chain(whens), schema)
    };
    let given = {
        let thens = when_then_expr.iter().map(|(_, then)| &**then);
        meet(else_expr.as_deref().into_iter().chain(thens), schema)
    };
    let double = |part: Box<Expr>| Box::new(as_double(*part, schema));
    if compared {
        expr = expr.map(double);
    }
    if given {
        else_expr = else_expr.map(double);
    }
    when_then_expr = when_then_expr
        .into_iter()
        .map(|(when, then)| {
            (if compared { double(when) } else { when }, if given { double(then) } else { then })
        })
        .collect();
    let case = Expr::Case(Case { expr, when_then_expr, else_expr });
    if compared || given { Transformed::yes(case) } else { Transformed::no(case) }
}

/// Whether a floating-point number and a decimal are among the values.
fn meet<'a>(values: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> bool {
    let (mut floating, mut decimal) = (false, false);
    for value in values {
        // reason: a parameter has no type yet, and takes that of the others
        let Ok(found) = value.get_type(schema) else { continue };
        floating |= found.is_floating();
        decimal |= found.is_decimal();
    }
    floating && decimal
}

fn as_doubles(values: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    values.into_iter().map(|value| as_double(value, schema)).collect()
}

/// A decimal as a double; anything else as it is.
fn as_double(value: Expr, schema: &DFSchema) -> Expr {
    match value.get_type(schema) {
        Ok(found) if found.is_decimal() => cast(value, DataType::Float64),
        _ => value,
    }
}
