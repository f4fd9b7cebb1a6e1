//! Division as the dialect has it: `/` between integers gives a double, and dividing by zero is
//! an error, not infinity.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use datafusion::common::DFSchema;
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use weir_enforce::value_type;

/// Plans `/` between integers and floating-point numbers.
#[derive(Debug)]
pub struct DivisionPlanner {
    divide: Arc<ScalarUDF>,
}

impl Default for DivisionPlanner {
    fn default() -> Self {
        let signature = Signature::exact(vec![DataType::Float64, DataType::Float64], Volatility::Immutable);
        Self { divide: Arc::new(ScalarUDF::new_from_impl(Divide { signature })) }
    }
}

impl ExprPlanner for DivisionPlanner {
    fn plan_binary_op(
        &self,
        expression: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if expression.op != BinaryOperator::Divide {
            return Ok(PlannerResult::Original(expression));
        }
        let plain = |side: &Expr| -> Result<bool> {
            // A parameter of which nothing tells a type yet.
            if matches!(side, Expr::Placeholder(Placeholder { field: None, .. })) {
                return Ok(true);
            }
            let side = value_type(side, schema)?;
            Ok(side.is_integer() || side.is_floating())
        };
        if !plain(&expression.left)? || !plain(&expression.right)? {
            return Ok(PlannerResult::Original(expression));
        }
        let double = |side: Expr| cast(side, DataType::Float64);
        let call = self.divide.call(vec![double(expression.left), double(expression.right)]);
        Ok(PlannerResult::Planned(call))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Divide {
    signature: Signature,
}

impl ScalarUDFImpl for Divide {
    fn name(&self) -> &'static str {
        "divide"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let sides = arguments
            .args
            .iter()
            .map(|argument| argument.to_array(rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let [dividend, divisor] = sides.as_slice() else {
            return datafusion::common::internal_err!("division takes two arguments");
        };
        let quotient: Float64Array = try_binary::<_, _, _, Float64Type>(
            as_float64_array(dividend)?,
            as_float64_array(divisor)?,
            |dividend, divisor| match divisor {
                0.0 => Err(ArrowError::DivideByZero),
                divisor => Ok(dividend / divisor),
            },
        )?;
        match scalar {
            true => Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&quotient, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(quotient) as ArrayRef)),
        }
    }
}
