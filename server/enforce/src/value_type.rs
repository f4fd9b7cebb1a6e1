//! The type of an expression's values.
//!
//! The engine tells it too, but puts together a field with the whole text of the expression for each call within, and asks a CASE
//! below a call twice. Passes that ask at each level of a deep expression ask here.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, ExprSchemable, TypeSignature};

use crate::named_casts::NAMED_CAST;
use crate::whole_numbers;

/// The type of what `expression` gives over `schema`: the engine's answer.
pub fn value_type(expression: &Expr, schema: &DFSchema) -> Result<DataType> {
    match expression {
        Expr::Negative(number) => value_type(number, schema),
        Expr::Case(case) => of_case(case, schema),
        Expr::BinaryExpr(part) => of_operators(part, schema),
        Expr::ScalarFunction(call) => match (of_call(call), call.args.first()) {
            (Some(known), _) => Ok(known),
            (None, Some(value)) if call.func.name() == NAMED_CAST => value_type(value, schema),
            _ => expression.get_type(schema),
        },
        other => other.get_type(schema),
    }
}

/// That of the first answer that is not a bare NULL.
fn of_case(case: &Case, schema: &DFSchema) -> Result<DataType> {
    let thens = case.when_then_expr.iter().map(|(_, then)| then);
    for answer in thens.chain(&case.else_expr) {
        let found = value_type(answer, schema)?;
        if !found.is_null() {
            return Ok(found);
        }
    }
    Ok(DataType::Null)
}

/// Operators that follow each other are gone through in a loop: there may be a thousand.
fn of_operators(part: &BinaryExpr, schema: &DFSchema) -> Result<DataType> {
    let mut operators = vec![part];
    let mut first = part.left.as_ref();
    while let Expr::BinaryExpr(part) = first {
        operators.push(part);
        first = part.left.as_ref();
    }
    operators.into_iter().rev().try_fold(value_type(first, schema)?, |left, part| {
        let right = value_type(&part.right, schema)?;
        BinaryTypeCoercer::new(&left, &part.op, &right).get_result_type()
    })
}

/// That of a call whose arguments have nothing to say in it.
fn of_call(call: &ScalarFunction) -> Option<DataType> {
    if let Some(counted) = whole_numbers::counted_in(&call.func) {
        return Some(counted);
    }
    match &call.func.signature().type_signature {
        // reason: a function that wants to know more than types says so by an error, and the engine asks it then
        TypeSignature::Exact(taken) => call.func.return_type(taken).ok(),
        _ => None,
    }
}
