//! Which column of a view's query each column of the view is.
//!
//! A text that names its columns one by one gives each its place, whatever becomes of the tables below. `*` does not: a table
//! can be given more columns, or the same ones in another order. What `*` gives is found by its name, and is of the type that
//! it had when the view was made; else a column, and the policies on it, would stand over the values of another.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::Column;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Query, SelectItem, SetExpr};
use weir_catalog::Table;

use crate::resolver::Scope;

const UNKNOWN: &str = "the query does not have one column of each name that the view has";

/// The columns of `plan`, which is that of `query`, in the order of the columns of the view.
pub(super) fn in_order(
    scope: &Scope,
    query: &Query,
    plan: &LogicalPlan,
    table: &Table,
) -> Result<Vec<Column>> {
    let planned = plan.schema().columns();
    let Some(around) = around_stars(&query.body, planned.len()) else {
        return match planned.len() == table.columns.len() {
            true => Ok(planned),
            false => Err(unfit("the query has another number of columns than the view")),
        };
    };
    let found = found(table, &planned, around)?;
    check_types(scope, plan, table, &found)?;
    let places = found.before.chain(found.named).chain(found.after);
    places.map(|place| planned.get(place).cloned().ok_or_else(|| unfit(UNKNOWN))).collect()
}

/// How many columns the first SELECT names one by one before all that `*` gives, and how many after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Around {
    before: usize,
    after: usize,
}

/// `None` where the text names each of the `planned` columns.
fn around_stars(body: &SetExpr, planned: usize) -> Option<Around> {
    let items = match body {
        SetExpr::Select(select) => &select.projection,
        SetExpr::SetOperation { left, .. } => return around_stars(left, planned),
        SetExpr::Query(query) => return around_stars(&query.body, planned),
        SetExpr::Values(_) => return None,
        _ => return Some(Around { before: 0, after: 0 }),
    };
    let is_one =
        |item: &&SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    let before = items.iter().take_while(is_one).count();
    if before == items.len() && before == planned {
        return None;
    }
    // A struct that is taken apart is as many columns as it has fields.
    let spreads = |item: &SelectItem| item.to_string().to_lowercase().contains("unnest(");
    if before == items.len() || items.iter().any(spreads) {
        return Some(Around { before: 0, after: 0 });
    }
    Some(Around { before, after: items.iter().rev().take_while(is_one).count() })
}

/// Places in the query, for the view's columns from the first to the last.
#[derive(Debug, Clone)]
struct Found {
    before: std::ops::Range<usize>,
    named: Vec<usize>,
    after: std::ops::Range<usize>,
}

/// Each column that `*` gives to the view by its name, which must be there once. Those that came later are in no view.
fn found(table: &Table, planned: &[Column], around: Around) -> Result<Found> {
    let unknown = || unfit(UNKNOWN);
    let Around { before, after } = around;
    let end = planned.len().checked_sub(after).ok_or_else(unknown)?;
    let given = planned.get(before..end).ok_or_else(unknown)?;
    let mut places: HashMap<String, Option<usize>> = HashMap::new();
    for (place, column) in given.iter().enumerate() {
        places
            .entry(column.name.to_lowercase())
            .and_modify(|known| *known = None)
            .or_insert(Some(before + place));
    }
    let stars = table.columns.len().checked_sub(after).and_then(|end| table.columns.get(before..end));
    // A `*` gave one column at least.
    let named = stars
        .filter(|columns| !columns.is_empty())
        .ok_or_else(unknown)?
        .iter()
        .map(|column| places.get(&column.name.to_lowercase()).copied().flatten().ok_or_else(unknown))
        .collect::<Result<Vec<_>>>()?;
    Ok(Found { before: 0..before, named, after: end..planned.len() })
}

/// Refuses what `*` gives of another type than the view has. Types that follow from the others in an expression or a UNION
/// are told by the analyser alone.
fn check_types(scope: &Scope, plan: &LogicalPlan, table: &Table, found: &Found) -> Result<()> {
    if fits(scope, plan, table, found) {
        return Ok(());
    }
    let state = scope.state();
    let typed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
    match fits(scope, &typed, table, found) {
        true => Ok(()),
        false => Err(unfit("a column of the query has another type than in the view")),
    }
}

fn fits(scope: &Scope, plan: &LogicalPlan, table: &Table, found: &Found) -> bool {
    let (fields, columns) = (plan.schema().fields(), table.columns.iter().skip(found.before.len()));
    found.named.iter().zip(columns).all(|(place, column)| {
        // Types without a name in SQL (VOID) have nothing to compare.
        let Some(known) = (scope.sources().parse_type)(column.value_type()) else { return true };
        fields.get(*place).is_some_and(|field| is_written(&known, field.data_type()))
    })
}

/// Whether `planned` is written in SQL as `known` is: layout, units of time and NULLs inside aside.
fn is_written(known: &DataType, planned: &DataType) -> bool {
    let same = |known: &Arc<Field>, planned: &Arc<Field>| is_written(known.data_type(), planned.data_type());
    match (known, planned) {
        (known, DataType::Dictionary(_, planned)) => is_written(known, planned),
        (known, DataType::RunEndEncoded(_, planned)) => is_written(known, planned.data_type()),
        (DataType::Struct(known), DataType::Struct(planned)) => {
            known.len() == planned.len()
                && known.iter().zip(planned).all(|(known, planned)| {
                    known.name().to_lowercase() == planned.name().to_lowercase() && same(known, planned)
                })
        }
        (DataType::Map(known, _), DataType::Map(planned, _)) => are_entries(known, planned),
        (
            DataType::List(known),
            DataType::List(planned)
            | DataType::LargeList(planned)
            | DataType::ListView(planned)
            | DataType::LargeListView(planned)
            | DataType::FixedSizeList(planned, _),
        ) => same(known, planned),
        (known, planned) => plain(known) == plain(planned),
    }
}

/// Keys and values, whatever they are called.
fn are_entries(known: &Field, planned: &Field) -> bool {
    match (known.data_type(), planned.data_type()) {
        (DataType::Struct(known), DataType::Struct(planned)) => {
            let same = |(known, planned): (&Arc<Field>, &Arc<Field>)| {
                is_written(known.data_type(), planned.data_type())
            };
            known.len() == planned.len() && known.iter().zip(planned).all(same)
        }
        _ => false,
    }
}

/// The one type that stands for all that are written as this one is. Numbers without a sign are stored with one.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| Arc::from("UTC")))
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal256(precision, scale) => DataType::Decimal128(*precision, *scale),
        other => other.clone(),
    }
}

fn unfit(detail: &str) -> DataFusionError {
    DataFusionError::Plan(detail.to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests;
