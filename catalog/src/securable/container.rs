//! Catalogs and schemas: what contains the rest.

use std::collections::BTreeMap;

use crate::id::{CatalogId, PrincipalId, SchemaId};
use crate::name::{Name, SchemaName};
use crate::stamps::Stamps;
use crate::tag::Tags;

/// A catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Survives renames.
    pub id: CatalogId,
    /// Unique in the metastore.
    pub name: Name,
    /// Who may do everything with it.
    pub owner: PrincipalId,
    /// A remark for people.
    pub comment: Option<String>,
    /// Properties; those of governance hold for all it contains.
    pub properties: BTreeMap<String, String>,
    /// Its tags; all it contains inherits them.
    pub tags: Tags,
    /// When and by whom.
    pub stamps: Stamps,
}

impl Catalog {
    /// A fresh catalog without remark, properties and tags.
    pub fn new(name: Name, owner: PrincipalId, stamps: Stamps) -> Self {
        Self {
            id: CatalogId::fresh(),
            name,
            owner,
            comment: None,
            properties: BTreeMap::new(),
            tags: Tags::new(),
            stamps,
        }
    }
}

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Survives renames.
    pub id: SchemaId,
    /// The catalog that holds it.
    pub catalog: CatalogId,
    /// Its full name.
    pub name: SchemaName,
    /// Who may do everything with it.
    pub owner: PrincipalId,
    /// A remark for people.
    pub comment: Option<String>,
    /// Properties; those of governance hold for all it contains.
    pub properties: BTreeMap<String, String>,
    /// Its own tags; all it contains inherits them.
    pub tags: Tags,
    /// When and by whom.
    pub stamps: Stamps,
}

impl Schema {
    /// A fresh schema without remark, properties and tags.
    pub fn new(catalog: CatalogId, name: SchemaName, owner: PrincipalId, stamps: Stamps) -> Self {
        Self {
            id: SchemaId::fresh(),
            catalog,
            name,
            owner,
            comment: None,
            properties: BTreeMap::new(),
            tags: Tags::new(),
            stamps,
        }
    }
}
