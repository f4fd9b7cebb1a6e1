//! Identifiers are case-insensitive, in backticks too: every name of a syntax tree is folded to
//! lower case before planning, as every table's columns are. How names look in the result is
//! [`super::column_names`]'s business. What the planner takes for another thing than the dialect is put right on the way
//! ([`super::text_casts`], [`super::date_patterns`], [`super::spark_calls`], [`super::standard_forms`], [`super::rounding`]).

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, Statement, TableAlias, TableFactor,
    TableWithJoins, UnaryOperator, Value, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::{date_patterns, rounding, spark_calls, standard_forms, text_casts};
use crate::error::{Error, Result};

/// Folds every identifier of `statement`. Fails on a cast that is not to be had.
pub fn fold_statement(statement: &mut Statement) -> Result<()> {
    fold_tree(statement)
}

/// Folds every identifier of `expression`. Fails on a cast that is not to be had.
pub fn fold_expression(expression: &mut Expr) -> Result<()> {
    fold_tree(expression)
}

fn fold_tree(tree: &mut impl VisitMut) -> Result<()> {
    match tree.visit(&mut Folder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

struct Folder;

fn fold(ident: &mut Ident) {
    if ident.value.chars().any(char::is_uppercase) {
        ident.value = ident.value.to_lowercase();
    }
}

fn fold_name(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(ident) = part {
            fold(ident);
        }
    }
}

fn fold_alias(alias: &mut TableAlias) {
    fold(&mut alias.name);
    alias.columns.iter_mut().for_each(|column| fold(&mut column.name));
}

fn fold_wildcard(options: &mut WildcardAdditionalOptions) {
    if let Some(except) = &mut options.opt_except {
        fold(&mut except.first_element);
        except.additional_elements.iter_mut().for_each(fold);
    }
    match &mut options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => fold_name(name),
        Some(ExcludeSelectItem::Multiple(names)) => names.iter_mut().for_each(fold_name),
        None => {}
    }
}

impl VisitorMut for Folder {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        standard_forms::of_query(query);
        if let Some(with) = &mut query.with {
            with.cte_tables.iter_mut().for_each(|cte| fold_alias(&mut cte.alias));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let Select { projection, from, .. } = &mut *select;
        for item in projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => fold(alias),
                SelectItem::ExprWithAliases { aliases, .. } => aliases.iter_mut().for_each(fold),
                SelectItem::UnnamedExpr(_) => {}
                SelectItem::Wildcard(options) => fold_wildcard(options),
                SelectItem::QualifiedWildcard(kind, options) => {
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        in_full(name, from);
                        fold_name(name);
                    }
                    fold_wildcard(options);
                }
            }
        }
        for window in &mut select.named_window {
            fold(&mut window.0);
        }
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let Some(JoinConstraint::Using(names)) = constraint_of(&mut join.join_operator) {
                names.iter_mut().for_each(fold_name);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        name_apart(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Error> {
        fold_name(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::UNNEST { alias, .. } => {
                if let Some(alias) = alias {
                    fold_alias(alias);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        if let Some(refusal) = text_casts::refusal(expression) {
            return ControlFlow::Break(refusal);
        }
        match expression {
            Expr::Identifier(ident) => fold(ident),
            Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(fold),
            Expr::QualifiedWildcard(name, _) => fold_name(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        text_casts::cut(expression);
        as_match(expression);
        rounding::by_row(expression);
        standard_forms::with_backslash(expression);
        match spark_calls::tell(expression).and_then(|()| date_patterns::translate(expression)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }
}

/// Names the second of two expressions that have become one, as `lcase(s)` has beside `lower(s)`: the planner takes each once.
fn name_apart(select: &mut Select) {
    if select.projection.len() < 2 {
        return;
    }
    let mut known = HashSet::new();
    for (position, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expression) = item else { continue };
        if matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            continue;
        }
        let text = expression.to_string();
        if !known.insert(text.clone()) {
            let alias = Ident::new(format!("{text} #{position}"));
            *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
        }
    }
}

/// RLIKE and REGEXP by the operator for them that the planner knows. That operator compiles each pattern of a batch and keeps all, so
/// that patterns that are no constants are given to a function, which does so with a few at a time.
fn as_match(expression: &mut Expr) {
    let taken = |side: &mut Box<Expr>| std::mem::replace(side, Box::new(Expr::value(Value::Null)));
    if let Expr::RLike { negated, expr, pattern, .. } = expression {
        let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
        *expression = Expr::BinaryOp { left: taken(expr), op, right: taken(pattern) };
    }
    let Expr::BinaryOp { left, op, right } = expression else { return };
    let (negated, any_case) = match op {
        BinaryOperator::PGRegexMatch => (false, false),
        BinaryOperator::PGRegexIMatch => (false, true),
        BinaryOperator::PGRegexNotMatch => (true, false),
        BinaryOperator::PGRegexNotIMatch => (true, true),
        _ => return,
    };
    if matches!(**right, Expr::Value(_)) {
        return;
    }
    let mut args = vec![*taken(left), *taken(right)];
    args.extend(any_case.then(|| Expr::value(Value::SingleQuotedString("i".to_owned()))));
    let found = text_casts::call("regexp_like", args);
    *expression = match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) },
        false => found,
    };
}

/// The end of a table's name before `.*` becomes the whole name, as the planner wants it, where it is that of one table without
/// an alias and of nothing else in FROM.
fn in_full(name: &mut ObjectName, from: &[TableWithJoins]) {
    let written = in_lower_case(name);
    let relations = from
        .iter()
        .flat_map(|part| std::iter::once(&part.relation).chain(part.joins.iter().map(|join| &join.relation)));
    let mut meant = relations.filter_map(|relation| match relation {
        TableFactor::Table { name, alias: None, version: None, .. } => {
            in_lower_case(name).ends_with(&written).then_some(Some(name))
        }
        // A table of the past is called by the last part alone.
        TableFactor::Table { name, alias: None, .. } => {
            in_lower_case(name).ends_with(&written).then_some(None)
        }
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::NestedJoin { alias: Some(alias), .. } => {
            (written == [alias.name.value.to_lowercase()]).then_some(None)
        }
        _ => None,
    });
    if let (Some(Some(full)), None) = (meant.next(), meant.next()) {
        *name = full.clone();
    }
}

fn in_lower_case(name: &ObjectName) -> Vec<String> {
    let idents = name.0.iter().filter_map(ObjectNamePart::as_ident);
    idents.map(|ident| ident.value.to_lowercase()).collect()
}

/// The condition of a join.
pub(super) fn constraint_of(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}
