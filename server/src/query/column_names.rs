//! How the columns of a result are called: as the reference calls them, not as the planner does.
//!
//! An alias keeps its spelling; a column or a field of a struct gives its own last name
//! (`identity_metadata.run_as` is `run_as`); `*` gives the tables' spelling; any other
//! expression its text.

use std::collections::{HashMap, HashSet};

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};

/// Names of the `planned` columns of `query`. `spelling` tells how tables spell their columns.
pub fn column_names(query: &Query, planned: &[String], spelling: &HashMap<String, String>) -> Vec<String> {
    let spelled = |name: &String| spelling.get(name).unwrap_or(name).clone();
    let fallback = || planned.iter().map(spelled).collect::<Vec<_>>();
    let Some(items) = first_select(&query.body) else {
        return fallback();
    };
    let wildcards = items.iter().filter(|item| is_wildcard(item)).count();
    let named = items.len() - wildcards;
    if wildcards > 1 || (wildcards == 0 && named != planned.len()) || named > planned.len() {
        return fallback();
    }
    let mut names = Vec::with_capacity(planned.len());
    let mut rest = planned.iter();
    for item in items {
        match own_name(item) {
            Some(name) => {
                rest.next();
                names.push(name);
            }
            None => names.extend(rest.by_ref().take(planned.len() - named).map(spelled)),
        }
    }
    names
}

/// Gives expressions that the outermost SELECT names twice distinct names for the planner, which
/// takes each once; [`column_names`] gives them their own names back.
pub fn tell_apart(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut known = HashSet::new();
    for (position, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expression) = item
            && !known.insert(expression.to_string())
        {
            let alias = Ident::new(format!("{expression} #{position}"));
            *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
        }
    }
}

fn first_select(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::SetOperation { left, .. } => first_select(left),
        SetExpr::Query(query) => first_select(&query.body),
        _ => None,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn own_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(expression) => Some(name_of(expression)),
        SelectItem::ExprWithAliases { .. } | SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
            None
        }
    }
}

fn name_of(expression: &Expr) -> String {
    match expression {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(idents) => {
            idents.last().map(|ident| ident.value.clone()).unwrap_or_else(|| expression.to_string())
        }
        Expr::Nested(inner) => name_of(inner),
        other => other.to_string(),
    }
}
