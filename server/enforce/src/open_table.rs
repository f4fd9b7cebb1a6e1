//! The traits by which the enforcer gets raw tables, and what comes with them.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use weir_catalog::{Snapshot, Table};

use crate::caller::Caller;

/// An error of whoever opens tables; comes back as [`crate::Refusal::Open`].
pub type OpenError = Box<dyn std::error::Error + Send + Sync>;

/// Opens the raw table behind a catalog entry, pinned to one snapshot.
#[async_trait]
pub trait OpenTable: Debug + Send + Sync {
    /// The newest snapshot of `table` at this moment. Called at most once for each table and
    /// statement.
    async fn open(&self, table: &Table) -> Result<OpenedTable, OpenError> {
        self.open_within(table, Duration::ZERO).await
    }

    /// A snapshot of `table` that was the newest at some moment not longer than `age` ago.
    async fn open_within(&self, table: &Table, age: Duration) -> Result<OpenedTable, OpenError>;

    /// The snapshot of `table` that was the newest at `moment`, no later than its version `newest`. The columns, and the
    /// fields inside them, have the ids by which they are known in that version.
    async fn open_past(
        &self,
        table: &Table,
        newest: Option<u64>,
        moment: Moment,
    ) -> Result<OpenedTable, OpenError>;

    /// The changes made to `table` in a stretch of its history, which ends with its version `newest`.
    async fn open_changes(
        &self,
        table: &Table,
        newest: Option<u64>,
        stretch: Stretch,
    ) -> Result<OpenedChanges, OpenError>;
}

/// A stretch of a table's history, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// From this version, or the first commit at this moment or later.
    pub from: Moment,
    /// To this version, or the last commit up to this moment; to the newest where it is left out.
    pub to: Option<Moment>,
}

/// What happened to the rows of a table, one row for each change.
#[derive(Debug, Clone)]
pub struct OpenedChanges {
    /// Reads the changes. The columns are those of the last version, with the ids they have in the newest, then those
    /// of a change.
    pub opened: OpenedTable,
    /// The columns of a change.
    pub own: Vec<&'static str>,
    /// The columns that every version of the stretch has.
    pub throughout: HashSet<String>,
}

/// A point in a table's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A Delta version.
    Version(u64),
    /// Microseconds since 1970, in UTC.
    Time(i64),
}

/// A raw table at one snapshot.
#[derive(Debug, Clone)]
pub struct OpenedTable {
    /// Reads all rows of the snapshot. Never handed to a user's plan but inside a leaf.
    pub provider: Arc<dyn TableProvider>,
    /// The Delta version.
    pub version: Option<u64>,
    /// What tells it from another table that came to its place and has the same version. Never shown.
    pub mark: String,
    /// Column-mapping field ids by column name; empty where the table has none.
    pub field_ids: HashMap<String, i64>,
    /// The same ids of the fields inside a column that has such, each before those inside it, by the column's name. A column of
    /// which a field has none is not among them.
    pub inner_ids: HashMap<String, Vec<i64>>,
    /// Counts the files of a planned scan.
    pub numbers: Arc<dyn ScanNumbers>,
    /// The same rows for statements that change them. `None` where rows cannot be changed.
    pub identified: Option<Arc<dyn IdentifyRows>>,
}

/// Tells the rows of a snapshot apart. Asked by statements that change rows alone.
pub trait IdentifyRows: Debug + Send + Sync {
    /// The rows with columns behind the table's own that tell one from the other. Their names no statement can say.
    fn rows(&self) -> Result<Arc<dyn TableProvider>, OpenError>;
}

/// Tells how many files a planned scan of a table reads and how many it leaves out, and puts those it reads in order.
pub trait ScanNumbers: Debug + Send + Sync {
    /// The numbers of the scans of this table within `inner`.
    fn planned(&self, inner: &Arc<dyn ExecutionPlan>) -> PlannedFiles;

    /// How many rows the scans of this table within `inner` have read so far, those among them that
    /// a predicate threw away while reading; `None` where that is not counted.
    fn rows_read(&self, inner: &Arc<dyn ExecutionPlan>) -> Option<u64>;

    /// `inner` with its files read in the order of a column, as far as their statistics tell it; none where they do not.
    /// The rows are the same.
    fn in_order(
        &self,
        _inner: &Arc<dyn ExecutionPlan>,
        _column: &str,
        _descending: bool,
    ) -> Option<Arc<dyn ExecutionPlan>> {
        None
    }
}

/// The file numbers of one planned scan; sizes are bytes on storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlannedFiles {
    /// Files of the snapshot that need not be read.
    pub files_pruned: u64,
    /// Their size.
    pub bytes_pruned: u64,
    /// Files to be read.
    pub files_read: u64,
    /// Their size.
    pub bytes_read: u64,
}

impl PlannedFiles {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            files_pruned: self.files_pruned + other.files_pruned,
            bytes_pruned: self.bytes_pruned + other.bytes_pruned,
            files_read: self.files_read + other.files_read,
            bytes_read: self.bytes_read + other.bytes_read,
        }
    }
}

/// Opens the tables that the server itself provides: those of the catalog `system`, and every
/// catalog's `information_schema`.
#[async_trait]
pub trait OpenSystemTable: Debug + Send + Sync {
    /// The table as the caller reads it, or `None` where there is none of that name for the caller.
    async fn open(&self, request: SystemTableRequest<'_>) -> Result<Option<SystemTable>, OpenError>;
}

/// Which system table, for whom, and in which state of the catalog. The parts of the name are folded.
#[derive(Debug, Clone, Copy)]
pub struct SystemTableRequest<'a> {
    /// The catalog as the statement sees it.
    pub snapshot: &'a Arc<Snapshot>,
    /// The session user.
    pub caller: &'a Caller,
    /// The catalog of the table.
    pub catalog: &'a str,
    /// The schema of the table.
    pub schema: &'a str,
    /// The table.
    pub table: &'a str,
}

/// A table of the server's own.
#[derive(Debug, Clone)]
pub struct SystemTable {
    /// Reads all rows, of all users; or, without a field that names the user, those that this caller
    /// may read.
    pub provider: Arc<dyn TableProvider>,
    /// The field that names the user whose row it is: a column, or a column and fields of
    /// structs below it. The resolver leaves other users' rows out, but for account admins.
    pub user_field: Option<Vec<String>>,
    /// Which rows this caller reads, over the columns of the table, where a user's field does not
    /// say it. It holds for account admins too.
    pub shown: Option<Expr>,
}
