//! The tables that the server itself provides: their list, which rows are whose, and opening them.
//!
//! [`ServerTable`] lists them all: the books, which are stored, and the views of
//! [`information_schema`] and [`access_views`], which are made when they are read.
//!
//! A table of the books is a Delta table under the system root, readable by any engine, together with
//! the rows that still lie in the journal: reading joins both, so a statement stands in the books
//! as soon as its client has its last message.
//!
//! This module hands out whole tables. Sealing them, so that callers see their own rows only,
//! is the resolver's work with the [`OwnerColumn`] given here; the text and error of a statement
//! stand in rows its own user and account admins see, and in no others.
//!
//! How to add a table to the books: a variant of [`SystemTableName`]; a folder `system/<table>/` with
//! `schema`, `rows` and `table`; its arm in each `match` here; regenerate
//! `tests/golden/system_tables.md` with `WEIR_UPDATE_GOLDEN=1`. The golden test fails if one was
//! skipped.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{Expr, ident};
use weir_catalog::{AccessRequest, Metastore};

use crate::billing::{Entry, Ledger, SegmentName};
use crate::error::Result;

pub mod access_audit;
pub mod access_policy_decisions;
pub mod access_views;
pub mod archive;
pub mod billing_usage;
pub mod delta_store;
pub mod information_schema;
pub mod joined_table;
mod journal_rows;
pub mod nested;
mod open_for_enforcer;
pub mod query_history;
pub mod reference;
pub mod server_table;
mod sight;
pub mod store;
mod text_beginnings;

pub use archive::SystemArchive;
pub use delta_store::DeltaStore;
pub use server_table::{SYSTEM_CATALOG, SYSTEM_OWNER, ServerTable};
pub use store::{StoredTable, TableStore};

pub(crate) use sight::Sight;

use access_audit::trail::Trail;
use joined_table::JoinedTable;

/// How many requests for access the view of them goes back.
const REQUESTS_MAX: u32 = 10_000;

/// One column of a system table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type. Every column may be null.
    pub data_type: DataType,
    /// What it means.
    pub meaning: &'static str,
}

impl Column {
    pub(crate) fn new(name: &'static str, data_type: DataType, meaning: &'static str) -> Self {
        Self { name, data_type, meaning }
    }
}

/// The system tables there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemTableName {
    /// `system.billing.usage`
    BillingUsage,
    /// `system.query.history`
    QueryHistory,
    /// `system.access.audit`
    AccessAudit,
    /// `system.access.policy_decisions`
    AccessPolicyDecisions,
}

impl SystemTableName {
    /// Every system table.
    pub const ALL: [Self; 4] =
        [Self::BillingUsage, Self::QueryHistory, Self::AccessAudit, Self::AccessPolicyDecisions];

    /// Its schema in the catalog `system`.
    pub fn schema(self) -> &'static str {
        match self {
            Self::BillingUsage => "billing",
            Self::QueryHistory => "query",
            Self::AccessAudit | Self::AccessPolicyDecisions => "access",
        }
    }

    /// Its name in that schema.
    pub fn table(self) -> &'static str {
        match self {
            Self::BillingUsage => "usage",
            Self::QueryHistory => "history",
            Self::AccessAudit => "audit",
            Self::AccessPolicyDecisions => "policy_decisions",
        }
    }

    /// Its folder under the system root.
    pub fn folder(self) -> &'static str {
        match self {
            Self::BillingUsage => "billing_usage",
            Self::QueryHistory => "query_history",
            Self::AccessAudit => "access_audit",
            Self::AccessPolicyDecisions => "access_policy_decisions",
        }
    }

    /// What it holds.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::BillingUsage => billing_usage::MEANING,
            Self::QueryHistory => query_history::MEANING,
            Self::AccessAudit => access_audit::MEANING,
            Self::AccessPolicyDecisions => access_policy_decisions::MEANING,
        }
    }

    /// Its columns.
    pub fn columns(self) -> Vec<Column> {
        match self {
            Self::BillingUsage => billing_usage::schema::columns(),
            Self::QueryHistory => query_history::schema::columns(),
            Self::AccessAudit => access_audit::schema::columns(),
            Self::AccessPolicyDecisions => access_policy_decisions::schema::columns(),
        }
    }

    /// Its Arrow schema.
    pub fn arrow_schema(self) -> SchemaRef {
        let fields = self.columns().into_iter().map(|column| Field::new(column.name, column.data_type, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The column by which its rows belong to a user.
    pub fn owner_column(self) -> OwnerColumn {
        match self {
            Self::BillingUsage => billing_usage::table::OWNER,
            Self::QueryHistory => query_history::table::OWNER,
            Self::AccessAudit => access_audit::table::OWNER,
            Self::AccessPolicyDecisions => access_policy_decisions::table::OWNER,
        }
    }

    /// The rows of `entries`.
    pub(crate) fn rows(self, entries: &[Arc<Entry>]) -> Result<RecordBatch, ArrowError> {
        match self {
            Self::BillingUsage => billing_usage::rows::rows(entries),
            Self::QueryHistory => query_history::rows::rows(entries),
            Self::AccessAudit => access_audit::rows::rows(entries),
            Self::AccessPolicyDecisions => access_policy_decisions::rows::rows(entries),
        }
    }

    /// Who else than account admins may read every row: of what was done and decided in the
    /// metastore, whoever administers it.
    pub fn is_of_the_metastore(self) -> bool {
        match self {
            Self::AccessAudit | Self::AccessPolicyDecisions => true,
            Self::BillingUsage | Self::QueryHistory => false,
        }
    }

    fn withheld(self, reader: &Reader) -> Vec<joined_table::Withheld> {
        match (self, reader) {
            (_, Reader::Admin) | (Self::BillingUsage | Self::AccessAudit, Reader::User(_)) => Vec::new(),
            (Self::QueryHistory, Reader::User(_)) => query_history::table::withheld(),
            (Self::AccessPolicyDecisions, Reader::User(sight)) => {
                access_policy_decisions::table::withheld_from(sight)
            }
        }
    }

    /// Its columns of texts that may be long.
    fn long_texts(self) -> &'static [&'static str] {
        match self {
            Self::QueryHistory => &query_history::table::LONG_TEXTS,
            Self::BillingUsage | Self::AccessAudit | Self::AccessPolicyDecisions => &[],
        }
    }

    /// Which rows `reader` reads: by the user whose they are, and by more than that.
    fn rows_of(self, reader: &Reader) -> (Option<OwnerColumn>, Option<Expr>) {
        match (self, reader) {
            (_, Reader::Admin) => (None, None),
            (Self::BillingUsage | Self::QueryHistory, Reader::User(_)) => (Some(self.owner_column()), None),
            (Self::AccessAudit, Reader::User(_)) => {
                (Some(self.owner_column()), Some(access_audit::table::shown_to_owner()))
            }
            (Self::AccessPolicyDecisions, Reader::User(sight)) => {
                (None, Some(access_policy_decisions::table::shown_to(sight)))
            }
        }
    }
}

/// As whom a system table is read.
#[derive(Debug, Clone)]
pub(crate) enum Reader {
    /// A user, who sees their own rows, and some of them not whole.
    User(Sight),
    /// An administrator, who sees everything.
    Admin,
}

/// A column, or a field of a struct column, that holds the exact name of the principal to whom a
/// row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerColumn {
    /// The column.
    pub column: &'static str,
    /// The field within it, for a struct.
    pub field: Option<&'static str>,
}

impl OwnerColumn {
    /// The owner's name as an expression over the table.
    pub fn expression(self) -> Expr {
        match self.field {
            Some(field) => get_field(ident(self.column), field),
            None => ident(self.column),
        }
    }
}

/// A system table, opened at one moment.
#[derive(Debug, Clone)]
pub struct SystemTable {
    /// All rows, of all users.
    pub provider: Arc<dyn TableProvider>,
    /// Whose each row is, where the reader gets their own only.
    pub owner: Option<OwnerColumn>,
    /// What else must hold of a row for the reader to get it.
    pub shown: Option<Expr>,
}

/// Opens system tables.
#[derive(Debug, Clone)]
pub struct SystemTables {
    ledger: Arc<Ledger>,
    store: Arc<dyn TableStore>,
    metastore: Arc<Metastore>,
}

impl SystemTables {
    /// The system tables kept by `ledger` and archived in `store`, with the trail of `metastore`.
    pub fn new(ledger: Arc<Ledger>, store: Arc<dyn TableStore>, metastore: Arc<Metastore>) -> Self {
        Self { ledger, store, metastore }
    }

    /// The latest requests for access, of all askers.
    pub(crate) async fn access_requests(&self) -> Result<Vec<AccessRequest>> {
        Ok(self.metastore.access_requests(REQUESTS_MAX).await?)
    }

    /// Opens a table of the books as of now.
    pub(crate) async fn open(&self, name: SystemTableName, reader: &Reader) -> Result<SystemTable> {
        // The journal first: what is flushed between the two reads then shows in both, and the
        // archive's number tells which rows to leave out.
        let pending = self.ledger.pending().await?;
        let journal = self.ledger.journal_id();
        let stored = self.store.open(name, &SegmentName::application_id(journal)).await?;
        let seen = stored.seen.unwrap_or(0);
        let entries: Vec<Arc<Entry>> = pending
            .into_iter()
            .filter(|segment| segment.number > seen)
            .flat_map(|segment| segment.ended)
            .collect();
        let (withheld, long_texts) = (name.withheld(reader), name.long_texts());
        let mut provider = JoinedTable::new(name.arrow_schema(), stored.provider, withheld, long_texts);
        if !entries.is_empty() {
            provider = provider.and(Arc::new(journal_rows::table(name, entries)?));
        }
        if name == SystemTableName::AccessAudit {
            let trail = Trail::table(Arc::clone(&self.metastore), self.ledger.account())?;
            provider = provider.and(Arc::new(trail));
        }
        let (owner, shown) = name.rows_of(reader);
        Ok(SystemTable { provider: Arc::new(provider), owner, shown })
    }
}

#[cfg(test)]
pub(crate) mod tests;
