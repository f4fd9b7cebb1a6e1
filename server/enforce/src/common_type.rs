//! Values of two types that become one, where the engine alone would choose a type that does not hold them.
//!
//! * Floating-point numbers beside decimals: both are doubles, as the dialect has it. A literal such as `1.5` is a decimal, and
//!   the engine would make decimals of both, which NaN and large numbers do not fit.
//! * Moments beside dates, and compared with texts: both are moments in microseconds, which is what TIMESTAMP is. The engine
//!   would count nanoseconds, which end in the year 2262: a date of 9999-12-31, the usual end of what is still true, would end
//!   the statement. Who asks for nanoseconds by name has them.
//!
//! * Spans of time are compared by their lengths ([`spans`]); a number that is cast to a moment, or a moment to a number, is one of
//!   seconds.
//!
//! Arithmetic of whole numbers is brought to one type and looks whether that holds what comes of it ([`whole_numbers`]).
//!
//! Comparisons by an operator are planned so ([`ComparisonPlanner`]), since the planner takes the keys of joins from them.
//! What else brings values to one type (BETWEEN, IN, CASE, UNION, `coalesce` and its kin) is planned without asking
//! anybody, and written anew once it is bound. VALUES has its types when it is bound, and is seen to before (`exponents`).

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, Case, Cast, InList, InSubquery, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, Union, cast, lit,
    try_cast,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::subqueries::{around, with_subqueries};
use crate::{spans, whole_numbers};

/// Functions that give one of their arguments, or compare them: they bring all to one type.
const ONE_TYPE: [&str; 8] = ["coalesce", "greatest", "least", "make_array", "nanvl", "nullif", "nvl", "nvl2"];

/// Plans comparisons of values that are brought to one type.
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
        let common = if compares { compared([&left, &right], schema) } else { None };
        let [left, right] = [left, right].map(|side| as_common(side, common.as_ref(), schema));
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// `plan` with a type that holds both wherever its expressions, or those of its subqueries, bring values to one.
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
        // What an expression gives may have become another type.
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
            part if whole_numbers::counts(&part) => {
                let looked = whole_numbers::checked(part, schema);
                if looked.transformed { looked } else { spans::written(looked.data, schema) }
            }
            Expr::Between(Between { expr, negated, low, high }) => {
                let common = compared([&*expr, &*low, &*high], schema);
                let [expr, low, high] =
                    [expr, low, high].map(|side| Box::new(as_common(*side, common.as_ref(), schema)));
                told(common, Expr::Between(Between { expr, negated, low, high }))
            }
            Expr::InList(InList { expr, list, negated }) => {
                let common = compared(std::iter::once(&*expr).chain(&list), schema);
                let expr = Box::new(as_common(*expr, common.as_ref(), schema));
                let list = all_as_common(list, common.as_ref(), schema);
                told(common, Expr::InList(InList { expr, list, negated }))
            }
            Expr::InSubquery(found) => in_subquery(found, schema)?,
            Expr::Case(case) => in_case(case, schema),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if tells_apart(op) => {
                let common = compared([&*left, &*right], schema);
                let [left, right] =
                    [left, right].map(|side| Box::new(as_common(*side, common.as_ref(), schema)));
                told(common, Expr::BinaryExpr(BinaryExpr { left, op, right }))
            }
            Expr::Cast(Cast { expr, field }) => {
                let (expr, changed) = in_seconds(expr, field.data_type(), schema, cast);
                Transformed::new(Expr::Cast(Cast { expr, field }), changed, TreeNodeRecursion::Continue)
            }
            Expr::TryCast(TryCast { expr, field }) => {
                let (expr, changed) = in_seconds(expr, field.data_type(), schema, try_cast);
                Transformed::new(Expr::TryCast(TryCast { expr, field }), changed, TreeNodeRecursion::Continue)
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) if ONE_TYPE.contains(&func.name()) => {
                // It compares its arguments, and gives the first.
                let common =
                    if func.name() == "nullif" { compared(&args, schema) } else { given(&args, schema) };
                let mut args = all_as_common(args, common.as_ref(), schema);
                if func.name() == "nullif" {
                    args = args.into_iter().map(|value| without_sign(value, schema)).collect();
                    return Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })));
                }
                told(common, Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            other => Transformed::no(other),
        })
    })
}

/// Whether an expression brings several values to one type and is not asked about when it is planned.
fn one_type(part: &Expr) -> bool {
    match part {
        part if whole_numbers::counts(part) => true,
        Expr::Between(_) | Expr::InList(_) | Expr::InSubquery(_) | Expr::Case(_) => true,
        Expr::Cast(cast) => meets_seconds(cast.field.data_type()),
        Expr::TryCast(cast) => meets_seconds(cast.field.data_type()),
        Expr::BinaryExpr(part) => tells_apart(part.op),
        Expr::ScalarFunction(call) => ONE_TYPE.contains(&call.func.name()),
        _ => false,
    }
}

/// The columns of a union that are of two such types in two inputs are of one in all.
fn in_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let width = union.schema.fields().len();
    let common: Vec<Option<DataType>> = (0..width)
        .map(|place| {
            let fields = union.inputs.iter().filter_map(|input| input.schema().fields().get(place));
            common(fields.map(|field| field.data_type().clone()), Texts::StayTexts)
        })
        .collect();
    if common.iter().all(Option::is_none) {
        return Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)));
    }
    let of_input = |input: Arc<LogicalPlan>| -> Result<Arc<LogicalPlan>> {
        let columns: Vec<Expr> = input
            .schema()
            .iter()
            .zip(&common)
            .map(|((table, field), common)| {
                let column = Expr::Column(Column::from((table, field)));
                match common.as_ref().filter(|common| becomes(field.data_type(), common)) {
                    Some(common) => brought(column, field.data_type(), common)
                        .alias_qualified(table.cloned(), field.name()),
                    None => column,
                }
            })
            .collect();
        Ok(Arc::new(LogicalPlanBuilder::from(input).project(columns)?.build()?))
    };
    let inputs = union.inputs.into_iter().map(of_input).collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

fn in_subquery(mut found: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (asked, rows) = (found.expr.get_type(schema), found.subquery.subquery.schema());
    // reason: a parameter has no type yet, and takes that of the rows
    let (Ok(asked), Some(field)) = (asked, rows.fields().first()) else {
        return Ok(Transformed::no(Expr::InSubquery(found)));
    };
    let Some(common) = common([asked, field.data_type().clone()], Texts::AreRead) else {
        return Ok(Transformed::no(Expr::InSubquery(found)));
    };
    if becomes(field.data_type(), &common) {
        let column = Expr::Column(Column::from(rows.qualified_field(0)));
        let column = brought(column, field.data_type(), &common).alias(field.name());
        let plan =
            LogicalPlanBuilder::from(Arc::clone(&found.subquery.subquery)).project([column])?.build()?;
        found.subquery = Subquery { subquery: Arc::new(plan), ..found.subquery };
    }
    found.expr = Box::new(as_common(*found.expr, Some(&common), schema));
    Ok(Transformed::yes(Expr::InSubquery(found)))
}

/// What a CASE compares is of one type, and so is what it gives.
fn in_case(case: Case, schema: &DFSchema) -> Transformed<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let whens = when_then_expr.iter().map(|(when, _)| &**when);
    let asked = expr.as_deref().and_then(|asked| compared(std::iter::once(asked).chain(whens), schema));
    let thens = when_then_expr.iter().map(|(_, then)| &**then);
    let answer = given(else_expr.as_deref().into_iter().chain(thens), schema);
    let changed = asked.is_some() || answer.is_some();
    let case = Expr::Case(Case {
        expr: expr.map(|expr| Box::new(as_common(*expr, asked.as_ref(), schema))),
        when_then_expr: when_then_expr
            .into_iter()
            .map(|(when, then)| {
                (
                    Box::new(as_common(*when, asked.as_ref(), schema)),
                    Box::new(as_common(*then, answer.as_ref(), schema)),
                )
            })
            .collect(),
        else_expr: else_expr.map(|expr| Box::new(as_common(*expr, answer.as_ref(), schema))),
    });
    if changed { Transformed::yes(case) } else { Transformed::no(case) }
}

/// The engine's own `nullif` tells minus zero from zero, which are equal to each other everywhere else: to add zero makes it zero.
fn without_sign(value: Expr, schema: &DFSchema) -> Expr {
    // reason: what has no type yet is no column or number with a sign
    match value.get_type(schema) {
        Ok(DataType::Float32) => value + lit(0.0_f32),
        Ok(DataType::Float64) => value + lit(0.0_f64),
        _ => value,
    }
}

/// A comparison about which the planner asks nobody.
fn tells_apart(op: Operator) -> bool {
    matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

/// Whether a cast to that type may be one between moments and numbers.
fn meets_seconds(to: &DataType) -> bool {
    is_timestamp(to) || to.is_numeric()
}

/// What is cast to `to` by `as_type`. A number that is a moment is one of seconds, and so is a moment that is a number; the engine
/// counts microseconds in one and seconds in another.
fn in_seconds(
    value: Box<Expr>,
    to: &DataType,
    schema: &DFSchema,
    as_type: fn(Expr, DataType) -> Expr,
) -> (Box<Expr>, bool) {
    // reason: a parameter has no type yet, and takes the one it is cast to
    let Ok(from) = value.get_type(schema) else { return (value, false) };
    let whole = |value: Expr| as_type(value, DataType::Int64);
    let written = match (&from, to) {
        (from, DataType::Timestamp(TimeUnit::Microsecond, zone)) if from.is_integer() => {
            let seconds = DataType::Timestamp(TimeUnit::Second, zone.clone());
            as_type(whole(*value), seconds)
        }
        (from, DataType::Timestamp(TimeUnit::Microsecond, _)) if from.is_floating() || from.is_decimal() => {
            whole(as_type(*value, DataType::Float64) * lit(1e6_f64))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), to) if to.is_floating() || to.is_decimal() => {
            as_type(whole(*value), DataType::Float64) / lit(1e6_f64)
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), to) if to.is_integer() => {
            spans::seconds(whole(*value))
        }
        _ => return (value, false),
    };
    (Box::new(written), true)
}

/// What becomes of texts that meet moments.
#[derive(Clone, Copy)]
enum Texts {
    /// They are compared: a text says which moment it is.
    AreRead,
    /// They are given beside each other: all become texts, which the engine sees to.
    StayTexts,
}

/// The one type of values that are compared; none where that is left to the engine.
fn compared<'a>(values: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Option<DataType> {
    common(types(values, schema), Texts::AreRead)
}

/// The one type of values of which one is given; none where that is left to the engine.
fn given<'a>(values: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Option<DataType> {
    common(types(values, schema), Texts::StayTexts)
}

fn types<'a>(
    values: impl IntoIterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> impl Iterator<Item = DataType> {
    // reason: a parameter has no type yet, and takes that of the others
    values.into_iter().filter_map(|value| value.get_type(schema).ok())
}

fn common(types: impl IntoIterator<Item = DataType>, texts: Texts) -> Option<DataType> {
    let (mut floating, mut decimal) = (false, false);
    let (mut moment, mut nanoseconds, mut zone) = (false, false, None);
    let (mut date, mut text) = (false, false);
    let (mut interval, mut duration) = (false, false);
    for found in types {
        interval |= matches!(found, DataType::Interval(_));
        duration |= matches!(found, DataType::Duration(_));
        floating |= found.is_floating();
        decimal |= found.is_decimal();
        date |= matches!(found, DataType::Date32 | DataType::Date64);
        text |= found.is_string();
        if let DataType::Timestamp(unit, of) = found {
            moment = true;
            nanoseconds |= unit == TimeUnit::Nanosecond;
            zone = zone.or(of);
        }
    }
    let other = match texts {
        Texts::AreRead => date || text,
        Texts::StayTexts => date && !text,
    };
    if floating && decimal {
        return Some(DataType::Float64);
    }
    let is_compared = matches!(texts, Texts::AreRead);
    if interval && !text && (duration || is_compared) {
        return Some(spans::LENGTH);
    }
    (moment && other && !nanoseconds).then_some(DataType::Timestamp(TimeUnit::Microsecond, zone))
}

/// A value of another type in the common one.
fn brought(value: Expr, found: &DataType, common: &DataType) -> Expr {
    match (found, common) {
        (DataType::Interval(_), DataType::Duration(_)) => spans::length(value),
        _ => cast(value, common.clone()),
    }
}

/// Whether a value of that type is cast to the common one. Floating-point numbers widen by themselves.
fn becomes(found: &DataType, common: &DataType) -> bool {
    match common {
        DataType::Float64 => found.is_decimal(),
        _ => found != common && *found != DataType::Null,
    }
}

fn all_as_common(values: Vec<Expr>, common: Option<&DataType>, schema: &DFSchema) -> Vec<Expr> {
    values.into_iter().map(|value| as_common(value, common, schema)).collect()
}

/// The value in the common type, where there is one and it has another.
fn as_common(value: Expr, common: Option<&DataType>, schema: &DFSchema) -> Expr {
    let Some(common) = common else { return value };
    match value.get_type(schema) {
        Ok(found) if becomes(&found, common) => brought(value, &found, common),
        _ => value,
    }
}

fn told(common: Option<DataType>, expression: Expr) -> Transformed<Expr> {
    if common.is_some() { Transformed::yes(expression) } else { Transformed::no(expression) }
}

fn is_timestamp(found: &DataType) -> bool {
    matches!(found, DataType::Timestamp(..))
}
