//! Comparisons of floating-point numbers with decimals, which are those of doubles, as the dialect has it. The engine alone
//! would make decimals of both, which NaN and large numbers do not fit, and a literal such as `1.5` is a decimal.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

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
        if !compares {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        // A parameter has no type yet, and takes that of the other side.
        let is_floating = |side: &Expr| side.get_type(schema).is_ok_and(|found| found.is_floating());
        let (left, right) = match (is_floating(&left), is_floating(&right)) {
            (true, false) => (left, as_double(right, schema)),
            (false, true) => (as_double(left, schema), right),
            _ => (left, right),
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// A decimal as a double; anything else as it is.
fn as_double(side: Expr, schema: &DFSchema) -> Expr {
    match side.get_type(schema) {
        Ok(DataType::Decimal128(..) | DataType::Decimal256(..)) => cast(side, DataType::Float64),
        _ => side,
    }
}
