//! Casts between numbers and moments: the number is one of seconds since the beginning of 1970, with fractions where its type has
//! some. The engine counts microseconds in one direction and seconds in the other.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, cast, lit};

use crate::spans;
use crate::value_type::value_type;

/// Seconds to the microsecond. More digits before the point than any moment needs, so that a product with a million still fits.
const SECONDS: DataType = DataType::Decimal128(24, 6);
/// All microseconds that a moment can have.
const MICROS: DataType = DataType::Decimal128(19, 0);

/// Whether a cast to that type may be one between moments and numbers.
pub(super) fn met_by(to: &DataType) -> bool {
    matches!(to, DataType::Timestamp(..)) || to.is_numeric()
}

/// What is cast to `to` by `as_type`, and whether it is another expression than before.
pub(super) fn written(
    value: Box<Expr>,
    to: &DataType,
    schema: &DFSchema,
    as_type: fn(Expr, DataType) -> Expr,
) -> (Box<Expr>, bool) {
    // reason: a parameter has no type yet, and takes the one it is cast to
    let Ok(from) = value_type(&value, schema) else { return (value, false) };
    let whole = |value: Expr| as_type(value, DataType::Int64);
    let written = match (&from, to) {
        (from, DataType::Timestamp(TimeUnit::Microsecond, zone)) if from.is_integer() => {
            let seconds = DataType::Timestamp(TimeUnit::Second, zone.clone());
            as_type(whole(*value), seconds)
        }
        (from, DataType::Timestamp(TimeUnit::Microsecond, _)) if from.is_decimal() => {
            spans::moment(whole(as_type(*value, SECONDS) * million()))
        }
        (from, DataType::Timestamp(TimeUnit::Microsecond, _)) if from.is_floating() => {
            spans::moment(whole(spans::nearest_micros(as_type(*value, DataType::Float64))))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), to) if to.is_decimal() => {
            cast(spans::micros(*value), MICROS) * millionth()
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), to) if to.is_floating() => {
            cast(spans::micros(*value), DataType::Float64) / lit(1e6_f64)
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), to) if to.is_integer() => spans::seconds(*value),
        _ => return (value, false),
    };
    (Box::new(written), true)
}

fn million() -> Expr {
    lit(ScalarValue::Decimal128(Some(1_000_000), 7, 0))
}

fn millionth() -> Expr {
    lit(ScalarValue::Decimal128(Some(1), 6, 6))
}
