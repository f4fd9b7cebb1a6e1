//! Views: CREATE, DROP, RENAME, properties, another query, policies and tags of columns.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::policy::{self, MaskClause, RowFilterClause};
use super::{Command, DropBehaviour, PropertiesChange, SecurableReference, TaggedReference};
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
    /// Its mask.
    pub mask: Option<MaskClause>,
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
    /// Its row filter.
    pub row_filter: Option<RowFilterClause>,
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
        /// What becomes of the views that read it.
        behaviour: DropBehaviour,
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

const REFUSED: &[&[&str]] =
    &[&["WITH", "SCHEMA"], &["WITH", "METRICS"], &["DEFAULT", "COLLATION"], &["SCHEMA", "BINDING"]];

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
    let mut row_filter = None;
    loop {
        if comment.is_none() && cursor.word("COMMENT") {
            comment = Some(cursor.string()?);
        } else if properties.is_empty() && cursor.word("TBLPROPERTIES") {
            properties = super::table::properties(cursor)?;
        } else if row_filter.is_none() && cursor.words(&["WITH", "ROW", "FILTER"]) {
            row_filter = Some(policy::row_filter(cursor)?);
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
        row_filter,
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
    let on = SecurableReference::View(name.clone());
    if let Some(command) = policy::alteration(cursor, &on)? {
        return Ok(command);
    }
    if cursor.words(&["ALTER", "COLUMN"]) {
        return alter_column(cursor, name);
    }
    match super::catalog::properties_change(cursor, &["TBLPROPERTIES"])? {
        Some(change) => Ok(Command::View(ViewCommand::Properties { name, change })),
        None => super::grant::alter(cursor, SecurableReference::View(name)),
    }
}

fn alter_column(cursor: &mut Cursor<'_>, view: ObjectReference) -> Result<Command> {
    let column = cursor.identifier()?.value;
    let mut path = Vec::new();
    while cursor.symbol(&Token::Period) {
        path.push(cursor.identifier()?.value);
    }
    let on = SecurableReference::View(view.clone());
    if let Some(command) = policy::column_alteration(cursor, &on, &column, &path)? {
        return Ok(command);
    }
    if !path.is_empty() {
        return Err(cursor.unsupported("ALTER COLUMN of a field of a column, but for its mask,"));
    }
    let tagged = TaggedReference::Column { table: view, column };
    if let Some(command) = super::tag::alteration(cursor, &tagged)? {
        return Ok(command);
    }
    match cursor.peek_word(0) {
        Some(word) => Err(cursor.unsupported(&format!("ALTER VIEW … ALTER COLUMN … {word}"))),
        None => Err(cursor.expected("SET MASK, DROP MASK, SET TAGS or UNSET TAGS")),
    }
}

/// After DROP VIEW.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.object()?;
    let behaviour = super::catalog::behaviour(cursor);
    Ok(Command::View(ViewCommand::Drop { name, if_exists, behaviour }))
}

/// OR REPLACE and IF NOT EXISTS exclude each other.
pub(crate) fn replace_and_if_not_exists() -> Error {
    Error::new(Condition::ParseSyntaxError, "OR REPLACE and IF NOT EXISTS exclude each other")
}

fn column(cursor: &mut Cursor<'_>) -> Result<ViewColumn> {
    let mut column = ViewColumn { name: cursor.identifier()?.value, comment: None, mask: None };
    loop {
        if column.comment.is_none() && cursor.word("COMMENT") {
            column.comment = Some(cursor.string()?);
        } else if column.mask.is_none() && cursor.word("MASK") {
            column.mask = Some(policy::mask(cursor)?);
        } else {
            return Ok(column);
        }
    }
}
