//! INSERT and EXPLAIN: the statements that wrap a query.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Explain, ExplainMode, Insert, Statement};
use crate::error::Result;
use crate::sql::cursor::{Cursor, unsupported};

/// After INSERT.
pub(crate) fn insert(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.peek_words(&["OVERWRITE"]) {
        return Err(cursor.unsupported("INSERT OVERWRITE"));
    }
    cursor.expect_words(&["INTO"])?;
    cursor.word("TABLE");
    let table = cursor.object()?;
    for (words, what) in [
        (&["PARTITION"][..], "INSERT … PARTITION"),
        (&["BY", "NAME"], "INSERT … BY NAME"),
        (&["REPLACE"], "INSERT … REPLACE"),
        (&["DEFAULT", "VALUES"], "INSERT … DEFAULT VALUES"),
        (&["TABLE"], "INSERT … TABLE"),
    ] {
        if cursor.peek_words(words) {
            return Err(cursor.unsupported(what));
        }
    }
    let columns = if begins_query(cursor) { Vec::new() } else { columns(cursor)? };
    if cursor.peek_words(&["BY", "NAME"]) {
        return Err(cursor.unsupported("INSERT … BY NAME"));
    }
    if !begins_query(cursor) {
        return Err(cursor.expected("VALUES or a query"));
    }
    Ok(Statement::Insert(Insert { table, columns, query: cursor.query()? }))
}

fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<super::ast::Ident>> {
    if !cursor.peek_symbol(&Token::LParen) {
        return Err(cursor.expected("columns, VALUES or a query"));
    }
    let columns = cursor.bracketed(Cursor::identifier)?;
    if columns.is_empty() { Err(cursor.expected("columns before `)`")) } else { Ok(columns) }
}

/// After EXPLAIN.
pub(crate) fn explain(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("POLICY") {
        return super::proof::explain_policy(cursor);
    }
    let mode = if cursor.word("ANALYZE") { ExplainMode::Analyze } else { ExplainMode::Plan };
    if begins_query(cursor) {
        return Ok(Statement::Explain(Explain { mode, query: cursor.query()? }));
    }
    match cursor.peek_word(0) {
        Some(word)
            if ["EXTENDED", "CODEGEN", "COST", "FORMATTED", "VERBOSE", "FORMAT", "TREE"]
                .contains(&word.as_str()) =>
        {
            Err(cursor
                .unsupported(&format!("EXPLAIN {word}"))
                .with_hint("EXPLAIN and EXPLAIN ANALYZE are there"))
        }
        Some(word) => Err(unsupported(&format!("EXPLAIN of {word}")).at(cursor.position())),
        None => Err(cursor.expected("a query")),
    }
}

/// Whether a query is ahead.
pub(crate) fn begins_query(cursor: &Cursor<'_>) -> bool {
    let mut ahead = 0;
    while cursor.peek_nth_symbol(ahead, &Token::LParen) {
        ahead += 1;
    }
    let word = cursor.peek_word(ahead);
    matches!(word.as_deref(), Some("SELECT" | "WITH"))
        || (word.as_deref() == Some("VALUES") && !cursor.is_end_after(ahead + 1))
}
