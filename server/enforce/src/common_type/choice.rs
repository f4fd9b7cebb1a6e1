//! The one type that values of several types become: chosen here where the engine would choose one that does not hold them, or
//! would choose after what stands around them was planned.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{Expr, cast};

use crate::spans;
use crate::value_type::value_type;

/// How the text of a refusal begins.
pub const NO_COMMON_TYPE: &str = "no common type: ";

/// What becomes of texts that meet moments.
#[derive(Clone, Copy)]
enum Texts {
    /// They are compared: a text says which moment it is.
    AreRead,
    /// They are given beside each other: all become texts, which the engine sees to.
    StayTexts,
}

/// The one type of values that are compared; none where that is left to the engine.
pub(super) fn compared<'a>(
    values: impl IntoIterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> Result<Option<DataType>> {
    compared_types(&types(values, schema))
}

/// The same of values that have these types.
pub(super) fn compared_types(types: &[DataType]) -> Result<Option<DataType>> {
    common(types, Texts::AreRead)
}

/// The one type of values of which a call gives one; none where that is left to the engine.
pub(super) fn given<'a>(
    values: impl IntoIterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> Result<Option<DataType>> {
    common(&types(values, schema), Texts::StayTexts)
}

/// The one type of what a CASE answers; none where that is left to the engine.
pub(super) fn answered<'a>(
    values: impl IntoIterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> Result<Option<DataType>> {
    let mut types = types(values, schema);
    types.retain(|found| !found.is_null());
    answered_types(&types)
}

/// The same of a CASE or a column of UNION whose answers have these types. The engine takes the type of the first one for that of all
/// until it brings them together, and arithmetic is written before.
pub(super) fn answered_types(types: &[DataType]) -> Result<Option<DataType>> {
    let common = common(types, Texts::StayTexts)?;
    Ok(common.or_else(|| engines(types)))
}

/// The type that the engine will choose where numbers, or columns of nothing but NULL, stand beside something else.
fn engines(types: &[DataType]) -> Option<DataType> {
    let (first, others) = types.split_first()?;
    let differ = others.iter().any(|other| other != first);
    if !differ || !types.iter().any(|found| found.is_numeric() || found.is_null()) {
        return None;
    }
    others.iter().try_fold(first.clone(), |common, other| type_union_coercion(&common, other))
}

fn types<'a>(values: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Vec<DataType> {
    // reason: a parameter has no type yet, and takes that of the others
    values.into_iter().filter_map(|value| value_type(value, schema).ok()).collect()
}

fn common(types: &[DataType], texts: Texts) -> Result<Option<DataType>> {
    if let Some(counted) = types.iter().find(|found| found.is_temporal())
        && types.iter().any(DataType::is_numeric)
    {
        let named = named(counted);
        return plan_err!("{NO_COMMON_TYPE}a number stands beside {named}, and nothing says what it counts");
    }
    let (mut floating, mut decimal) = (false, false);
    let (mut moment, mut nanoseconds, mut zone) = (false, false, None);
    let (mut date, mut text) = (false, false);
    let (mut interval, mut duration) = (false, false);
    for found in types {
        interval |= matches!(found, DataType::Interval(_));
        duration |= matches!(found, DataType::Duration(_));
        floating |= found.is_floating();
        decimal |= found.is_decimal();
        date |= matches!(found, DataType::Date32 | DataType::Date64);
        text |= found.is_string();
        if let DataType::Timestamp(unit, of) = found {
            moment = true;
            nanoseconds |= *unit == TimeUnit::Nanosecond;
            zone = zone.or_else(|| of.clone());
        }
    }
    let other = match texts {
        Texts::AreRead => date || text,
        Texts::StayTexts => date && !text,
    };
    if floating && decimal {
        return Ok(Some(DataType::Float64));
    }
    let is_compared = matches!(texts, Texts::AreRead);
    if interval && !text && (duration || is_compared) {
        return Ok(Some(spans::LENGTH));
    }
    let moments = moment && other && !nanoseconds;
    Ok(moments.then_some(DataType::Timestamp(TimeUnit::Microsecond, zone)))
}

/// The name of a type that tells of time.
fn named(found: &DataType) -> &'static str {
    match found {
        DataType::Date32 | DataType::Date64 => "a DATE",
        DataType::Timestamp(..) => "a TIMESTAMP",
        DataType::Interval(_) | DataType::Duration(_) => "an INTERVAL",
        _ => "a time of day",
    }
}

/// A value of another type in the common one.
pub(super) fn brought(value: Expr, found: &DataType, common: &DataType) -> Expr {
    match (found, common) {
        (DataType::Interval(_), DataType::Duration(_)) => spans::length(value),
        _ => cast(value, common.clone()),
    }
}

/// Whether a value of that type is cast to the common one.
pub(super) fn becomes(found: &DataType, common: &DataType) -> bool {
    match common {
        // What becomes of a text beside numbers is the engine's business.
        DataType::Float64 => found.is_numeric() && found != common,
        _ => found != common && !found.is_null(),
    }
}

/// The values in the common type.
pub(super) fn all_as_common(values: Vec<Expr>, common: Option<&DataType>, schema: &DFSchema) -> Vec<Expr> {
    values.into_iter().map(|value| as_common(value, common, schema)).collect()
}

/// The value in the common type, where there is one and it has another.
pub(super) fn as_common(value: Expr, common: Option<&DataType>, schema: &DFSchema) -> Expr {
    let Some(common) = common else { return value };
    match value_type(&value, schema) {
        Ok(found) if becomes(&found, common) => brought(value, &found, common),
        _ => value,
    }
}
