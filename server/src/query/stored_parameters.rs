//! Parameters of INSERT that are stored as they are: each is of the type of its column.
//!
//! `INSERT INTO t VALUES (?, ?)` says nothing of their types by itself, and drivers convert what they are given to the type that
//! they are told (JDBC refuses a number where it is told of a text). In the tree of the query such a parameter becomes one that is
//! cast to the column's type; whoever may not write to the table learns nothing of its columns.

use weir_catalog::{Privilege, SecurableId, Snapshot, authorize};

use crate::context::Context;
use crate::error::Result;
use crate::sql::ast::{self, CastKind, Expr, SelectItem, SetExpr, Value};
use crate::sql::{self, Insert};

/// The query of an INSERT with types for those of its parameters that are columns of the result.
pub(crate) fn typed(context: &Context, snapshot: &Snapshot, insert: &Insert) -> Result<ast::Query> {
    let mut query = insert.query.as_ref().clone();
    let name = insert.table.resolve(&context.session)?;
    let caller = context.identity().principal();
    let table = snapshot.table(&name).filter(|table| {
        authorize(snapshot, caller, Privilege::Insert, SecurableId::Table(table.id)).is_allowed()
    });
    let Some(table) = table else { return Ok(query) };
    let of_column = |name: &str| {
        let column = table.columns.iter().find(|column| column.name.to_lowercase() == name.to_lowercase());
        column.and_then(|column| cast_type(column.value_type()))
    };
    let types: Vec<Option<ast::DataType>> = match insert.columns.as_slice() {
        [] => table.columns.iter().map(|column| cast_type(column.value_type())).collect(),
        named => named.iter().map(|column| of_column(&column.value)).collect(),
    };
    give_types(&mut query.body, &types);
    Ok(query)
}

fn give_types(body: &mut SetExpr, types: &[Option<ast::DataType>]) {
    match body {
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                for (value, wanted) in row.iter_mut().zip(types) {
                    give_type(value, wanted.as_ref());
                }
            }
        }
        SetExpr::Select(select) => {
            for (item, wanted) in select.projection.iter_mut().zip(types) {
                if let SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } = item {
                    give_type(value, wanted.as_ref());
                }
            }
        }
        SetExpr::Query(query) => give_types(&mut query.body, types),
        SetExpr::SetOperation { left, right, .. } => {
            give_types(left, types);
            give_types(right, types);
        }
        _ => {}
    }
}

fn give_type(value: &mut Expr, wanted: Option<&ast::DataType>) {
    let Some(wanted) = wanted else { return };
    if matches!(value, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) {
        let parameter = std::mem::replace(value, Expr::value(Value::Null));
        *value = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(parameter),
            data_type: wanted.clone(),
            array: false,
            format: None,
        };
    }
}

/// A column's type in the tree. None for those with a STRUCT or MAP within: fields of other names would be taken by their place,
/// and the planner knows no MAP.
fn cast_type(text: &str) -> Option<ast::DataType> {
    let folded = text.to_uppercase();
    if ["STRUCT<", "MAP<"].iter().any(|nested| folded.contains(nested)) {
        return None;
    }
    match sql::parse_expression(&format!("CAST(NULL AS {text})")) {
        Ok(Expr::Cast { data_type, .. }) => Some(data_type),
        _ => None,
    }
}
