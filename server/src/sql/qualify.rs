//! Writes the names of tables and functions in a tree out in three parts, so that stored text
//! (views, bodies of functions) means the same in every session.
//!
//! A CTE's name shadows a table only where the CTE is in scope: in the CTEs after it and in the
//! query it belongs to, subqueries included. Names of columns and of built-in functions stay as
//! they are.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName as SqlName, ObjectNamePart,
    Query, Spanned, TableFactor, Value, Visit, VisitMut, VisitorMut,
};
use weir_catalog::ObjectName;
use weir_enforce::TABLE_CHANGES;

use super::cursor::{position_of, unsupported};
use super::expression::placeholders;
use super::parse::{parse_expression, parse_query};
use super::reference::ObjectReference;
use super::types::quoted_path;
use crate::error::{Condition, Error, Result};
use crate::session::{SESSION_FUNCTIONS, SessionSettings};

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
    /// Every function it calls that is not built in, each once.
    pub calls: Vec<ObjectName>,
}

/// Where unqualified names are looked up, and which functions have one name everywhere.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The session that the text was written in.
    pub session: &'a SessionSettings,
    /// Whether a name of one part means a built-in function.
    pub is_builtin: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Qualifies a query, for a view.
pub fn query(query: &Query, within: Names<'_>) -> Result<Qualified<Query>> {
    let (tree, names, calls) = qualified(query.clone(), within)?;
    let text = tree.to_string();
    match parse_query(&text) {
        Ok(read) if *read == tree => Ok(Qualified { tree, text, names, calls }),
        _ => Err(unstorable()),
    }
}

/// Qualifies an expression, for a function's body.
pub fn expression(expression: &Expr, within: Names<'_>) -> Result<Qualified<Expr>> {
    let (tree, names, calls) = qualified(expression.clone(), within)?;
    let text = tree.to_string();
    match parse_expression(&text) {
        Ok(read) if read == tree => Ok(Qualified { tree, text, names, calls }),
        _ => Err(unstorable()),
    }
}

/// What cannot be written down so that it reads back the same.
fn unstorable() -> Error {
    unsupported("storing this expression").with_hint("write it in another way")
}

fn qualified<T: Visit + VisitMut>(
    mut tree: T,
    within: Names<'_>,
) -> Result<(T, Vec<ObjectName>, Vec<ObjectName>)> {
    let mut walk = Walk { within, scopes: Vec::new(), names: Vec::new(), calls: Vec::new() };
    if let ControlFlow::Break(error) = VisitMut::visit(&mut tree, &mut walk) {
        return Err(error);
    }
    if !placeholders(&tree).is_empty() {
        return Err(Error::new(Condition::InvalidStatement, "text that is stored cannot have parameters"));
    }
    Ok((tree, walk.names, walk.calls))
}

/// One query on the way down: its CTEs, and how many of them are in scope by now.
struct Scope {
    ctes: Vec<Ident>,
    visible: usize,
}

struct Walk<'a> {
    within: Names<'a>,
    scopes: Vec<Scope>,
    names: Vec<ObjectName>,
    calls: Vec<ObjectName>,
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
        let full = self.whole(name)?;
        if !self.names.contains(&full) {
            self.names.push(full);
        }
        Ok(())
    }

    fn function(&mut self, name: &mut SqlName) -> Result<()> {
        if let [ObjectNamePart::Identifier(ident)] = name.0.as_slice()
            && (self.within.is_builtin)(&ident.value)
        {
            if SESSION_FUNCTIONS.contains(&ident.value.to_lowercase().as_str()) {
                let what = format!("{}() in a text that is stored", ident.value.to_lowercase());
                let hint = "it would mean another thing for each caller; write the name";
                return Err(unsupported(&what).with_hint(hint).at(position_of(name.span().start)));
            }
            return Ok(());
        }
        let full = self.whole(name)?;
        if !self.calls.contains(&full) {
            self.calls.push(full);
        }
        Ok(())
    }

    /// A call in FROM.
    fn rows(&mut self, name: &mut SqlName, arguments: &mut [FunctionArg]) -> Result<()> {
        match is_changes(name) {
            true => self.changed(arguments),
            false => self.function(name),
        }
    }

    /// The table that `table_changes` names in its first argument.
    fn changed(&mut self, arguments: &mut [FunctionArg]) -> Result<()> {
        // What is no name of a table is refused where the call is planned.
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(written)))) = arguments.first_mut()
        else {
            return Ok(());
        };
        let Value::SingleQuotedString(text) = &written.value else { return Ok(()) };
        let parts = match parse_expression(text) {
            Ok(Expr::Identifier(part)) => vec![part.value],
            Ok(Expr::CompoundIdentifier(parts)) => parts.into_iter().map(|part| part.value).collect(),
            _ => return Ok(()),
        };
        let full = ObjectReference::from_parts(&parts, None)?.resolve(self.within.session)?;
        let parts = [&full.catalog, &full.schema, &full.object].map(|part| part.as_str());
        written.value = Value::SingleQuotedString(quoted_path(parts));
        if !self.names.contains(&full) {
            self.names.push(full);
        }
        Ok(())
    }

    /// Writes `name` out in three parts.
    fn whole(&self, name: &mut SqlName) -> Result<ObjectName> {
        let position = position_of(name.span().start);
        let parts: Vec<String> =
            name.0.iter().filter_map(|part| part.as_ident().map(|ident| ident.value.clone())).collect();
        let full = ObjectReference::from_parts(&parts, position)?.resolve(self.within.session)?;
        let idents =
            [&full.catalog, &full.schema, &full.object].map(|part| Ident::with_quote('`', part.as_str()));
        *name = SqlName::from(idents.to_vec());
        Ok(full)
    }
}

/// Whether that is the function whose argument names a table.
fn is_changes(name: &SqlName) -> bool {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(part)] => part.value.eq_ignore_ascii_case(TABLE_CHANGES),
        _ => false,
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
        let put = match factor {
            TableFactor::Table { name, args: Some(args), .. } => self.rows(name, &mut args.args),
            TableFactor::Function { name, args, .. } => self.rows(name, args),
            TableFactor::TableFunction { expr: Expr::Function(call), .. } => match &mut call.args {
                // The name is met as a call's.
                FunctionArguments::List(list) if is_changes(&call.name) => self.changed(&mut list.args),
                _ => Ok(()),
            },
            TableFactor::Table { name, .. } => self.table(name),
            _ => Ok(()),
        };
        match put {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(call) = expression else { return ControlFlow::Continue(()) };
        match self.function(&mut call.name) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
