//! What a policy function's parameters receive: columns of the opened table and constants, each fitted to its
//! parameter without loss.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, lit};
use weir_catalog::Literal;
use weir_catalog::effective::EffectiveColumn;

use super::Site;
use crate::error::Refusal;
use crate::inner_names::same_inner_names;
use crate::open_table::OpenedTable;

/// The column a policy is bound to: by field id where it has one, else by name; its type must be
/// what it was when the policy was set, with the same names for the fields inside it: a mask that
/// finds its field by name would stand on another one.
pub(super) fn find_column(
    site: &Site<'_>,
    column: &EffectiveColumn,
    opened: &OpenedTable,
    parse_type: fn(&str) -> Option<DataType>,
) -> Result<Arc<Field>, Refusal> {
    let schema: Arc<Schema> = opened.provider.schema();
    let same = |field: &&Arc<Field>| is_column(field, column, opened);
    // Nearly always as the table spells it; a wide table has a policy on each of its columns.
    let spelled = match column.field_id {
        Some(_) => None,
        None => schema.fields().iter().find(|field| *field.name() == column.name),
    };
    let field = spelled
        .or_else(|| schema.fields().iter().find(same))
        .ok_or_else(|| site.refusal(format!("column `{}` is not in the table", column.name)))?;
    // A column that was found by its tags has the type it has; the parameter decides whether it fits.
    let Some(bound) = &column.bound_type else { return Ok(Arc::clone(field)) };
    match parse_type(bound) {
        Some(bound) if is_type(&bound, field.data_type()) => Ok(Arc::clone(field)),
        _ => Err(site.refusal(format!("column `{}` has changed its type", column.name))),
    }
}

fn is_type(bound: &DataType, now: &DataType) -> bool {
    same_values(bound, now) && same_inner_names(bound, now)
}

fn is_column(field: &Field, column: &EffectiveColumn, opened: &OpenedTable) -> bool {
    match column.field_id {
        Some(id) => opened.field_ids.get(field.name()) == Some(&id),
        None => field.name().to_lowercase() == column.name.to_lowercase(),
    }
}

/// Whether what was opened has the column that a policy is bound to.
pub(super) fn holds_column(opened: &OpenedTable, column: &EffectiveColumn) -> bool {
    opened.provider.schema().fields().iter().any(|field| is_column(field, column, opened))
}

/// `value` of type `from` as `to`: the same, or wider without loss.
pub(super) fn fit(site: &Site<'_>, value: Expr, from: &DataType, to: &DataType) -> Result<Expr, Refusal> {
    if from == to {
        return Ok(value);
    }
    if same_values(from, to) || widens(from, to) {
        return Ok(cast(value, to.clone()));
    }
    Err(site.refusal(format!("a value of type {from} does not fit {to} without loss")))
}

/// Whether every value of `from` is a value of `to`, in another layout perhaps.
pub fn fits_without_loss(from: &DataType, to: &DataType) -> bool {
    same_values(from, to) || widens(from, to)
}

/// Types that hold the same values in another layout.
pub(super) fn same_values(left: &DataType, right: &DataType) -> bool {
    layout_free(left).equals_datatype(&layout_free(right))
}

/// The type without what is layout alone, at every depth.
fn layout_free(data_type: &DataType) -> DataType {
    let inner = |field: &Arc<Field>| {
        Arc::new(Field::new(field.name(), layout_free(field.data_type()), field.is_nullable()))
    };
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => layout_free(value),
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            DataType::List(inner(item))
        }
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        other => other.clone(),
    }
}

/// Whether every value of `from` is a value of `to`.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Null};
    let digits = |data_type: &DataType| match data_type {
        Int8 => Some(3),
        Int16 => Some(5),
        Int32 => Some(10),
        Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        (Null, _) | (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (Float32, Float64) | (Int8 | Int16, Float32) | (Int8 | Int16 | Int32, Float64) => true,
        (Decimal128(from, from_scale), Decimal128(to, to_scale)) => {
            from_scale <= to_scale
                && i16::from(*from) - i16::from(*from_scale) <= i16::from(*to) - i16::from(*to_scale)
        }
        (integer, Decimal128(precision, scale)) => {
            digits(integer).is_some_and(|digits| digits <= i16::from(*precision) - i16::from(*scale))
        }
        _ => false,
    }
}

pub(super) fn constant(site: &Site<'_>, literal: &Literal, wanted: &DataType) -> Result<Expr, Refusal> {
    let text = match literal {
        Literal::Null => return ScalarValue::try_from(wanted).map(lit_of).map_err(|_| unfit(site, wanted)),
        Literal::Boolean(value) => return fit(site, lit(*value), &DataType::Boolean, wanted),
        Literal::String(value) => return fit(site, lit(value.as_str()), &DataType::Utf8, wanted),
        Literal::Interval(text) => return interval(site, text, wanted),
        Literal::Number(text) => text,
    };
    if !wanted.is_numeric() {
        return Err(unfit(site, wanted));
    }
    ScalarValue::try_from_string(text.clone(), wanted).map(lit_of).map_err(|_| unfit(site, wanted))
}

fn lit_of(value: ScalarValue) -> Expr {
    Expr::Literal(value, None)
}

fn unfit(site: &Site<'_>, wanted: &DataType) -> Refusal {
    site.refusal(format!("a literal argument does not fit {wanted}"))
}

/// An interval as written after INTERVAL, e.g. `'3' DAY`.
fn interval(site: &Site<'_>, text: &str, wanted: &DataType) -> Result<Expr, Refusal> {
    if !matches!(wanted, DataType::Interval(_)) {
        return Err(unfit(site, wanted));
    }
    ScalarValue::try_from_string(text.replace('\'', ""), wanted).map(lit_of).map_err(|_| unfit(site, wanted))
}
