//! Forms of the SQL standard that the planner does not take, as those that it does: MINUS is EXCEPT, FETCH FIRST n ROWS is
//! LIMIT n, and another character than a backslash behind ESCAPE is a backslash in the pattern.

use datafusion::sql::sqlparser::ast::{Expr, LimitClause, Query, SetExpr, SetOperator, Value, ValueWithSpan};

/// MINUS and FETCH of a query, nothing of the queries within it. What FETCH cannot say so was refused.
pub(super) fn of_query(query: &mut Query) {
    // Set operations lean to the left.
    let mut pending = vec![query.body.as_mut()];
    while let Some(body) = pending.pop() {
        if let SetExpr::SetOperation { op, left, right, .. } = body {
            if *op == SetOperator::Minus {
                *op = SetOperator::Except;
            }
            pending.extend([left.as_mut(), right.as_mut()]);
        }
    }
    let rows = match &query.fetch {
        Some(fetch) if !fetch.with_ties && !fetch.percent => match &fetch.quantity {
            Some(rows) => rows.clone(),
            None => Expr::value(Value::Number("1".to_owned(), false)),
        },
        _ => return,
    };
    match &mut query.limit_clause {
        None => {
            let clause = LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() };
            query.limit_clause = Some(clause);
        }
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
        // Left to the planner, which refuses it.
        Some(_) => return,
    }
    query.fetch = None;
}

/// A pattern of LIKE in which another character stands before those that mean themselves. Patterns that are not written are left
/// to the engine, which refuses them.
pub(super) fn with_backslash(expression: &mut Expr) {
    let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expression
    else {
        return;
    };
    let Some(ValueWithSpan { value: Value::SingleQuotedString(written), .. }) = &*escape_char else { return };
    let mut characters = written.chars();
    let (Some(mark), None) = (characters.next(), characters.next()) else { return };
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = pattern.as_mut() else {
        return;
    };
    if mark == '\\' {
        return;
    }
    if let Some(translated) = in_backslashes(text, mark) {
        *text = translated;
        *escape_char = None;
    }
}

/// The pattern with backslashes in the places of `mark`; none where that stands before a character which has no meaning.
fn in_backslashes(pattern: &str, mark: char) -> Option<String> {
    let mut written = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let (itself, character) = match character {
            found if found == mark => match characters.next() {
                Some(next) if next == mark || matches!(next, '%' | '_') => (true, next),
                _ => return None,
            },
            other => (other == '\\', other),
        };
        if itself && matches!(character, '%' | '_' | '\\') {
            written.push('\\');
        }
        written.push(character);
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;
    use crate::sql;

    #[test]
    fn patterns_have_backslashes() {
        for (pattern, mark, written) in [
            ("5!%", '!', Some(r"5\%")),
            ("a!!b!_%", '!', Some(r"a!b\_%")),
            (r"c:\x%", '#', Some(r"c:\\x%")),
            ("100%%", '%', Some(r"100\%")),
            ("a!b", '!', None),
            ("a!", '!', None),
        ] {
            assert_eq!(in_backslashes(pattern, mark).as_deref(), written, "{pattern}");
        }
    }

    #[test]
    fn rows_are_limited_and_sides_taken_away() {
        let mut query = sql::parse_query(
            "SELECT a FROM t MINUS SELECT b FROM u ORDER BY 1 OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY",
        )
        .unwrap();
        of_query(&mut query);
        let wanted =
            sql::parse_query("SELECT a FROM t EXCEPT SELECT b FROM u ORDER BY 1 LIMIT 3 OFFSET 2 ROWS")
                .unwrap();
        assert_eq!(query, wanted);
    }
}
