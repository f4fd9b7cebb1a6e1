//! Securables: the closed set of things one can have rights on, and who is whose parent.
//!
//! Metastore contains catalogs, a catalog schemas, a schema tables, views and functions.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::id::{CatalogId, FunctionId, PrincipalId, SchemaId, TableId};
use crate::name::{Name, ObjectName, SchemaName};
use crate::policy::{ColumnMask, RowFilter};

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
        })
    }
}

impl SecurableKind {
    /// The word in a sentence, e.g. `table`.
    pub fn noun(self) -> &'static str {
        match self {
            SecurableKind::Metastore => "metastore",
            SecurableKind::Catalog => "catalog",
            SecurableKind::Schema => "schema",
            SecurableKind::Table => "table",
            SecurableKind::View => "view",
            SecurableKind::Function => "function",
        }
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
}

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
}

/// A column as the catalog knows it; the truth about a table's data is its Delta log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As spelled when the table was made.
    pub name: String,
    /// In SQL, e.g. `DECIMAL(15,2)`.
    pub type_text: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// A remark for people.
    pub comment: Option<String>,
}

/// What a view is: a query and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDefinition {
    /// The query, every name written out in three parts.
    pub text: String,
    /// The text tests who asks (`current_user()`, group membership); such a view is a barrier.
    pub tests_identity: bool,
    /// The tables and views its text reads.
    pub reads: Vec<TableId>,
}

/// Where a table's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableKind {
    /// Delta files under the data root; the path is relative to it.
    Managed {
        /// Relative to the data root.
        location: String,
    },
    /// Delta files elsewhere, under a configured external root.
    External {
        /// Absolute URL, `file:///…` included, canonical, ending in `/`.
        location: String,
    },
    /// A query.
    View(ViewDefinition),
}

/// How much a caller may learn beside the rows (`governance.protection`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// Leakproof predicates may prune; the caller sees the nine scan numbers.
    #[default]
    Standard,
    /// No user predicate enters the barrier; the caller sees rows and bytes output only.
    Strict,
}

impl Protection {
    /// The level of that property value; case does not matter.
    pub fn parse(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "standard" => Some(Protection::Standard),
            "strict" => Some(Protection::Strict),
            _ => None,
        }
    }
}

/// The table property that sets the protection level.
pub const PROTECTION_PROPERTY: &str = "governance.protection";

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Survives renames; what policies and grants bind to.
    pub id: TableId,
    /// The schema that holds it.
    pub schema: SchemaId,
    /// Its full name.
    pub name: ObjectName,
    /// Who may do everything with it, but not read past its policies.
    pub owner: PrincipalId,
    /// Managed, external, or a view.
    pub kind: TableKind,
    /// As known when it was made or last altered.
    pub columns: Vec<Column>,
    /// The row filter, if any.
    pub row_filter: Option<RowFilter>,
    /// The masks, by column.
    pub masks: Vec<ColumnMask>,
    /// Properties, `governance.protection` among them.
    pub properties: BTreeMap<String, String>,
    /// A remark for people.
    pub comment: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: PrincipalId,
}

impl Table {
    /// Table or view.
    pub fn securable_kind(&self) -> SecurableKind {
        match self.kind {
            TableKind::View(_) => SecurableKind::View,
            TableKind::Managed { .. } | TableKind::External { .. } => SecurableKind::Table,
        }
    }

    /// Its protection level, where the table sets one itself.
    pub fn protection(&self) -> Option<Protection> {
        self.properties.get(PROTECTION_PROPERTY).and_then(|value| Protection::parse(value))
    }

    /// The query, when it is a view.
    pub fn view(&self) -> Option<&ViewDefinition> {
        match &self.kind {
            TableKind::View(definition) => Some(definition),
            TableKind::Managed { .. } | TableKind::External { .. } => None,
        }
    }

    /// The functions its policies call.
    pub fn policy_functions(&self) -> impl Iterator<Item = FunctionId> {
        let filter = self.row_filter.iter().map(|filter| filter.function);
        filter.chain(self.masks.iter().map(|mask| mask.function))
    }

    /// Whether any policy is set on it, whoever asks.
    pub fn is_governed(&self) -> bool {
        self.row_filter.is_some() || !self.masks.is_empty()
    }
}
