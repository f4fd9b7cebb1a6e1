//! Masks of fields within struct columns: the struct is built again around what is masked.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::logical_expr::{Expr, cast, lit, when};
use weir_catalog::Table;
use weir_catalog::effective::EffectiveMask;

use super::{Bound, Site};
use crate::error::{PolicyKind, Refusal};
use crate::open_table::OpenedTable;

/// The type at the end of the path; the column's own where there is none.
pub(super) fn field_at(site: &Site<'_>, column: &Field, path: &[String]) -> Result<DataType, Refusal> {
    let mut data_type = column.data_type().clone();
    for name in path {
        let DataType::Struct(fields) = &data_type else {
            let reason = format!("`{name}` is not a field: masks reach into structs, not into {data_type}");
            return Err(site.refusal(reason));
        };
        let found = fields.iter().find(|field| same(field.name(), name));
        let found = found.ok_or_else(|| {
            site.refusal(format!("column `{}` has no field `{}`", column.name(), path.join(".")))
        })?;
        data_type = found.data_type().clone();
    }
    Ok(data_type)
}

/// The raw value at the end of the path.
pub(super) fn value_at(column: &Field, path: &[String]) -> Expr {
    let mut value = Expr::Column(Column::new_unqualified(column.name()));
    let mut data_type = column.data_type();
    for name in path {
        let found = match data_type {
            DataType::Struct(fields) => fields.iter().find(|field| same(field.name(), name)),
            _ => None,
        };
        // As the struct spells it.
        value = get_field(value, found.map_or(name.as_str(), |field| field.name().as_str()));
        data_type = found.map_or(data_type, |field| field.data_type());
    }
    value
}

fn same(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

/// The masks of one column as one mask of the whole column. Refuses masks of which one covers another.
pub(super) fn whole(
    table: &Table,
    opened: &OpenedTable,
    column: &str,
    mut masks: Vec<(&EffectiveMask, Bound)>,
    relation: String,
) -> Result<Bound> {
    let site =
        Site { table, function: format!("on column `{column}`"), kind: PolicyKind::ColumnMask, relation };
    if masks.len() == 1
        && masks.iter().all(|(mask, _)| mask.path.is_empty())
        && let Some((_, bound)) = masks.pop()
    {
        return Ok(bound);
    }
    for (at, (mask, _)) in masks.iter().enumerate() {
        let covers =
            |other: &EffectiveMask| mask.path.iter().zip(&other.path).all(|(left, right)| same(left, right));
        if masks.iter().skip(at + 1).any(|(other, _)| covers(other)) {
            return Err(site
                .refusal(format!("column `{column}` has two masks of which one covers the other"))
                .into());
        }
    }
    let schema = opened.provider.schema();
    let field = schema.fields().iter().find(|field| same(field.name(), column)).cloned();
    let field: Arc<Field> =
        field.ok_or_else(|| site.refusal(format!("column `{column}` is not in the table")))?;
    // The raw struct is an argument too: what is not masked comes from it.
    let raw = format!("{}:value", site.relation);
    let relation = TableReference::bare(site.relation.clone());
    let mut arguments = vec![
        Expr::Column(Column::new_unqualified(field.name()))
            .alias_qualified(Some(relation.clone()), raw.clone()),
    ];
    let mut parts: Vec<(Vec<String>, Expr)> = Vec::new();
    for (mask, bound) in masks {
        arguments.extend(bound.arguments);
        parts.push((mask.path.iter().map(|name| name.to_lowercase()).collect(), bound.expression));
    }
    let value = Expr::Column(Column::new(Some(relation), raw));
    let expression = rebuilt(value, field.data_type(), &[], &parts)?;
    Ok(Bound { arguments, expression })
}

/// `value`, at `path` of the column, with the masked parts in their places; NULL stays NULL.
fn rebuilt(
    value: Expr,
    data_type: &DataType,
    path: &[String],
    parts: &[(Vec<String>, Expr)],
) -> Result<Expr> {
    if let Some((_, masked)) = parts.iter().find(|(at, _)| at == path) {
        return Ok(masked.clone());
    }
    let DataType::Struct(fields) = data_type else { return Ok(value) };
    if !parts.iter().any(|(at, _)| at.starts_with(path)) {
        return Ok(value);
    }
    let mut pairs = Vec::new();
    for field in fields {
        let mut inner = path.to_vec();
        inner.push(field.name().to_lowercase());
        pairs.push(lit(field.name().as_str()));
        pairs.push(rebuilt(
            get_field(value.clone(), field.name().as_str()),
            field.data_type(),
            &inner,
            parts,
        )?);
    }
    let null = Expr::Literal(ScalarValue::try_from(data_type)?, None);
    when(value.is_null(), null).otherwise(cast(named_struct(pairs), data_type.clone()))
}
