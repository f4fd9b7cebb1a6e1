//! Securables: the closed set of things one can have rights on, and who is whose parent.
//!
//! The metastore contains catalogs, a catalog schemas, a schema tables, views, functions and
//! volumes. External locations, storage credentials and governed tags lie in the metastore beside
//! the catalogs.

use std::fmt;

use crate::id::{
    CatalogId, ExternalLocationId, FunctionId, GovernedTagId, SchemaId, StorageCredentialId, TableId,
    VolumeId,
};
use crate::name::{Name, ObjectName, SchemaName};
use crate::tag::TagKey;

mod container;
mod primary_key;
mod storage;
mod table;
mod volume;

pub use container::{Catalog, Schema};
pub use primary_key::{KeyPart, PrimaryKey};
pub use storage::{ExternalLocation, StorageCredential};
pub use table::{
    Column, POLICY_DEFAULT_PROPERTY, PROTECTION_PROPERTY, Protection, Table, TableKind, ViewDefinition,
};
pub use volume::{Volume, VolumeKind};

/// The kind of a securable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the reference's securable of the same name")]
pub enum SecurableKind {
    Metastore,
    Catalog,
    Schema,
    Table,
    View,
    Function,
    Volume,
    ExternalLocation,
    StorageCredential,
    GovernedTag,
}

impl SecurableKind {
    /// Every kind.
    pub const ALL: [SecurableKind; 10] = [
        SecurableKind::Metastore,
        SecurableKind::Catalog,
        SecurableKind::Schema,
        SecurableKind::Table,
        SecurableKind::View,
        SecurableKind::Function,
        SecurableKind::Volume,
        SecurableKind::ExternalLocation,
        SecurableKind::StorageCredential,
        SecurableKind::GovernedTag,
    ];

    /// The word in a sentence, e.g. `table`.
    pub fn noun(self) -> &'static str {
        match self {
            SecurableKind::Metastore => "metastore",
            SecurableKind::Catalog => "catalog",
            SecurableKind::Schema => "schema",
            SecurableKind::Table => "table",
            SecurableKind::View => "view",
            SecurableKind::Function => "function",
            SecurableKind::Volume => "volume",
            SecurableKind::ExternalLocation => "external location",
            SecurableKind::StorageCredential => "storage credential",
            SecurableKind::GovernedTag => "governed tag",
        }
    }
}

impl fmt::Display for SecurableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecurableKind::Metastore => "METASTORE",
            SecurableKind::Catalog => "CATALOG",
            SecurableKind::Schema => "SCHEMA",
            SecurableKind::Table => "TABLE",
            SecurableKind::View => "VIEW",
            SecurableKind::Function => "FUNCTION",
            SecurableKind::Volume => "VOLUME",
            SecurableKind::ExternalLocation => "EXTERNAL LOCATION",
            SecurableKind::StorageCredential => "STORAGE CREDENTIAL",
            SecurableKind::GovernedTag => "GOVERNED TAG",
        })
    }
}

/// A securable as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the name of that kind")]
pub enum SecurableName {
    Metastore,
    Catalog(Name),
    Schema(SchemaName),
    /// A table or a view.
    Table(ObjectName),
    Function(ObjectName),
    Volume(ObjectName),
    ExternalLocation(Name),
    StorageCredential(Name),
    GovernedTag(TagKey),
}

impl fmt::Display for SecurableName {
    /// Kind and name, e.g. ``table `main.hr.people` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecurableName::Metastore => f.write_str("metastore"),
            SecurableName::Catalog(name) => write!(f, "catalog `{name}`"),
            SecurableName::Schema(name) => write!(f, "schema `{name}`"),
            SecurableName::Table(name) => write!(f, "table `{name}`"),
            SecurableName::Function(name) => write!(f, "function `{name}`"),
            SecurableName::Volume(name) => write!(f, "volume `{name}`"),
            SecurableName::ExternalLocation(name) => write!(f, "external location `{name}`"),
            SecurableName::StorageCredential(name) => write!(f, "storage credential `{name}`"),
            SecurableName::GovernedTag(key) => write!(f, "governed tag `{key}`"),
        }
    }
}

/// Which securable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the id of that kind")]
pub enum SecurableId {
    Metastore,
    Catalog(CatalogId),
    Schema(SchemaId),
    /// A table or a view.
    Table(TableId),
    Function(FunctionId),
    Volume(VolumeId),
    ExternalLocation(ExternalLocationId),
    StorageCredential(StorageCredentialId),
    GovernedTag(GovernedTagId),
}
