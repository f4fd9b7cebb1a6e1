//! Writes the table names of a tree out in three parts, so that stored text (views, bodies of
//! functions) means the same in every session.
//!
//! A CTE's name shadows a table only where the CTE is in scope: in the CTEs after it and in the
//! query it belongs to, subqueries included. Names of columns and functions stay as they are.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName as SqlName, ObjectNamePart, Query, Spanned, TableFactor, Visit, VisitMut,
    VisitorMut,
};
use weir_catalog::ObjectName;

use super::cursor::{position_of, unsupported};
use super::expression::placeholders;
use super::parse::{parse_expression, parse_query};
use super::reference::ObjectReference;
use crate::error::{Condition, Error, Result};
use crate::session::SessionSettings;

#[cfg(test)]
mod tests;

/// A tree whose table names are whole, its text, and those names in the order they occur.
#[derive(Debug, Clone, PartialEq)]
pub struct Qualified<T> {
    /// The tree.
    pub tree: T,
    /// The text to store; it reads back as the tree.
    pub text: String,
    /// Every table it names, each once.
    pub names: Vec<ObjectName>,
}

/// Qualifies a query, for a view.
pub fn query(query: &Query, session: &SessionSettings) -> Result<Qualified<Query>> {
    let (tree, names) = qualified(query.clone(), session)?;
    let text = tree.to_string();
    match parse_query(&text) {
        Ok(read) if *read == tree => Ok(Qualified { tree, text, names }),
        _ => Err(unstorable()),
    }
}

/// Qualifies an expression, for a function's body.
pub fn expression(expression: &Expr, session: &SessionSettings) -> Result<Qualified<Expr>> {
    let (tree, names) = qualified(expression.clone(), session)?;
    let text = tree.to_string();
    match parse_expression(&text) {
        Ok(read) if read == tree => Ok(Qualified { tree, text, names }),
        _ => Err(unstorable()),
    }
}

/// What cannot be written down so that it reads back the same.
fn unstorable() -> Error {
    unsupported("storing this expression").with_hint("write it in another way")
}

fn qualified<T: Visit + VisitMut>(mut tree: T, session: &SessionSettings) -> Result<(T, Vec<ObjectName>)> {
    let mut walk = Walk { session, scopes: Vec::new(), names: Vec::new() };
    if let ControlFlow::Break(error) = VisitMut::visit(&mut tree, &mut walk) {
        return Err(error);
    }
    if !placeholders(&tree).is_empty() {
        return Err(Error::new(Condition::InvalidStatement, "text that is stored cannot have parameters"));
    }
    Ok((tree, walk.names))
}

/// One query on the way down: its CTEs, and how many of them are in scope by now.
struct Scope {
    ctes: Vec<Ident>,
    visible: usize,
}

struct Walk<'a> {
    session: &'a SessionSettings,
    scopes: Vec<Scope>,
    names: Vec<ObjectName>,
}

impl Walk<'_> {
    /// The CTE that a one-part name means here.
    fn cte(&self, name: &Ident) -> Option<&Ident> {
        let same = |cte: &&Ident| cte.value.to_lowercase() == name.value.to_lowercase();
        self.scopes.iter().rev().find_map(|scope| scope.ctes.iter().take(scope.visible).rev().find(same))
    }

    fn table(&mut self, name: &mut SqlName) -> Result<()> {
        if let [ObjectNamePart::Identifier(ident)] = name.0.as_slice()
            && let Some(cte) = self.cte(ident)
        {
            *name = SqlName(vec![ObjectNamePart::Identifier(cte.clone())]);
            return Ok(());
        }
        let position = position_of(name.span().start);
        let parts: Vec<String> =
            name.0.iter().filter_map(|part| part.as_ident().map(|ident| ident.value.clone())).collect();
        let full = ObjectReference::from_parts(&parts, position)?.resolve(self.session)?;
        let idents =
            [&full.catalog, &full.schema, &full.object].map(|part| Ident::with_quote('`', part.as_str()));
        *name = SqlName::from(idents.to_vec());
        if !self.names.contains(&full) {
            self.names.push(full);
        }
        Ok(())
    }
}

impl VisitorMut for Walk<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        // A query's CTEs are visited before its body, each being one inner query: the first is
        // visited with none in scope, the second with the first, the body with all.
        let ctes: Vec<Ident> =
            query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.clone()).collect();
        self.scopes.push(Scope { ctes, visible: 0 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.scopes.pop();
        if let Some(scope) = self.scopes.last_mut() {
            scope.visible = (scope.visible + 1).min(scope.ctes.len());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, .. } = factor else { return ControlFlow::Continue(()) };
        match self.table(name) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
