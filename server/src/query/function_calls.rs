//! Clauses of a function call that its kind of function has no use for, which the engine would
//! drop without a word: DISTINCT, FILTER, ORDER BY, OVER and the like on scalar functions.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArgumentClause, FunctionArguments, Spanned, Visit, Visitor,
};

use super::spark_calls;
use super::text_casts::refusal;
use crate::error::{Condition, Error, Position, Result};

/// Refuses calls in `tree` with clauses that their function does not take, and casts whose length nothing would hold to.
pub fn check_calls(tree: &impl Visit, state: &SessionState) -> Result<()> {
    match tree.visit(&mut Calls { state }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Calls<'a> {
    state: &'a SessionState,
}

impl Visitor for Calls<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        if let Some(refusal) = refusal(expression) {
            return ControlFlow::Break(refusal);
        }
        let Expr::Function(call) = expression else { return ControlFlow::Continue(()) };
        let name = call.name.to_string().replace('`', "").to_lowercase();
        let folds = self.state.aggregate_functions().contains_key(&name)
            || self.state.window_functions().contains_key(&name)
            || spark_calls::folds(&name);
        match clause_of(call) {
            Some(clause) if !folds => {
                let start = call.span().start;
                let position = Position { line: start.line, column: start.column };
                let text = format!("{clause} in a call of `{name}`, which is no aggregate function,");
                ControlFlow::Break(
                    Error::new(Condition::UnsupportedFeature, format!("{text} is not supported"))
                        .at(Some(position)),
                )
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// The first clause of a call that only aggregate and window functions take.
fn clause_of(call: &Function) -> Option<&'static str> {
    if call.over.is_some() {
        return Some("OVER");
    }
    if call.filter.is_some() {
        return Some("FILTER");
    }
    if !call.within_group.is_empty() {
        return Some("WITHIN GROUP");
    }
    if call.null_treatment.is_some() {
        return Some("IGNORE or RESPECT NULLS");
    }
    let FunctionArguments::List(list) = &call.args else { return None };
    if list.duplicate_treatment.is_some() {
        return Some("DISTINCT or ALL");
    }
    list.clauses.iter().find_map(|clause| match clause {
        FunctionArgumentClause::OrderBy(_) => Some("ORDER BY"),
        FunctionArgumentClause::Limit(_) => Some("LIMIT"),
        FunctionArgumentClause::IgnoreOrRespectNulls(_) => Some("IGNORE or RESPECT NULLS"),
        _ => None,
    })
}
