//! How deep a CASE may lie within calls and operators that lie within a CASE.
//!
//! The engine asks such a CASE twice for what it gives, its type and whether that may be NULL, and each of the two asks all that lies
//! within: every such level doubles what a statement takes to plan, and planning has no way to stop midway. CASE directly within
//! CASE, as IF … ELSE IF comes to, does not count.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Visit, Visitor};

use crate::error::{Condition, Error, Result};

/// The most levels. Eight take some tenths of a second in a program that is not optimised, each further one twice as much.
const LEVELS_MAX: usize = 8;

/// Refuses a statement, or an expression, in which there are more.
pub(crate) fn check_cases(part: &impl Visit) -> Result<()> {
    match part.visit(&mut Cases::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            let text =
                format!("CASE within calls or operators within CASE, more than {LEVELS_MAX} levels of it");
            Err(Error::new(Condition::ResourceExhausted, text)
                .with_hint("compute what lies within in a subquery, and name it"))
        }
    }
}

#[derive(Default)]
struct Cases {
    /// The expressions around, but for brackets.
    around: Vec<Around>,
    levels: usize,
}

struct Around {
    is_case: bool,
    /// Whether a level begins with it.
    begins: bool,
}

impl Visitor for Cases {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if matches!(expression, Expr::Nested(_)) {
            return ControlFlow::Continue(());
        }
        let is_case = matches!(expression, Expr::Case { .. });
        let begins = is_case
            && self.around.last().is_some_and(|next| !next.is_case)
            && self.around.iter().any(|outer| outer.is_case);
        self.levels += usize::from(begins);
        self.around.push(Around { is_case, begins });
        if self.levels > LEVELS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if !matches!(expression, Expr::Nested(_))
            && let Some(left) = self.around.pop()
        {
            self.levels -= usize::from(left.begins);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;
    use crate::sql::parse_query;

    fn checked(levels: usize, begin: &str, end: &str) -> Result<()> {
        check_cases(
            &*parse_query(&format!("SELECT {}a{} FROM t", begin.repeat(levels), end.repeat(levels))).unwrap(),
        )
    }

    #[test]
    fn levels_that_double_are_bounded_and_others_are_not() {
        for (begin, end) in [
            ("(CASE WHEN b > 0 THEN ", " ELSE 1 END + 1)"),
            ("abs(CASE WHEN b > 0 THEN ", " ELSE 1 END)"),
            ("CAST(CASE WHEN b > 0 THEN ", " ELSE 1 END AS INT)"),
            ("CASE WHEN ", " IS NULL THEN 1 END"),
        ] {
            checked(LEVELS_MAX, begin, end).unwrap();
            let refused = checked(LEVELS_MAX + 2, begin, end).unwrap_err();
            assert_eq!(refused.condition(), Condition::ResourceExhausted, "{begin}");
        }
        checked(20, "(CASE WHEN b > 0 THEN 1 ELSE ", " END)").unwrap();
        checked(20, "(1 + ", ")").unwrap();
    }
}
