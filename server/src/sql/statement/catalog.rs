//! CREATE and DROP of catalogs and schemas.

use super::Command;
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::reference::{CatalogReference, SchemaReference};

/// What DROP does with what the dropped thing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropBehaviour {
    /// Refuses when it holds anything; the default.
    Restrict,
    /// Drops it too.
    Cascade,
}

/// A catalog's making and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogCommand {
    /// CREATE CATALOG.
    Create {
        /// Its name.
        name: CatalogReference,
        /// Whether an existing one is left as it is.
        if_not_exists: bool,
        /// A remark for people.
        comment: Option<String>,
    },
    /// DROP CATALOG.
    Drop {
        /// Its name.
        name: CatalogReference,
        /// Whether a missing one is no error.
        if_exists: bool,
        /// What becomes of its schemas.
        behaviour: DropBehaviour,
    },
}

/// A schema's making and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaCommand {
    /// CREATE SCHEMA.
    Create {
        /// Its name.
        name: SchemaReference,
        /// Whether an existing one is left as it is.
        if_not_exists: bool,
        /// A remark for people.
        comment: Option<String>,
    },
    /// DROP SCHEMA.
    Drop {
        /// Its name.
        name: SchemaReference,
        /// Whether a missing one is no error.
        if_exists: bool,
        /// What becomes of its tables, views and functions.
        behaviour: DropBehaviour,
    },
}

const REFUSED: &[&[&str]] = &[
    &["MANAGED", "LOCATION"],
    &["LOCATION"],
    &["OPTIONS"],
    &["DEFAULT", "COLLATION"],
    &["WITH", "DBPROPERTIES"],
    &["USING"],
];

/// After CREATE CATALOG.
pub(crate) fn create_catalog(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.catalog()?;
    let comment = comment(cursor)?;
    Ok(Command::Catalog(CatalogCommand::Create { name, if_not_exists, comment }))
}

/// After CREATE SCHEMA or CREATE DATABASE.
pub(crate) fn create_schema(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.schema()?;
    let comment = comment(cursor)?;
    Ok(Command::Schema(SchemaCommand::Create { name, if_not_exists, comment }))
}

/// After DROP CATALOG.
pub(crate) fn drop_catalog(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.catalog()?;
    Ok(Command::Catalog(CatalogCommand::Drop { name, if_exists, behaviour: behaviour(cursor) }))
}

/// After DROP SCHEMA or DROP DATABASE.
pub(crate) fn drop_schema(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.schema()?;
    Ok(Command::Schema(SchemaCommand::Drop { name, if_exists, behaviour: behaviour(cursor) }))
}

fn comment(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    if cursor.at_end() {
        Ok(comment)
    } else {
        Err(cursor.unknown_clause("COMMENT or the end of the statement", REFUSED))
    }
}

fn behaviour(cursor: &mut Cursor<'_>) -> DropBehaviour {
    if cursor.word("CASCADE") {
        return DropBehaviour::Cascade;
    }
    cursor.word("RESTRICT");
    DropBehaviour::Restrict
}
