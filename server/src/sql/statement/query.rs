//! INSERT, EXPLAIN, DESCRIBE QUERY and SHOW PARTITIONS: the statements that wrap a query.

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

/// Whether DESCRIBE at the cursor's place is of a query.
pub(crate) fn describes_query(cursor: &Cursor<'_>) -> bool {
    let begins = |ahead: usize| {
        cursor.peek_nth_symbol(ahead, &Token::LParen)
            || matches!(cursor.peek_word(ahead).as_deref(), Some("SELECT" | "WITH" | "VALUES"))
                && !cursor.is_end_after(ahead + 1)
                && !cursor.peek_nth_symbol(ahead + 1, &Token::Period)
    };
    begins(1) || (cursor.peek_nth_word(1, "QUERY") && begins(2))
}

/// After DESCRIBE, before QUERY or the query itself.
pub(crate) fn describe_query(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("QUERY");
    Ok(Statement::DescribeQuery(cursor.query()?))
}

/// After SHOW, before PARTITIONS.
pub(crate) fn show_partitions(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["PARTITIONS"])?;
    let table = cursor.object()?;
    if cursor.peek_words(&["PARTITION"]) {
        return Err(cursor
            .unsupported("SHOW PARTITIONS … PARTITION")
            .with_hint("SELECT DISTINCT of the partition columns takes any WHERE"));
    }
    Ok(Statement::ShowPartitions(table))
}
