//! Zero and minus zero are equal, wherever floating-point numbers are compared.
//!
//! The engine's operators have it so, and so do GROUP BY and the keys of joins. Elsewhere it compares bits:
//!
//! * It looks up a longer list by them, and makes such a list of `x = 0.0 OR x = 1.0 OR …` as well. So a row filter that leaves out
//!   zeros by a list would have let some pass. A list that has a zero gets the other zero too ([`SignedZeros`]).
//! * A list of more than constants, a CASE that compares, the keys of windows, aggregates of distinct values and `nullif`: to what
//!   is compared there zero is added, which makes minus zero zero ([`without_sign`]).

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, InList, Sort, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, lit};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::value_type::value_type;

/// The rule for lists of constants; to be the last, after those that make lists.
#[derive(Debug)]
pub struct SignedZeros;

impl OptimizerRule for SignedZeros {
    fn name(&self) -> &str {
        "signed_zeros"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expression| in_lists(expression, &names))
    }
}

/// An expression of a node under the name that it had, and so each key of a set of groupings.
fn in_lists(expression: Expr, names: &NamePreserver) -> Result<Transformed<Expr>> {
    if matches!(expression, Expr::GroupingSet(_)) {
        return expression.map_children(|key| in_lists(key, names));
    }
    let name = names.save(&expression);
    Ok(expression.transform_up(with_both)?.update_data(|written| name.restore(written)))
}

/// An aggregate of distinct values that tells no two zeros apart.
pub(crate) fn in_aggregate(mut call: AggregateFunction, schema: &DFSchema) -> Transformed<Expr> {
    if !call.params.distinct {
        return Transformed::no(Expr::AggregateFunction(call));
    }
    call.params.args = all_without_sign(call.params.args, schema);
    call.params.order_by = sorted_without_sign(call.params.order_by, schema);
    Transformed::yes(Expr::AggregateFunction(call))
}

/// A window that does not part rows, or rank them, by the sign of a zero.
pub(crate) fn in_window(mut call: Box<WindowFunction>, schema: &DFSchema) -> Transformed<Expr> {
    let params = &mut call.params;
    params.partition_by = all_without_sign(std::mem::take(&mut params.partition_by), schema);
    params.order_by = sorted_without_sign(std::mem::take(&mut params.order_by), schema);
    if params.distinct {
        params.args = all_without_sign(std::mem::take(&mut params.args), schema);
    }
    Transformed::yes(Expr::WindowFunction(call))
}

/// Whether a value of the list differs from row to row. [`SignedZeros`] sees to lists of constants, which are not all known before.
pub(crate) fn is_of_rows(list: &[Expr]) -> Result<bool> {
    let of_row = |part: &Expr| {
        Ok(matches!(part, Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_)))
    };
    list.iter().try_fold(false, |found, value| Ok(found || value.exists(of_row)?))
}

/// The values of which none is minus zero.
pub(crate) fn all_without_sign(values: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    values.into_iter().map(|value| without_sign(value, schema)).collect()
}

/// The value, and zero for minus zero.
pub(crate) fn without_sign(value: Expr, schema: &DFSchema) -> Expr {
    // reason: what has no type yet is no column or number with a sign
    match value_type(&value, schema) {
        Ok(DataType::Float32) => sum(value, lit(0.0_f32)),
        Ok(DataType::Float64) => sum(value, lit(0.0_f64)),
        _ => value,
    }
}

fn sorted_without_sign(order: Vec<Sort>, schema: &DFSchema) -> Vec<Sort> {
    order.into_iter().map(|sort| Sort { expr: without_sign(sort.expr, schema), ..sort }).collect()
}

/// What zero is added to, unless it is there already or makes no difference.
fn sum(value: Expr, added: Expr) -> Expr {
    let is_told = match &value {
        Expr::BinaryExpr(sum) => sum.op == Operator::Plus && *sum.right == added,
        Expr::Literal(..) => zero(&value).is_none(),
        _ => false,
    };
    if is_told { value } else { value + added }
}

fn with_both(part: Expr) -> Result<Transformed<Expr>> {
    let Expr::InList(InList { expr, mut list, negated }) = part else { return Ok(Transformed::no(part)) };
    let zeros: Vec<ScalarValue> = list.iter().filter_map(zero).collect();
    let others = zeros.iter().map(ScalarValue::arithmetic_negate).collect::<Result<Vec<_>>>()?;
    let missing: Vec<ScalarValue> = others.into_iter().filter(|other| !zeros.contains(other)).collect();
    let is_whole = missing.is_empty();
    list.extend(missing.into_iter().map(|zero| Expr::Literal(zero, None)));
    let whole = Expr::InList(InList { expr, list, negated });
    Ok(if is_whole { Transformed::no(whole) } else { Transformed::yes(whole) })
}

/// The floating-point zero that an expression is.
fn zero(part: &Expr) -> Option<ScalarValue> {
    let Expr::Literal(value, _) = part else { return None };
    let is_zero = match value {
        ScalarValue::Float16(Some(value)) => value.to_f32() == 0.0,
        ScalarValue::Float32(Some(value)) => *value == 0.0,
        ScalarValue::Float64(Some(value)) => *value == 0.0,
        _ => false,
    };
    is_zero.then(|| value.clone())
}
