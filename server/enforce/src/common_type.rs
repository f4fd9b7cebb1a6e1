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
//! * A number has no type in common with a DATE, a TIMESTAMP or an INTERVAL, since nothing says what it counts. The engine would take
//!   it for days.
//! * Answers of a CASE, and columns of a UNION, have their one type before something is computed of them ([`choice`]).
//! * Keys that are sets of groupings keep their names one by one.
//!
//! Comparisons by an operator are planned so ([`ComparisonPlanner`]), since the planner takes the keys of joins from them.
//! What else brings values to one type (BETWEEN, IN, CASE, UNION, `coalesce` and its kin) is planned without asking
//! anybody, and written anew once it is bound. VALUES has its types when it is bound, and is seen to before (`exponents`).

mod choice;
mod outer_columns;
mod seconds;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, Case, Cast, InList, InSubquery, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, Union, cast, try_cast,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

pub use self::choice::NO_COMMON_TYPE;
use self::choice::{
    all_as_common, answered, answered_types, as_common, becomes, brought, compared, compared_types, given,
};
use crate::signed_zeros::{self, all_without_sign, without_sign};
use crate::subqueries::{around, with_subqueries};
use crate::value_type::value_type;
use crate::{spans, whole_numbers};

/// Functions that give one of their arguments, or compare them: they bring all to one type.
const ONE_TYPE: [&str; 6] = ["coalesce", "greatest", "least", "make_array", "nanvl", "nullif"];

/// Tells which keys a row is grouped by.
const GROUPING: &str = "grouping";

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
        let is_comparison = matches!(
            op,
            BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
                | BinaryOperator::Spaceship
        );
        let common = if is_comparison { compared([&left, &right], schema)? } else { None };
        let [left, right] = [left, right].map(|side| as_common(side, common.as_ref(), schema));
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// `plan` with a type that holds both wherever its expressions, or those of its subqueries, bring values to one.
pub(crate) fn in_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Union(_) | LogicalPlan::Join(_));
        node.apply_expressions(|expression| {
            found |= expression.exists(|part| Ok(one_type(part)))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    if found { Ok(plan.transform_up(in_node)?.data) } else { Ok(plan) }
}

/// The same for an expression over `schema`.
pub(crate) fn in_expression(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(outermost(with_subqueries(expression, in_plan)?, schema)?.data)
}

/// The node, whose inputs have their last types. Its subqueries are gone through here, when the columns around them have theirs.
fn in_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = around(&node);
    let within = |subquery| outer_columns::renewed(subquery, &schema)?.transform_up(in_node);
    let node = match node.map_subqueries(within)?.data {
        LogicalPlan::Union(union) => return in_union(union),
        LogicalPlan::Join(join) => LogicalPlan::Join(in_join(join)?),
        other => other,
    };
    let names = NamePreserver::new(&node);
    node.map_expressions(|expression| named(expression, &names, &schema))?
        // What an expression gives may have become another type.
        .map_data(LogicalPlan::recompute_schema)
}

/// An expression of a node under the name that it had. A key in a set of groupings has a name of its own, and so has one that
/// `grouping` asks about: both stay the same expression.
fn named(expression: Expr, names: &NamePreserver, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if matches!(expression, Expr::GroupingSet(_)) {
        return expression.map_children(|key| named(key, names, schema));
    }
    let name = names.save(&expression);
    let expression = match expression {
        Expr::AggregateFunction(mut call) if call.func.name() == GROUPING => {
            let keys = call.params.args.into_iter().map(|key| Ok(named(key, names, schema)?.data));
            call.params.args = keys.collect::<Result<Vec<_>>>()?;
            Expr::AggregateFunction(call)
        }
        other => other,
    };
    Ok(outermost(expression, schema)?.update_data(|written| name.restore(written)))
}

/// The same for nothing in its subqueries.
fn outermost(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expression.transform_up(|part| match part {
        part if whole_numbers::counts(&part) => {
            let looked = whole_numbers::checked(part, schema);
            Ok(if looked.transformed { looked } else { spans::written(looked.data, schema) })
        }
        Expr::BinaryExpr(part) if compares(part.op) => in_comparison(part, schema),
        Expr::Between(between) => in_between(between, schema),
        Expr::InList(found) => in_list(found, schema),
        Expr::InSubquery(found) => in_subquery(found, schema),
        Expr::Case(case) => in_case(case, schema),
        Expr::Cast(Cast { expr, field }) => {
            let (expr, is_changed) = seconds::written(expr, field.data_type(), schema, cast);
            Ok(told(is_changed, Expr::Cast(Cast { expr, field })))
        }
        Expr::TryCast(TryCast { expr, field }) => {
            let (expr, is_changed) = seconds::written(expr, field.data_type(), schema, try_cast);
            Ok(told(is_changed, Expr::TryCast(TryCast { expr, field })))
        }
        Expr::ScalarFunction(call) if ONE_TYPE.contains(&call.func.name()) => in_call(call, schema),
        Expr::AggregateFunction(call) => Ok(signed_zeros::in_aggregate(call, schema)),
        Expr::WindowFunction(call) => Ok(signed_zeros::in_window(call, schema)),
        other => Ok(Transformed::no(other)),
    })
}

/// Whether an expression is written anew, and is not asked about when it is planned.
fn one_type(part: &Expr) -> bool {
    match part {
        part if whole_numbers::counts(part) => true,
        Expr::Between(_)
        | Expr::InList(_)
        | Expr::InSubquery(_)
        | Expr::Case(_)
        | Expr::WindowFunction(_) => true,
        Expr::AggregateFunction(call) => call.params.distinct,
        Expr::Cast(cast) => seconds::met_by(cast.field.data_type()),
        Expr::TryCast(cast) => seconds::met_by(cast.field.data_type()),
        Expr::BinaryExpr(part) => matches!(part.op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom),
        Expr::ScalarFunction(call) => ONE_TYPE.contains(&call.func.name()),
        _ => false,
    }
}

/// The columns of a union that are of two types in two inputs are of one in all.
fn in_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let of_column = |place: usize| {
        let fields = union.inputs.iter().filter_map(|input| input.schema().fields().get(place));
        answered_types(&fields.map(|field| field.data_type().clone()).collect::<Vec<_>>())
    };
    let common = (0..union.schema.fields().len()).map(of_column).collect::<Result<Vec<_>>>()?;
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
                // A column of nothing but NULL is of the common type too: the union takes that of its first input.
                let is_brought =
                    |common: &&DataType| field.data_type().is_null() || becomes(field.data_type(), common);
                match common.as_ref().filter(is_brought) {
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

/// The keys of a join that was made of no operator, as that of INTERSECT, or whose columns have another type by now.
fn in_join(mut join: Join) -> Result<Join> {
    let (of_left, of_right) = (Arc::clone(join.left.schema()), Arc::clone(join.right.schema()));
    let brought = |(left, right): (Expr, Expr)| -> Result<(Expr, Expr)> {
        // reason: a key that has no type is left to the engine
        let (Ok(left_type), Ok(right_type)) = (value_type(&left, &of_left), value_type(&right, &of_right))
        else {
            return Ok((left, right));
        };
        let common = compared_types(&[left_type, right_type])?;
        Ok((as_common(left, common.as_ref(), &of_left), as_common(right, common.as_ref(), &of_right)))
    };
    join.on = join.on.into_iter().map(brought).collect::<Result<Vec<_>>>()?;
    Ok(join)
}

fn in_comparison(part: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let common = compared([&*part.left, &*part.right], schema)?;
    let [left, right] =
        [part.left, part.right].map(|side| Box::new(as_common(*side, common.as_ref(), schema)));
    Ok(told(common.is_some(), Expr::BinaryExpr(BinaryExpr { left, op: part.op, right })))
}

fn in_between(between: Between, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Between { expr, negated, low, high } = between;
    let common = compared([&*expr, &*low, &*high], schema)?;
    let [expr, low, high] = [expr, low, high].map(|side| Box::new(as_common(*side, common.as_ref(), schema)));
    Ok(told(common.is_some(), Expr::Between(Between { expr, negated, low, high })))
}

fn in_list(found: InList, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let InList { expr, list, negated } = found;
    let common = compared(std::iter::once(&*expr).chain(&list), schema)?;
    let mut expr = as_common(*expr, common.as_ref(), schema);
    let mut list = all_as_common(list, common.as_ref(), schema);
    let is_of_rows = signed_zeros::is_of_rows(&list)?;
    if is_of_rows {
        expr = without_sign(expr, schema);
        list = all_without_sign(list, schema);
    }
    let found = Expr::InList(InList { expr: Box::new(expr), list, negated });
    Ok(told(is_of_rows || common.is_some(), found))
}

fn in_subquery(mut found: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (asked, rows) = (value_type(&found.expr, schema), found.subquery.subquery.schema());
    // reason: a parameter has no type yet, and takes that of the rows
    let (Ok(asked), Some(field)) = (asked, rows.fields().first()) else {
        return Ok(Transformed::no(Expr::InSubquery(found)));
    };
    let Some(common) = compared_types(&[asked, field.data_type().clone()])? else {
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

/// What a CASE compares is of one type, and so is what it answers.
fn in_case(case: Case, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Case { expr, when_then_expr, else_expr } = case;
    let asked = match expr.as_deref() {
        Some(asked) => {
            let whens = when_then_expr.iter().map(|(when, _)| &**when);
            compared(std::iter::once(asked).chain(whens), schema)?
        }
        None => None,
    };
    let thens = when_then_expr.iter().map(|(_, then)| &**then);
    let answer = answered(else_expr.as_deref().into_iter().chain(thens), schema)?;
    let compares = expr.is_some();
    let as_asked = |value: Box<Expr>| match compares {
        true => Box::new(without_sign(as_common(*value, asked.as_ref(), schema), schema)),
        false => value,
    };
    let as_answer = |value: Box<Expr>| Box::new(as_common(*value, answer.as_ref(), schema));
    let whens = when_then_expr.into_iter().map(|(when, then)| (as_asked(when), as_answer(then))).collect();
    let case = Case { expr: expr.map(as_asked), when_then_expr: whens, else_expr: else_expr.map(as_answer) };
    Ok(told(compares || answer.is_some(), Expr::Case(case)))
}

fn in_call(call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let ScalarFunction { func, args } = call;
    if func.name() == "nullif" {
        // It compares its arguments, and gives the first.
        let common = compared(&args, schema)?;
        let args = all_without_sign(all_as_common(args, common.as_ref(), schema), schema);
        return Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })));
    }
    let common = given(&args, schema)?;
    let args = all_as_common(args, common.as_ref(), schema);
    Ok(told(common.is_some(), Expr::ScalarFunction(ScalarFunction { func, args })))
}

fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn told(is_changed: bool, expression: Expr) -> Transformed<Expr> {
    Transformed::new(expression, is_changed, TreeNodeRecursion::Continue)
}
