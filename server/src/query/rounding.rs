//! `round`, `ceil` and `floor` of decimals, whose results have one type from when they are planned until they run.
//!
//! The engine takes the type of `round(d, n)` from `n` where that is a constant, and from `d` where it is not, or is one only
//! once it was simplified: a number that was written becomes INT, and is none for a while. What was planned with one type then
//! runs with another, and joins and comparisons find nothing. So a number that is written stays the BIGINT it is, and is a
//! constant throughout; whatever else says how many places are wanted is cast to INT on the syntax tree ([`by_row`]), and is none
//! throughout.
//!
//! `ceil` and `floor` of a DECIMAL(p, s) are a DECIMAL(p - s + 1, 0), as in Spark: the engine's have the type of what they are
//! given, which 10 does not fit where 9.5 does.

use std::sync::Arc;

use arrow::array::{AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, UnaryOperator, Value,
};

use super::spark_calls::as_int;

/// The engine's function, with one type, where it is one of these.
pub(super) fn of_one_type(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match function.name() {
        "round" => {
            let signature = Signature::user_defined(Volatility::Immutable);
            Arc::new(ScalarUDF::new_from_impl(Round { round: function, signature }))
        }
        "ceil" => Arc::new(ScalarUDF::new_from_impl(Whole { function, up: true })),
        "floor" => Arc::new(ScalarUDF::new_from_impl(Whole { function, up: false })),
        _ => function,
    }
}

/// Casts the number of places of `round` to INT, where it is not written as a number.
pub(super) fn by_row(expression: &mut Expr) {
    let Expr::Function(call) = expression else { return };
    let [ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else { return };
    if !name.value.eq_ignore_ascii_case("round") {
        return;
    }
    let FunctionArguments::List(list) = &mut call.args else { return };
    if let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(places))] = list.args.as_mut_slice()
        && !is_number(places)
    {
        *places = as_int(std::mem::replace(places, Expr::value(Value::Null)));
    }
}

fn is_number(places: &Expr) -> bool {
    match places {
        Expr::Value(value) => {
            matches!(&value.value, Value::Number(number, _) if number.parse::<i32>().is_ok())
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            matches!(&**expr, Expr::Value(_)) && is_number(expr)
        }
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    round: Arc<ScalarUDF>,
    signature: Signature,
}

impl Round {
    /// The fields as the engine's function takes them.
    fn taken(&self, fields: &[FieldRef]) -> Result<Vec<FieldRef>> {
        let as_taken = |(place, field): (usize, &FieldRef)| match place {
            1 if field.data_type() == &DataType::Int64 => {
                Arc::new(Field::new(field.name(), DataType::Int32, field.is_nullable()))
            }
            _ => Arc::clone(field),
        };
        let fields: Vec<FieldRef> = fields.iter().enumerate().map(as_taken).collect();
        fields_with_udf(&fields, self.round.as_ref())
    }
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        self.round.name()
    }

    fn aliases(&self) -> &[String] {
        self.round.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn is_strict(&self) -> bool {
        self.round.is_strict()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.is_empty() {
            return plan_err!("round takes a number, and how many places it is to have");
        }
        let fields = types.iter().map(|found| Arc::new(Field::new("", found.clone(), true)));
        let fields = self.taken(&fields.collect::<Vec<_>>())?;
        let mut taken: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        if let ([_, DataType::Int64], [_, places]) = (types, taken.as_mut_slice()) {
            *places = DataType::Int64;
        }
        Ok(taken)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.round.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let fields = self.taken(arguments.arg_fields)?;
        let written = matches!(arguments.arg_fields, [_, places] if places.data_type() == &DataType::Int64);
        let known = arguments.scalar_arguments.iter().enumerate();
        let known: Vec<Option<&ScalarValue>> =
            known.map(|(place, value)| value.filter(|_| place != 1 || written)).collect();
        self.round.return_field_from_args(ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &known })
    }

    fn invoke_with_args(&self, mut call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        call.arg_fields = self.taken(&call.arg_fields)?;
        if let [_, places] = call.args.as_mut_slice() {
            *places = places.cast_to(&DataType::Int32, None)?;
        }
        self.round.invoke_with_args(call)
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.round.output_ordering(input)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Whole {
    function: Arc<ScalarUDF>,
    up: bool,
}

/// The type of what is whole of a decimal with digits behind the point.
fn whole_type(found: &DataType) -> Option<(u8, i8)> {
    match found {
        DataType::Decimal128(precision, scale) if *scale > 0 => {
            let whole = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1);
            Some((whole, *scale))
        }
        _ => None,
    }
}

impl ScalarUDFImpl for Whole {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn is_strict(&self) -> bool {
        self.function.is_strict()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first().and_then(whole_type) {
            Some((precision, _)) => Ok(DataType::Decimal128(precision, 0)),
            None => self.function.return_type(types),
        }
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(argument) = call.args.first() else { return exec_err!("{} takes a number", self.name()) };
        let Some((precision, scale)) = whole_type(&argument.data_type()) else {
            return self.function.invoke_with_args(call);
        };
        let constant = matches!(argument, ColumnarValue::Scalar(_));
        let values = argument.to_array(if constant { 1 } else { call.number_rows })?;
        let one = 10_i128.pow(u32::from(scale.unsigned_abs()));
        let whole = |value: i128| {
            let below = value.div_euclid(one);
            if self.up && value.rem_euclid(one) != 0 { below + 1 } else { below }
        };
        let wholes: PrimitiveArray<Decimal128Type> = values.as_primitive::<Decimal128Type>().unary(whole);
        let wholes = wholes.with_precision_and_scale(precision, 0)?;
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&wholes, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(wholes))),
        }
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.function.output_ordering(input)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use datafusion::common::config::ConfigOptions;
    use datafusion::execution::SessionStateDefaults;

    use super::*;

    fn named(name: &str) -> Arc<ScalarUDF> {
        let functions = SessionStateDefaults::default_scalar_functions();
        of_one_type(functions.into_iter().find(|function| function.name() == name).unwrap())
    }

    fn field(data_type: DataType) -> FieldRef {
        Arc::new(Field::new("", data_type, true))
    }

    #[test]
    fn places_that_are_written_tell_the_type_and_others_do_not() {
        let round = named("round");
        let type_of = |places: DataType, value: ScalarValue| {
            let fields = [field(DataType::Decimal128(10, 2)), field(places)];
            let arguments = ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &[None, Some(&value)] };
            round.return_field_from_args(arguments).unwrap().data_type().clone()
        };
        let one = || ScalarValue::Int64(Some(1));
        assert_eq!(type_of(DataType::Int64, one()), DataType::Decimal128(10, 1));
        let one = ScalarValue::Int32(Some(1));
        assert_eq!(type_of(DataType::Int32, one), DataType::Decimal128(11, 2));
        let types = [DataType::Decimal128(10, 2), DataType::Int64];
        assert_eq!(round.coerce_types(&types).unwrap(), types);
    }

    #[test]
    fn whole_decimals_have_room_for_a_digit() {
        for (name, value, whole) in [("ceil", 95, 10), ("ceil", -95, -9), ("floor", -5, -1), ("floor", 95, 9)]
        {
            let value = ScalarValue::Decimal128(Some(value), 2, 1);
            let fields = [field(value.data_type())];
            let function = named(name);
            let arguments = ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &[None] };
            let return_field = function.return_field_from_args(arguments).unwrap();
            let told = function.invoke_with_args(ScalarFunctionArgs {
                args: vec![ColumnarValue::Scalar(value)],
                arg_fields: fields.to_vec(),
                number_rows: 1,
                return_field,
                config_options: Arc::new(ConfigOptions::default()),
            });
            let told = told.unwrap().into_array(1).unwrap();
            let told = ScalarValue::try_from_array(&told, 0).unwrap();
            assert_eq!(told, ScalarValue::Decimal128(Some(whole), 2, 0), "{name}");
        }
    }

    #[test]
    fn places_that_are_not_written_are_told_by_the_row() {
        for (written, told) in [
            ("round(d, 1)", "round(d, 1)"),
            ("round(d, -1)", "round(d, -1)"),
            ("round(d, n)", "round(d, CAST(n AS INT))"),
            ("round(d, 1 + 1)", "round(d, CAST(1 + 1 AS INT))"),
            ("round(d)", "round(d)"),
        ] {
            let mut expression = crate::sql::parse_expression(written).unwrap();
            by_row(&mut expression);
            assert_eq!(expression.to_string(), told);
        }
    }
}
