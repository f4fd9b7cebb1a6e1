//! [`SignedZeros`]: a list that has a zero has the other zero too.
//!
//! Zero and minus zero are equal. The engine looks up a longer list of floating-point numbers by their bits, which are not, and makes
//! such a list of `x = 0.0 OR x = 1.0 OR …` as well. So a row filter that leaves out zeros by a list would have let some pass.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule; to be the last, after those that make lists.
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
        plan.map_expressions(|expression| {
            let name = names.save(&expression);
            Ok(expression.transform_up(with_both)?.update_data(|written| name.restore(written)))
        })
    }
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
