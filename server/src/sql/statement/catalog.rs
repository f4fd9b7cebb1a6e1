//! Catalogs and schemas: CREATE, DROP, RENAME, properties.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::Name;

use super::{Command, SecurableReference, grant, table};
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::reference::{CatalogReference, SchemaReference};

/// SET or UNSET of properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertiesChange {
    /// SET.
    Set(BTreeMap<String, String>),
    /// UNSET.
    Unset {
        /// Their keys.
        keys: Vec<String>,
        /// Whether one that is not set is no error.
        if_exists: bool,
    },
}

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
    /// ALTER … RENAME TO.
    Rename {
        /// Its name.
        name: CatalogReference,
        /// Its name afterwards.
        to: CatalogReference,
    },
    /// ALTER … SET or UNSET DBPROPERTIES.
    Properties {
        /// Its name.
        name: CatalogReference,
        /// What is set or goes.
        change: PropertiesChange,
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
        /// Properties.
        properties: BTreeMap<String, String>,
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
    /// ALTER … RENAME TO.
    Rename {
        /// Its name.
        name: SchemaReference,
        /// Its name afterwards.
        to: SchemaReference,
    },
    /// ALTER … SET or UNSET DBPROPERTIES.
    Properties {
        /// Its name.
        name: SchemaReference,
        /// What is set or goes.
        change: PropertiesChange,
    },
}

const REFUSED: &[&[&str]] =
    &[&["MANAGED", "LOCATION"], &["LOCATION"], &["OPTIONS"], &["DEFAULT", "COLLATION"], &["USING"]];

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
    let mut comment = None;
    let mut properties = BTreeMap::new();
    loop {
        if comment.is_none() && cursor.word("COMMENT") {
            comment = Some(cursor.string()?);
        } else if properties.is_empty() && cursor.words(&["WITH", "DBPROPERTIES"]) {
            properties = table::properties(cursor)?;
        } else if cursor.at_end() {
            return Ok(Command::Schema(SchemaCommand::Create { name, if_not_exists, comment, properties }));
        } else {
            return Err(
                cursor.unknown_clause("COMMENT, WITH DBPROPERTIES or the end of the statement", REFUSED)
            );
        }
    }
}

/// After ALTER CATALOG.
pub(crate) fn alter_catalog(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.catalog()?;
    if cursor.words(&["RENAME", "TO"]) {
        return Ok(Command::Catalog(CatalogCommand::Rename { name, to: cursor.catalog()? }));
    }
    match properties_change(cursor, &["DBPROPERTIES", "PROPERTIES"])? {
        Some(change) => Ok(Command::Catalog(CatalogCommand::Properties { name, change })),
        None => grant::alter(cursor, SecurableReference::Catalog(name)),
    }
}

/// After ALTER SCHEMA or ALTER DATABASE.
pub(crate) fn alter_schema(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.schema()?;
    if cursor.words(&["RENAME", "TO"]) {
        return Ok(Command::Schema(SchemaCommand::Rename { name, to: cursor.schema()? }));
    }
    match properties_change(cursor, &["DBPROPERTIES", "PROPERTIES"])? {
        Some(change) => Ok(Command::Schema(SchemaCommand::Properties { name, change })),
        None => grant::alter(cursor, SecurableReference::Schema(name)),
    }
}

/// SET or UNSET of one of these words, if it is ahead.
pub(crate) fn properties_change(cursor: &mut Cursor<'_>, words: &[&str]) -> Result<Option<PropertiesChange>> {
    for word in words {
        if cursor.words(&["SET", word]) {
            return Ok(Some(PropertiesChange::Set(table::properties(cursor)?)));
        }
        if cursor.words(&["UNSET", word]) {
            let if_exists = cursor.if_exists();
            let keys = cursor.bracketed(key)?;
            return Ok(Some(PropertiesChange::Unset { keys, if_exists }));
        }
    }
    Ok(None)
}

/// A property's key, as a string or in dotted words.
pub(crate) fn key(cursor: &mut Cursor<'_>) -> Result<String> {
    match cursor.peek() {
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => cursor.string(),
        _ => Ok(cursor.parts()?.0.join(".")),
    }
}

/// The name a schema is renamed to, in its own catalog.
pub(crate) fn renamed(to: &SchemaReference, catalog: &Name) -> Result<Name> {
    match &to.catalog {
        Some(other) if other != catalog => Err(crate::sql::cursor::unsupported("RENAME TO another catalog")),
        _ => Ok(to.schema.clone()),
    }
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

/// CASCADE or RESTRICT, which is what holds where neither stands.
pub(super) fn behaviour(cursor: &mut Cursor<'_>) -> DropBehaviour {
    if cursor.word("CASCADE") {
        return DropBehaviour::Cascade;
    }
    cursor.word("RESTRICT");
    DropBehaviour::Restrict
}
