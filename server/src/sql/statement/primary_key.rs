//! PRIMARY KEY in CREATE TABLE, of a column or of the table. It informs, as in Unity: `NOT ENFORCED` and `NORELY` say what holds
//! anyway; what would promise more is refused by name.

use super::table::ColumnDefinition;
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;

/// The key of a table to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryKeyClause {
    /// The name of the constraint, where the statement gives one.
    pub name: Option<String>,
    /// Its columns, as spelled.
    pub columns: Vec<String>,
}

const REFUSED: &[(&[&str], &str)] = &[
    (&["RELY"], "PRIMARY KEY … RELY"),
    (&["ENFORCED"], "PRIMARY KEY … ENFORCED"),
    (&["DEFERRABLE"], "PRIMARY KEY … DEFERRABLE"),
    (&["NOT", "DEFERRABLE"], "PRIMARY KEY … NOT DEFERRABLE"),
    (&["INITIALLY"], "PRIMARY KEY … INITIALLY"),
    (&["ENABLE"], "PRIMARY KEY … ENABLE"),
];

/// Whether `[CONSTRAINT name] PRIMARY KEY` is ahead.
pub(super) fn is_ahead(cursor: &Cursor<'_>) -> bool {
    let named = cursor.peek_words(&["CONSTRAINT"])
        && cursor.peek_nth_word(2, "PRIMARY")
        && cursor.peek_nth_word(3, "KEY");
    named || cursor.peek_words(&["PRIMARY", "KEY"])
}

/// `[CONSTRAINT name] PRIMARY KEY (column, …) [option …]`, of a table.
pub(super) fn of_table(cursor: &mut Cursor<'_>) -> Result<PrimaryKeyClause> {
    let name = begun(cursor)?;
    let columns = cursor.bracketed(|cursor| {
        let column = cursor.identifier()?.value;
        match cursor.peek_words(&["TIMESERIES"]) {
            true => Err(cursor.unsupported("TIMESERIES in a primary key")),
            false => Ok(column),
        }
    })?;
    if columns.is_empty() {
        return Err(cursor.expected("a column before `)`"));
    }
    options(cursor)?;
    Ok(PrimaryKeyClause { name, columns })
}

/// `[CONSTRAINT name] PRIMARY KEY [option …]`, of a column.
pub(super) fn of_column(cursor: &mut Cursor<'_>, column: &str) -> Result<PrimaryKeyClause> {
    let name = begun(cursor)?;
    options(cursor)?;
    Ok(PrimaryKeyClause { name, columns: vec![column.to_owned()] })
}

fn begun(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    let name = if cursor.word("CONSTRAINT") { Some(cursor.identifier()?.value) } else { None };
    cursor.expect_words(&["PRIMARY", "KEY"])?;
    Ok(name)
}

fn options(cursor: &mut Cursor<'_>) -> Result<()> {
    while cursor.words(&["NOT", "ENFORCED"]) || cursor.word("NORELY") {}
    match REFUSED.iter().find(|(words, _)| cursor.peek_words(words)) {
        Some((_, what)) => Err(cursor
            .unsupported(what)
            .with_hint("a primary key informs people and tools: write NOT ENFORCED")),
        None => Ok(()),
    }
}

/// The one key of a table, spelled as its columns are. None of these may hold NULL.
pub(super) fn checked(
    columns: &mut [ColumnDefinition],
    mut keys: Vec<PrimaryKeyClause>,
) -> Result<Option<PrimaryKeyClause>> {
    if keys.len() > 1 {
        return Err(Error::new(Condition::InvalidStatement, "a table has one primary key at most"));
    }
    let Some(mut key) = keys.pop() else { return Ok(None) };
    for name in &mut key.columns {
        let same = |column: &&mut ColumnDefinition| column.name.to_lowercase() == name.to_lowercase();
        let Some(column) = columns.iter_mut().find(same) else {
            let text = format!("column `{name}` of the primary key is not a column of the table");
            return Err(Error::new(Condition::UnresolvedColumn, text));
        };
        column.nullable = false;
        name.clone_from(&column.name);
    }
    let mut distinct = key.columns.clone();
    distinct.sort();
    distinct.dedup();
    match distinct.len() == key.columns.len() {
        true => Ok(Some(key)),
        false => Err(Error::new(Condition::ColumnAlreadyExists, "a column stands twice in the primary key")),
    }
}
