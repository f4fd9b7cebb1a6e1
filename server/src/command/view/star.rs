//! Views whose query gives columns by `*` and that name them otherwise.
//!
//! Which columns `*` gives, and in which order, changes with the tables. So the view's names stand, in the text that is stored,
//! beside the names that the columns have when the view is made.

use std::collections::HashSet;

use weir_catalog::Column;

use crate::error::{Condition, Error, Result};
use crate::sql::ast::{Expr, Ident, Query, SelectItem, SetExpr};
use crate::sql::types::quoted;
use crate::sql::{ViewColumn, parse_query};

/// Whether the first SELECT, after which a query's columns are called, has a `*`.
pub(super) fn gives_columns(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))),
        SetExpr::SetOperation { left, .. } => gives_columns(left),
        SetExpr::Query(query) => gives_columns(&query.body),
        SetExpr::Table(_) => true,
        _ => false,
    }
}

/// Gives each expression beside `*` that has no name its text as its name, by which it can be found.
pub(super) fn name_the_others(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => select.projection.iter_mut().for_each(name_item),
        SetExpr::SetOperation { left, .. } => name_the_others(left),
        SetExpr::Query(query) => name_the_others(&mut query.body),
        _ => {}
    }
}

fn name_item(item: &mut SelectItem) {
    let SelectItem::UnnamedExpr(expression) = item else { return };
    let name = match expression {
        Expr::Identifier(_) => return,
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| ident.value.clone()),
        _ => None,
    };
    let name = name.unwrap_or_else(|| expression.to_string());
    *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias: Ident::with_quote('`', name) };
}

/// The query with its columns, which are `own`, under the names that are `written`.
pub(super) fn renamed(query: &Query, own: &[Column], written: &[ViewColumn]) -> Result<Box<Query>> {
    let mut known = HashSet::new();
    if let Some(twice) = own.iter().find(|column| !known.insert(column.name.to_lowercase())) {
        let message = format!("two columns of the query have the name `{}`", twice.name);
        return Err(Error::new(Condition::ColumnAlreadyExists, message)
            .with_hint("in a view that gives its columns other names, name them one by one in place of *"));
    }
    let columns = own.iter().zip(written);
    let columns: Vec<String> =
        columns.map(|(own, written)| format!("{} AS {}", quoted(&own.name), quoted(&written.name))).collect();
    parse_query(&format!("SELECT {} FROM ({query}) AS `view`", columns.join(", ")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    fn bound(query: &str, own: &[&str], written: &[&str]) -> Result<String> {
        let mut query = parse_query(query)?;
        assert!(gives_columns(&query.body));
        name_the_others(&mut query.body);
        let own: Vec<Column> = own.iter().map(|name| Column::new(*name, "INT")).collect();
        let written: Vec<ViewColumn> = written
            .iter()
            .map(|name| ViewColumn { name: (*name).to_owned(), comment: None, mask: None })
            .collect();
        Ok(renamed(&query, &own, &written)?.to_string())
    }

    #[test]
    fn names_of_a_view_are_bound_to_the_names_that_a_star_gives() {
        let text = bound("SELECT * FROM t", &["a", "order"], &["x", "select"]).unwrap();
        assert_eq!(text, "SELECT a AS x, `order` AS `select` FROM (SELECT * FROM t) AS `view`");
        let text =
            bound("SELECT t.a, *, b + 1 FROM t UNION SELECT 1, 2, 3", &["a", "b", "b + 1"], &["x", "y", "z"]);
        assert_eq!(
            text.unwrap(),
            "SELECT a AS x, b AS y, `b + 1` AS z FROM (SELECT t.a AS `a`, *, b + 1 AS `b + 1` FROM t UNION SELECT 1, 2, 3) AS `view`"
        );
    }

    #[test]
    fn names_that_a_star_gives_twice_cannot_be_told_apart() {
        let error = bound("SELECT * FROM t JOIN u", &["id", "ID"], &["x", "y"]).unwrap_err();
        assert_eq!(error.condition(), Condition::ColumnAlreadyExists);
        assert!(!gives_columns(&parse_query("SELECT a FROM (SELECT * FROM t) t").unwrap().body));
    }
}
