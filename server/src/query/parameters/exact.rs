//! Values of parameters in the type that the statement takes: none becomes another value by that.
//!
//! A cast rounds and cuts without a word. `DELETE FROM t WHERE id = ?` with 2.7 for an INT would delete row 2, which nobody
//! named. So a value that its new type does not hold is refused: a fraction for a whole number, more digits than a DECIMAL has,
//! a time of day for a DATE, nanoseconds for a TIMESTAMP.
//!
//! * A FLOAT or DOUBLE takes the number nearest to the value, as it does of a literal; none becomes infinite or 0.
//! * A parameter that the statement itself casts, and one that is stored, follows the rule of casts and of stores.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, TimeUnit};

use crate::error::{Condition, Error, Result};
use crate::sql::types::{counts_time, text_of};

/// In the metadata of a parameter's field: the statement does nothing with it but cast it to that type.
const ONLY_CAST: &str = "weir:only_cast";

/// The digits of the widest decimals.
const DIGITS_MAX: u8 = 76;

/// The field of a parameter that the statement only casts.
pub(super) fn only_cast(field: Field) -> Field {
    field.with_metadata(HashMap::from([(ONLY_CAST.to_owned(), String::new())]))
}

/// `column`, values of parameter number `ordinal`, in the type of `field`.
pub(crate) fn read_as(column: &ArrayRef, field: &Field, ordinal: usize) -> Result<ArrayRef> {
    let (from, to) = (column.data_type(), field.data_type());
    if from == to {
        return Ok(Arc::clone(column));
    }
    let refused = || {
        let text = format!("the value of parameter {ordinal} is {from} and cannot be read as {to}");
        Error::new(Condition::DatatypeMismatch, text)
    };
    // A cast of these loses values without a word, or nobody can know what it should mean.
    if matches!(from, DataType::Union(..) | DataType::Duration(_)) || counts_time(plain(from), plain(to)) {
        return Err(refused());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let read = cast_with_options(column, to, &options).map_err(|cause| refused().caused_by(cause))?;
    if field.metadata().contains_key(ONLY_CAST) || holds(column, &read) {
        return Ok(read);
    }
    Err(another_value(plain(from), to, ordinal))
}

/// The refusal of a value that would become another one. Which it is, is not told: it may be a secret.
fn another_value(from: &DataType, to: &DataType, ordinal: usize) -> Error {
    let text = format!(
        "the value of parameter {ordinal} is {} and would be rounded or cut to {}, which the statement takes there",
        text_of(from),
        text_of(to)
    );
    let wider = match from.is_string() {
        true if to.is_decimal() => "DOUBLE".to_owned(),
        true => "TIMESTAMP".to_owned(),
        false => text_of(from),
    };
    Error::new(Condition::InvalidParameterValue, text)
        .with_hint(format!("cast the parameter: CAST(? AS {wider})"))
}

/// Whether the values that are `read` are those that are `given`.
fn holds(given: &ArrayRef, read: &ArrayRef) -> bool {
    let (from, to) = (plain(given.data_type()), read.data_type());
    let Some(witness) = witness(from, to) else { return true };
    // What cannot be compared is not known to be the same.
    let (Ok(given), Ok(read)) = (cast(given, &witness), cast(read, &witness)) else { return false };
    if witness.is_floating() {
        return match (to.is_floating(), scale_of(to)) {
            (true, _) => floats_agree(&given, &read, in_range),
            (false, Some(scale)) => {
                floats_agree(&given, &read, |given, read| is_decimal(given, read, from, scale))
            }
            (false, None) => floats_agree(&given, &read, |given, read| given == read),
        };
    }
    if witness.is_nested() {
        return given.as_ref() == read.as_ref();
    }
    match not_distinct(&given, &read) {
        // A text that its witness does not hold says nothing against it.
        Ok(same) => same.iter().enumerate().all(|(row, same)| given.is_null(row) || same == Some(true)),
        Err(_) => false,
    }
}

/// A type that tells values given as `from` and read as `to` apart: both are cast to it. None where nothing is lost.
fn witness(from: &DataType, to: &DataType) -> Option<DataType> {
    match (from, to) {
        (DataType::Null, _) => None,
        (
            _,
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Duration(_)
            | DataType::Interval(_),
        ) => None,
        (from, to) if to.is_floating() => from.is_numeric().then_some(DataType::Float64),
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, to) => witness_of_text(from, to),
        (DataType::Timestamp(unit, _), DataType::Timestamp(_, zone)) => {
            Some(DataType::Timestamp(*unit, zone.clone()))
        }
        _ => Some(from.clone()),
    }
}

/// The same for texts. What is not named here is read to the last character, or not at all.
fn witness_of_text(from: &DataType, to: &DataType) -> Option<DataType> {
    match to {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            // As many digits before the point, and all others after it.
            let more = i8::try_from(DIGITS_MAX.saturating_sub(*precision)).unwrap_or(0);
            Some(DataType::Decimal256(DIGITS_MAX, scale.saturating_add(more)))
        }
        DataType::Date32 | DataType::Date64 => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        DataType::Timestamp(_, zone) => Some(DataType::Timestamp(TimeUnit::Nanosecond, zone.clone())),
        to if to.is_nested() => Some(from.clone()),
        _ => None,
    }
}

/// The type of the values themselves.
fn plain(given: &DataType) -> &DataType {
    match given {
        DataType::Dictionary(_, value) => value,
        DataType::RunEndEncoded(_, value) => value.data_type(),
        other => other,
    }
}

fn scale_of(to: &DataType) -> Option<i8> {
    match to {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

fn floats_agree(given: &ArrayRef, read: &ArrayRef, agree: impl Fn(f64, f64) -> bool) -> bool {
    let (Ok(given), Ok(read)) = (cast(given, &DataType::Float64), cast(read, &DataType::Float64)) else {
        return false;
    };
    let (given, read) = (given.as_primitive::<Float64Type>(), read.as_primitive::<Float64Type>());
    given.iter().zip(read.iter()).all(|pair| match pair {
        (None, _) => true,
        (Some(given), Some(read)) => agree(given, read),
        (Some(_), None) => false,
    })
}

/// Whether the nearest number of a narrower type is one.
fn in_range(given: f64, read: f64) -> bool {
    given.is_finite() == read.is_finite() && (given == 0.0) == (read == 0.0)
}

/// Whether a decimal has all the digits of a floating-point number: those that it shows, or as many as its type can tell apart.
fn is_decimal(given: f64, read: f64, from: &DataType, scale: i8) -> bool {
    let (step, told_apart) = match from {
        DataType::Float16 => (9.765_625e-4, 1e3),
        DataType::Float32 => (f64::from(f32::EPSILON), 1e6),
        _ => (f64::EPSILON, 1e15),
    };
    let is_finer = || (given * 10_f64.powi(i32::from(scale))).abs() >= told_apart;
    given == read || (is_finer() && (given - read).abs() <= 2.0 * step * given.abs())
}

#[cfg(test)]
mod tests;
