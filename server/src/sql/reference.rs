//! Names as a statement wrote them, one to three parts, and how a session completes them.

use std::fmt;

use weir_catalog::{Name, ObjectName, SchemaName};

use crate::error::{Condition, Error, Position, Result};
use crate::session::SessionSettings;

/// A catalog's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogReference {
    /// Folded and checked.
    pub name: Name,
}

/// A schema's name: one or two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaReference {
    /// The catalog, where it was written.
    pub catalog: Option<Name>,
    /// The schema.
    pub schema: Name,
}

/// The name of a table, view or function: one to three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReference {
    /// The catalog, where it was written.
    pub catalog: Option<Name>,
    /// The schema, where it was written.
    pub schema: Option<Name>,
    /// The object.
    pub object: Name,
    /// Where the name stands in the text.
    pub position: Option<Position>,
}

impl CatalogReference {
    pub(crate) fn from_parts(parts: &[String], position: Option<Position>) -> Result<Self> {
        match parts {
            [catalog] => Ok(Self { name: checked(catalog, position)? }),
            _ => Err(wrong_parts("catalog", "one part", parts, position)),
        }
    }
}

impl SchemaReference {
    pub(crate) fn from_parts(parts: &[String], position: Option<Position>) -> Result<Self> {
        match parts {
            [schema] => Ok(Self { catalog: None, schema: checked(schema, position)? }),
            [catalog, schema] => {
                Ok(Self { catalog: Some(checked(catalog, position)?), schema: checked(schema, position)? })
            }
            _ => Err(wrong_parts("schema", "one or two parts", parts, position)),
        }
    }

    /// The two-part name, completed from the session.
    pub fn resolve(&self, session: &SessionSettings) -> Result<SchemaName> {
        Ok(SchemaName { catalog: or_current(&self.catalog, &session.catalog)?, schema: self.schema.clone() })
    }
}

impl ObjectReference {
    pub(crate) fn from_parts(parts: &[String], position: Option<Position>) -> Result<Self> {
        let (catalog, schema, object) = match parts {
            [object] => (None, None, object),
            [schema, object] => (None, Some(schema), object),
            [catalog, schema, object] => (Some(catalog), Some(schema), object),
            _ => return Err(wrong_parts("object", "one to three parts", parts, position)),
        };
        Ok(Self {
            catalog: catalog.map(|part| checked(part, position)).transpose()?,
            schema: schema.map(|part| checked(part, position)).transpose()?,
            object: checked(object, position)?,
            position,
        })
    }

    /// The three-part name, completed from the session.
    pub fn resolve(&self, session: &SessionSettings) -> Result<ObjectName> {
        Ok(ObjectName {
            catalog: or_current(&self.catalog, &session.catalog)?,
            schema: or_current(&self.schema, &session.schema)?,
            object: self.object.clone(),
        })
    }
}

fn or_current(written: &Option<Name>, current: &str) -> Result<Name> {
    match written {
        Some(name) => Ok(name.clone()),
        None => checked(current, None),
    }
}

/// Folds and checks one part of a name.
pub(crate) fn checked(part: &str, position: Option<Position>) -> Result<Name> {
    Name::new(part).map_err(|_| {
        Error::new(Condition::InvalidIdentifier, format!("`{part}` cannot be a name"))
            .with_hint("names have up to 255 bytes and no `.`, `/`, blank or control character")
            .at(position)
    })
}

fn wrong_parts(kind: &str, expected: &str, parts: &[String], position: Option<Position>) -> Error {
    let written = parts.join(".");
    Error::new(
        Condition::InvalidIdentifier,
        format!("a {kind} name has {expected}, `{written}` has {}", parts.len()),
    )
    .at(position)
}

impl fmt::Display for CatalogReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl fmt::Display for SchemaReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(catalog) = &self.catalog {
            write!(f, "{catalog}.")?;
        }
        self.schema.fmt(f)
    }
}

impl fmt::Display for ObjectReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.catalog, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        self.object.fmt(f)
    }
}
