//! Sums, differences, products and remainders of whole numbers: one that its type does not hold is an error.
//!
//! The engine goes round instead: 9223372036854775807 + 1 would be the smallest number there is, in a result and in a table. So
//! the operators are written as calls, which look. Those of decimals look by themselves. What the operators stand between has its
//! last type by then: `common_type` goes from the inside out, and brings the answers of a CASE to one type first.

use std::any::Any;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric::{add, mul, rem, sub};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, cast, lit,
};
use datafusion::physical_expr_common::datum::apply;

use crate::value_type::value_type;

/// Whether [`checked`] may write `part` anew.
pub(crate) fn counts(part: &Expr) -> bool {
    match part {
        Expr::BinaryExpr(part) => Arithmetic::of(part.op).is_some(),
        Expr::Negative(_) => true,
        _ => false,
    }
}

/// `part` as a call that looks, where it is an operator over whole numbers.
pub(crate) fn checked(part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match part {
        Expr::BinaryExpr(part) => match (Arithmetic::of(part.op), common(&part, schema)) {
            (Some(arithmetic), Some(common)) => {
                let [left, right] = [*part.left, *part.right].map(|side| as_type(side, &common, schema));
                Transformed::yes(chain(left, arithmetic, right, common))
            }
            _ => Transformed::no(Expr::BinaryExpr(part)),
        },
        Expr::Negative(number) => match type_of(&number, schema) {
            Some(own) if own.is_signed_integer() => {
                let zero = as_type(lit(0_i8), &own, schema);
                Transformed::yes(chain(zero, Arithmetic::Subtract, *number, own))
            }
            _ => Transformed::no(Expr::Negative(number)),
        },
        other => Transformed::no(other),
    }
}

/// One operator more. Operators that follow each other are one call: a call within a call for each of a thousand would take more
/// stack than there is.
fn chain(left: Expr, arithmetic: Arithmetic, right: Expr, common: DataType) -> Expr {
    let (mut operators, mut args) = match left {
        Expr::ScalarFunction(call) => match chain_of(&call.func).filter(|chain| chain.data_type == common) {
            Some(chain) => (chain.operators.clone(), call.args),
            None => (Vec::new(), vec![Expr::ScalarFunction(call)]),
        },
        left => (Vec::new(), vec![left]),
    };
    operators.push(arithmetic);
    args.push(right);
    let func = Arc::new(ScalarUDF::new_from_impl(Chain::new(operators, common)));
    Expr::ScalarFunction(ScalarFunction { func, args })
}

fn chain_of(function: &ScalarUDF) -> Option<&Chain> {
    let function: &dyn Any = function.inner().as_ref();
    function.downcast_ref()
}

/// The type in which a call counts, if it is one that [`checked`] has written.
pub(crate) fn counted_in(function: &ScalarUDF) -> Option<DataType> {
    chain_of(function).map(|chain| chain.data_type.clone())
}

/// The type in which the engine would count, where it is one of whole numbers.
fn common(part: &BinaryExpr, schema: &DFSchema) -> Option<DataType> {
    // Of a long chain the right side is the short one.
    let right = type_of(&part.right, schema)?;
    if right.is_floating() || right.is_decimal() {
        return None;
    }
    let left = type_of(&part.left, schema)?;
    if !left.is_integer() && !right.is_integer() {
        return None;
    }
    match BinaryTypeCoercer::new(&left, &part.op, &right).get_input_types() {
        // Numbers of rows have no sign, and their difference may have one.
        Ok((left, right)) if left == right && left.is_unsigned_integer() => Some(DataType::Int64),
        Ok((left, right)) if left == right && left.is_integer() => Some(left),
        // Other numbers, or what the engine refuses.
        _ => None,
    }
}

fn type_of(side: &Expr, schema: &DFSchema) -> Option<DataType> {
    // reason: a parameter may have no type yet, and is left to the engine
    value_type(side, schema).ok()
}

fn as_type(side: Expr, common: &DataType, schema: &DFSchema) -> Expr {
    if type_of(&side, schema).as_ref() == Some(common) {
        return side;
    }
    match side {
        Expr::Literal(value, metadata) => match value.cast_to(common) {
            Ok(value) => Expr::Literal(value, metadata),
            Err(_) => cast(Expr::Literal(value, metadata), common.clone()),
        },
        side => cast(side, common.clone()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// It overflows nowhere; it is here so that a call is not cut in two by it.
    Modulo,
}

impl Arithmetic {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            Operator::Modulo => Some(Self::Modulo),
            _ => None,
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Modulo => '%',
        }
    }

    fn of_sides(self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Add => add(left, right),
            Self::Subtract => sub(left, right),
            Self::Multiply => mul(left, right),
            Self::Modulo => rem(left, right),
        }
    }
}

/// Numbers of one type with an operator between each two, from left to right.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Chain {
    name: String,
    operators: Vec<Arithmetic>,
    data_type: DataType,
    signature: Signature,
}

impl Chain {
    fn new(operators: Vec<Arithmetic>, data_type: DataType) -> Self {
        let name = operators.iter().map(|operator| operator.sign()).collect();
        Self { name, operators, data_type, signature: Signature::variadic_any(Volatility::Immutable) }
    }

    fn apply(
        &self,
        arithmetic: Arithmetic,
        left: &ColumnarValue,
        right: &ColumnarValue,
    ) -> Result<ColumnarValue> {
        apply(left, right, |left, right| {
            arithmetic.of_sides(left, right).map_err(|failure| match failure {
                // The engine's text has the numbers in it.
                ArrowError::ArithmeticOverflow(_) => {
                    let own = name_of(&self.data_type);
                    ArrowError::ArithmeticOverflow(format!("a result is out of the range of {own}"))
                }
                other => other,
            })
        })
    }
}

impl ScalarUDFImpl for Chain {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.data_type.clone(), nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut numbers = arguments.args.into_iter();
        let Some(first) = numbers.next() else {
            return internal_err!("`{}` has no numbers", self.name());
        };
        self.operators
            .iter()
            .zip(numbers)
            .try_fold(first, |left, (arithmetic, right)| self.apply(*arithmetic, &left, &right))
    }
}

fn name_of(whole: &DataType) -> &'static str {
    match whole {
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        _ => "BIGINT",
    }
}
