//! Questions about sqlparser's expressions that more than one statement asks.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Value, Visit, Visitor};

/// The placeholders that occur, as written after numbering (`$1`, `:name`).
pub fn placeholders(tree: &impl Visit) -> BTreeSet<String> {
    let mut found = Placeholders(BTreeSet::new());
    // The walk never breaks off.
    let ControlFlow::Continue(()) = tree.visit(&mut found);
    found.0
}

struct Placeholders(BTreeSet<String>);

impl Visitor for Placeholders {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Self::Break> {
        if let Expr::Value(value) = expression
            && let Value::Placeholder(name) = &value.value
        {
            self.0.insert(name.clone());
        }
        ControlFlow::Continue(())
    }
}
