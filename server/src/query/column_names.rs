//! How the columns of a result are called: as the reference calls them, not as the planner does.
//!
//! An alias keeps its spelling; a column or a field of a struct gives its own last name
//! (`identity_metadata.run_as` is `run_as`); `*` gives the tables' spelling; any other
//! expression its text.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, Query, Select, SelectItem, SetExpr, Visit, Visitor,
};

use super::fold::constraint_of;

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

/// Gives expressions that an outermost SELECT names twice distinct names for the planner, which
/// takes each once, and so the columns of either side beside the one that stands for both in a join by names;
/// [`column_names`] gives them their own names back.
pub fn tell_apart(query: &mut Query) {
    tell_apart_in(&mut query.body);
}

fn tell_apart_in(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => tell_items_apart(select),
        SetExpr::Query(query) => tell_apart_in(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            tell_apart_in(left);
            tell_apart_in(right);
        }
        _ => {}
    }
}

fn tell_items_apart(select: &mut Select) {
    let of_both = names_of_both(select);
    let mut known = HashSet::new();
    for (position, item) in select.projection.iter_mut().enumerate() {
        match item {
            SelectItem::UnnamedExpr(expression)
                if !known.insert(as_planned(expression))
                    || is_of_either(expression, of_both.as_ref())
                    || asks(expression) =>
            {
                let alias = Ident::new(format!("{expression} #{position}"));
                *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
            }
            // One value under one name, whichever of them is meant.
            SelectItem::ExprWithAlias { expr, alias } if !known.insert(format!("{expr} AS {alias}")) => {
                alias.value = format!("{} #{position}", alias.value);
            }
            _ => {}
        }
    }
}

/// Whether there is a subquery in an expression: the planner leaves out in its name what is asked.
fn asks(expression: &Expr) -> bool {
    struct Asking;
    impl Visitor for Asking {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expression.visit(&mut Asking).is_break()
}

/// What the planner tells expressions apart by: without brackets, and constants without their types.
fn as_planned(expression: &Expr) -> String {
    match expression {
        Expr::Nested(inner) => as_planned(inner),
        Expr::Cast { expr, .. } if matches!(**expr, Expr::Value(_)) => expr.to_string(),
        other => other.to_string().to_lowercase(),
    }
}

/// Names by themselves in a SELECT over tables that are joined by the names of columns.
struct OfBoth {
    /// In lower case.
    names: HashSet<String>,
    /// Whether `*` gives them all.
    all: bool,
}

fn names_of_both(select: &mut Select) -> Option<OfBoth> {
    let mut joins = select.from.iter_mut().flat_map(|from| &mut from.joins);
    let by_names = joins.any(|join| {
        let constraint = constraint_of(&mut join.join_operator);
        matches!(constraint, Some(JoinConstraint::Using(_) | JoinConstraint::Natural))
    });
    if !by_names {
        return None;
    }
    let name = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident.value.to_lowercase()),
        _ => None,
    };
    let names = select.projection.iter().filter_map(name).collect();
    let all = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    Some(OfBoth { names, all })
}

/// Whether an expression is a column of one side that has the name of one of both.
fn is_of_either(expression: &Expr, of_both: Option<&OfBoth>) -> bool {
    let (Expr::CompoundIdentifier(idents), Some(of_both)) = (expression, of_both) else { return false };
    let last = idents.last().map(|ident| ident.value.to_lowercase());
    of_both.all || last.is_some_and(|last| of_both.names.contains(&last))
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
