//! `now()`, `current_timestamp()`: the moment at which the statement began, as a TIMESTAMP is. The engine's own counts
//! nanoseconds, and what it is compared with would have to.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

const ZONE: &str = "UTC";

/// The function.
pub(super) fn now() -> Arc<ScalarUDF> {
    let aliases = vec!["current_timestamp".to_owned()];
    Arc::new(ScalarUDF::new_from_impl(Now { signature: Signature::nullary(Volatility::Stable), aliases }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    signature: Signature,
    aliases: Vec<String>,
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &'static str {
        "now"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _argument_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())))
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(began) = context.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(arguments));
        };
        let began = ScalarValue::TimestampMicrosecond(Some(began.timestamp_micros()), Some(ZONE.into()));
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(began, None)))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("the statement's beginning is not known")
    }
}
