//! Names of securables. The only place that folds case, checks characters and quotes.
//!
//! A [`Name`] is stored lower-case, at most 255 bytes, without `.`, `/`, blanks or control
//! characters; comparison is therefore case-insensitive. Principals' names are *not* of this
//! type: they are compared exactly.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// One part of a securable's name, folded to lower case. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Folds and checks `text`. Errors with kind `Invalid` when it is empty, too long or holds
    /// a character that names may not have.
    pub fn new(text: &str) -> Result<Self, Error> {
        let folded = text.to_lowercase();
        let forbidden = |c: char| c == '.' || c == '/' || c.is_whitespace() || c.is_control();
        if folded.is_empty() || folded.len() > 255 || folded.contains(forbidden) {
            return Err(Error::InvalidName { name: text.to_owned() });
        }
        Ok(Self(folded.into()))
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A schema's two-part name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaName {
    /// The catalog.
    pub catalog: Name,
    /// The schema in it.
    pub schema: Name,
}

impl SchemaName {
    /// Checks both parts.
    pub fn new(catalog: &str, schema: &str) -> Result<Self, Error> {
        Ok(Self { catalog: Name::new(catalog)?, schema: Name::new(schema)? })
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.catalog, self.schema)
    }
}

/// The three-part name of a table, view or function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// The catalog.
    pub catalog: Name,
    /// The schema in it.
    pub schema: Name,
    /// The object in the schema.
    pub object: Name,
}

impl ObjectName {
    /// Checks the three parts.
    pub fn new(catalog: &str, schema: &str, object: &str) -> Result<Self, Error> {
        Ok(Self { catalog: Name::new(catalog)?, schema: Name::new(schema)?, object: Name::new(object)? })
    }

    /// The schema that holds the object.
    pub fn schema_name(&self) -> SchemaName {
        SchemaName { catalog: self.catalog.clone(), schema: self.schema.clone() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.object)
    }
}
