//! Casts that count in the names of what they are part of.
//!
//! The engine calls a cast as it calls what is cast: `sum(d)` and `sum(CAST(d AS INT))` are one name to it, so that one select
//! list cannot have both, and `ORDER BY d` means the cast where a select list has it. In the syntax tree a cast is therefore
//! given a call around its value, which gives the value, has the type in its name, and is gone once the plan is simplified.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The name by which the syntax tree calls it. No function of users has such a name.
pub const NAMED_CAST: &str = "weir:cast";

/// The function. Its arguments: the value, and the text of the type that it is cast to.
pub fn named_cast() -> ScalarUDF {
    ScalarUDF::new_from_impl(NamedCast { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NamedCast {
    signature: Signature,
}

impl ScalarUDFImpl for NamedCast {
    fn name(&self) -> &'static str {
        NAMED_CAST
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [value, Expr::Literal(ScalarValue::Utf8(Some(to)), _)] = args else {
            return plan_err!("a cast is of a value to a type");
        };
        Ok(format!("CAST({} AS {to})", value.schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(value) => Ok(value.clone()),
            None => plan_err!("a cast is of a value to a type"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields.first() {
            Some(value) => Ok(FieldRef::clone(value)),
            None => plan_err!("a cast is of a value to a type"),
        }
    }

    fn simplify(&self, arguments: Vec<Expr>, _context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match arguments.into_iter().next() {
            Some(value) => Ok(ExprSimplifyResult::Simplified(value)),
            None => plan_err!("a cast is of a value to a type"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(value) => Ok(value),
            None => exec_err!("a cast is of a value to a type"),
        }
    }
}
