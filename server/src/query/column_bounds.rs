//! How many expressions a SELECT may list: the planner compares each column of a result with all others, and has no way to stop
//! midway.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{GroupByExpr, OrderBy, OrderByKind, Query, Select, Visit, Visitor};

use crate::error::{Condition, Error, Result};

/// The most expressions of one list, of columns, of GROUP BY or of ORDER BY.
const LISTED_MAX: usize = 10_000;

/// Refuses a query in which a list is too long.
pub(super) fn check_columns(query: &Query) -> Result<()> {
    match query.visit(&mut Lists) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(list) => {
            let text = format!("{list} has more than {LISTED_MAX} expressions");
            Err(Error::new(Condition::ResourceExhausted, text)
                .with_hint("take the columns in several statements"))
        }
    }
}

struct Lists;

impl Visitor for Lists {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        match &query.order_by {
            Some(OrderBy { kind: OrderByKind::Expressions(listed), .. }) => {
                bounded("an ORDER BY", listed.len())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        bounded("a SELECT", select.projection.len())?;
        match &select.group_by {
            GroupByExpr::Expressions(listed, _) => bounded("a GROUP BY", listed.len()),
            GroupByExpr::All(_) => ControlFlow::Continue(()),
        }
    }
}

fn bounded(list: &'static str, listed: usize) -> ControlFlow<&'static str> {
    if listed > LISTED_MAX { ControlFlow::Break(list) } else { ControlFlow::Continue(()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;
    use crate::sql::parse_query;

    #[test]
    fn long_lists_are_refused_wherever_they_stand() {
        let listed = |count: usize| vec!["a"; count].join(", ");
        for text in [
            format!("SELECT {} FROM t", listed(LISTED_MAX)),
            format!("SELECT a FROM t GROUP BY {}", listed(LISTED_MAX)),
        ] {
            check_columns(&parse_query(&text).unwrap()).unwrap();
        }
        for (text, list) in [
            (format!("SELECT {} FROM t", listed(LISTED_MAX + 1)), "a SELECT"),
            (format!("SELECT a FROM (SELECT {} FROM t) s", listed(LISTED_MAX + 1)), "a SELECT"),
            (format!("SELECT a FROM t WHERE EXISTS (SELECT {})", listed(LISTED_MAX + 1)), "a SELECT"),
            (format!("SELECT a FROM t GROUP BY {}", listed(LISTED_MAX + 1)), "a GROUP BY"),
            (format!("SELECT a FROM t ORDER BY {}", listed(LISTED_MAX + 1)), "an ORDER BY"),
        ] {
            let refused = check_columns(&parse_query(&text).unwrap()).unwrap_err();
            assert_eq!(refused.condition(), Condition::ResourceExhausted);
            assert!(refused.to_string().contains(list), "{refused}");
        }
    }
}
