//! Views: CREATE, DROP, RENAME, properties, another query.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Command, PropertiesChange, SecurableReference};
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::reference::ObjectReference;

/// A view's column renamed or remarked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewColumn {
    /// Its name in the view.
    pub name: String,
    /// A remark for people.
    pub comment: Option<String>,
}

/// CREATE VIEW.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectReference,
    /// Whether an existing view is replaced.
    pub or_replace: bool,
    /// Whether an existing one is left as it is.
    pub if_not_exists: bool,
    /// Its columns' names; none when they are the query's.
    pub columns: Vec<ViewColumn>,
    /// A remark for people.
    pub comment: Option<String>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
    /// What it shows.
    pub query: Box<ast::Query>,
}

/// A view's making and end.
#[derive(Debug, Clone, PartialEq)]
pub enum ViewCommand {
    /// CREATE VIEW.
    Create(CreateView),
    /// DROP VIEW.
    Drop {
        /// Its name.
        name: ObjectReference,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// ALTER VIEW … RENAME TO.
    Rename {
        /// Its name.
        name: ObjectReference,
        /// Its name afterwards.
        to: ObjectReference,
    },
    /// ALTER VIEW … SET or UNSET TBLPROPERTIES.
    Properties {
        /// Its name.
        name: ObjectReference,
        /// What is set or goes.
        change: PropertiesChange,
    },
    /// ALTER VIEW … AS.
    SetQuery {
        /// Its name.
        name: ObjectReference,
        /// What it shows afterwards.
        query: Box<ast::Query>,
    },
}

const REFUSED: &[&[&str]] = &[
    &["WITH", "ROW", "FILTER"],
    &["WITH", "SCHEMA"],
    &["WITH", "METRICS"],
    &["DEFAULT", "COLLATION"],
    &["SCHEMA", "BINDING"],
];

/// After CREATE [OR REPLACE] VIEW.
pub(crate) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Command> {
    let position = cursor.position();
    let if_not_exists = cursor.if_not_exists();
    if or_replace && if_not_exists {
        return Err(replace_and_if_not_exists().at(position));
    }
    let name = cursor.object()?;
    let columns = if cursor.peek_symbol(&Token::LParen) { cursor.bracketed(column)? } else { Vec::new() };
    let mut comment = None;
    let mut properties = BTreeMap::new();
    loop {
        if comment.is_none() && cursor.word("COMMENT") {
            comment = Some(cursor.string()?);
        } else if properties.is_empty() && cursor.word("TBLPROPERTIES") {
            properties = super::table::properties(cursor)?;
        } else if cursor.word("AS") {
            break;
        } else {
            return Err(cursor.unknown_clause("AS before the query", REFUSED));
        }
    }
    let query = cursor.query()?;
    Ok(Command::View(ViewCommand::Create(CreateView {
        name,
        or_replace,
        if_not_exists,
        columns,
        comment,
        properties,
        query,
    })))
}

/// After ALTER VIEW.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.object()?;
    if cursor.words(&["RENAME", "TO"]) {
        return Ok(Command::View(ViewCommand::Rename { name, to: cursor.object()? }));
    }
    if cursor.word("AS") {
        return Ok(Command::View(ViewCommand::SetQuery { name, query: cursor.query()? }));
    }
    match super::catalog::properties_change(cursor, &["TBLPROPERTIES"])? {
        Some(change) => Ok(Command::View(ViewCommand::Properties { name, change })),
        None => super::grant::alter(cursor, SecurableReference::View(name)),
    }
}

/// After DROP VIEW.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.object()?;
    Ok(Command::View(ViewCommand::Drop { name, if_exists }))
}

/// OR REPLACE and IF NOT EXISTS exclude each other.
pub(crate) fn replace_and_if_not_exists() -> Error {
    Error::new(Condition::ParseSyntaxError, "OR REPLACE and IF NOT EXISTS exclude each other")
}

fn column(cursor: &mut Cursor<'_>) -> Result<ViewColumn> {
    let name = cursor.identifier()?.value;
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    Ok(ViewColumn { name, comment })
}
