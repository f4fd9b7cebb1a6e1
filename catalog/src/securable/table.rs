//! Tables and views, which share one name space.

use std::collections::BTreeMap;

use super::{KeyPart, SecurableKind};
use crate::id::{FunctionId, PrincipalId, SchemaId, TableId};
use crate::name::ObjectName;
use crate::policy::{ColumnMask, PolicyArgument, PolicyFunction, RowFilter};
use crate::stamps::Stamps;
use crate::tag::Tags;

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
    /// The column-mapping field id, where the table's log has them: tags stay with the column then,
    /// whatever it is renamed to there.
    pub field_id: Option<i64>,
    /// Its own tags; columns inherit none.
    pub tags: Tags,
    /// Its part in the table's primary key.
    pub primary_key: Option<KeyPart>,
}

impl Column {
    /// A nullable column without remark, id, tags and key.
    pub fn new(name: impl Into<String>, type_text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            type_text: type_text.into(),
            nullable: true,
            comment: None,
            field_id: None,
            tags: Tags::new(),
            primary_key: None,
        }
    }

    /// The type of its values, lengths aside: what policies are bound to.
    pub fn value_type(&self) -> &str {
        if self.text_length().is_some() { "STRING" } else { &self.type_text }
    }

    /// The most characters of its texts, where its type says so: `VARCHAR(n)`.
    pub fn text_length(&self) -> Option<i32> {
        let (name, length) = self.type_text.strip_suffix(')')?.split_once('(')?;
        length.parse().ok().filter(|_| ["VARCHAR", "CHAR"].contains(&name))
    }
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
    /// The functions its text calls.
    pub calls: Vec<FunctionId>,
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

/// The property of a table, schema or catalog that sets the protection level; the nearest holds.
pub const PROTECTION_PROPERTY: &str = "governance.protection";

/// The property of a table, schema or catalog that says what holds where no row filter speaks of
/// the caller: with `deny` such a caller gets no rows. The nearest holds.
pub const POLICY_DEFAULT_PROPERTY: &str = "policy.default";

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
    /// Its own tags; those of its containers come on top.
    pub tags: Tags,
    /// When and by whom.
    pub stamps: Stamps,
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

    /// The SQL functions its own policies call.
    pub fn policy_functions(&self) -> impl Iterator<Item = FunctionId> {
        let filter = self.row_filter.iter().map(|filter| filter.function);
        filter.chain(self.masks.iter().map(|mask| mask.function)).filter_map(PolicyFunction::sql)
    }

    /// Whether a policy is set on the table itself, whoever asks. Tag policies come on top: see
    /// [`Snapshot::is_governed`](crate::Snapshot::is_governed).
    pub fn has_own_policy(&self) -> bool {
        self.row_filter.is_some() || !self.masks.is_empty()
    }

    /// The field ids by which it knows columns: of those it has, and of those that its policies are bound to.
    pub fn field_ids(&self) -> impl Iterator<Item = i64> {
        let filters = self.row_filter.iter().flat_map(|filter| &filter.arguments);
        let arguments = filters.chain(self.masks.iter().flat_map(|mask| &mask.arguments));
        let read = arguments.filter_map(|argument| match argument {
            PolicyArgument::Column(binding) => Some(binding),
            PolicyArgument::Literal(_) => None,
        });
        let bound = self.masks.iter().map(|mask| &mask.column).chain(read);
        let known = self.columns.iter().filter_map(|column| column.field_id);
        known.chain(bound.filter_map(|binding| binding.field_id))
    }

    /// The highest of them: what is above it is nobody's.
    pub fn highest_field_id(&self) -> Option<i64> {
        self.field_ids().max()
    }

    /// The column of that name; case does not matter.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let name = name.to_lowercase();
        self.columns.iter().find(|column| column.name.to_lowercase() == name)
    }
}
