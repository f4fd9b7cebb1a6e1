//! Raw Delta tables for the enforcer: one pinned snapshot each.
//!
//! The catalog is looked at before the table's log is. A column that the log has and the catalog did not know may have
//! come, with its mask and tags, between the two looks: then the statement is told to try again, so that nobody reads
//! a column without what came with it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::ExecutionPlan;
use weir_catalog::{Metastore, Table};
use weir_enforce::open_table::OpenError;
use weir_enforce::{
    IdentifyRows, Moment, OpenTable, OpenedChanges, OpenedTable, PlannedFiles, ScanNumbers, Stretch,
};
use weir_scan::{
    CHANGE_COLUMNS, ChangeFeed, ColumnIds, DeltaTables, PinnedTable, in_order, rows_read, scan_numbers,
};

use crate::error::{Condition, Error};
use crate::location::Locations;
use crate::query::staleness::max_staleness;

/// Opens Delta tables where the catalog says they lie.
#[derive(Debug)]
pub struct OpenDelta {
    metastore: Arc<Metastore>,
    tables: Arc<DeltaTables>,
    locations: Arc<Locations>,
}

impl OpenDelta {
    /// An opener for tables at `locations`.
    pub fn new(metastore: Arc<Metastore>, tables: Arc<DeltaTables>, locations: Arc<Locations>) -> Self {
        Self { metastore, tables, locations }
    }

    /// A version that was the newest at some moment not longer than `age` ago, or as old as the table's owner allows.
    async fn recent(&self, table: &Table, age: Duration) -> Result<PinnedTable, Error> {
        let age = max_staleness(&table.properties)?.map_or(age, |allowed| allowed.max(age));
        let opening = self.tables.open_within(&self.locations.of_stored(table)?, age).await;
        opening.map_err(|error| about(table, error))
    }

    /// The newest version at this moment.
    async fn pinned(&self, table: &Table) -> Result<PinnedTable, Error> {
        let location = self.locations.of_stored(table)?;
        let opening = self.tables.open(&location).await;
        opening.map_err(|error| about(table, error))
    }

    /// The version that the statement has pinned.
    async fn pinned_at(&self, table: &Table, newest: Option<u64>) -> Result<PinnedTable, Error> {
        let pinned = self.pinned(table).await?;
        let Some(newest) = newest else { return Ok(pinned) };
        let opening = self.tables.open_version(&pinned, newest).await;
        opening.map_err(|error| about(table, error))
    }

    /// Refuses a table whose columns the catalog knows better by now than `table` does.
    async fn check_known(&self, table: &Table, pinned: &PinnedTable) -> Result<(), Error> {
        let schema = pinned.schema();
        let known: HashSet<String> = table.columns.iter().map(|column| column.name.to_lowercase()).collect();
        let names = schema.fields().iter().map(|field| field.name().to_lowercase());
        let unknown: Vec<String> = names.filter(|name| !known.contains(name)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let newest = self.metastore.newest_snapshot().await?;
        let known = newest.table_by_id(table.id);
        if known.is_some_and(|known| unknown.iter().any(|name| known.column(name).is_some())) {
            let message = format!("the columns of table `{}` were altered at the same time", table.name);
            return Err(Error::new(Condition::ConcurrentModification, message).with_hint("try again"));
        }
        Ok(())
    }
}

#[async_trait]
impl OpenTable for OpenDelta {
    async fn open_within(&self, table: &Table, age: Duration) -> Result<OpenedTable, OpenError> {
        let pinned = self.recent(table, age).await?;
        self.check_known(table, &pinned).await?;
        let ids = pinned.ids().clone();
        let identified: Arc<dyn IdentifyRows> = Arc::new(DeltaRows(pinned.clone()));
        Ok(OpenedTable { identified: Some(identified), ..opened(pinned, ids) })
    }

    async fn open_past(
        &self,
        table: &Table,
        newest: Option<u64>,
        moment: Moment,
    ) -> Result<OpenedTable, OpenError> {
        let of_table = |error| about(table, error);
        let pinned = self.pinned_at(table, newest).await?;
        let version = match moment {
            Moment::Version(version) => version,
            Moment::Time(micros) => self.tables.version_at(&pinned, micros).await.map_err(of_table)?,
        };
        let past = self.tables.open_version(&pinned, version).await.map_err(of_table)?;
        let ids = past.ids_in(&pinned).ok_or_else(|| {
            let message = format!("table `{}` is another one since that version", table.name);
            Error::new(Condition::VersionNotFound, message)
        })?;
        Ok(opened(past, ids))
    }

    async fn open_changes(
        &self,
        table: &Table,
        newest: Option<u64>,
        stretch: Stretch,
    ) -> Result<OpenedChanges, OpenError> {
        let of_table = |error| about(table, error);
        let pinned = self.pinned_at(table, newest).await?;
        let first = match stretch.from {
            Moment::Version(version) => version,
            Moment::Time(micros) => self.tables.version_from(&pinned, micros).await.map_err(of_table)?,
        };
        let last = match stretch.to {
            None => pinned.version(),
            Some(Moment::Version(version)) => version,
            Some(Moment::Time(micros)) => self.tables.version_at(&pinned, micros).await.map_err(of_table)?,
        };
        // A start after the newest version is told as a version that is not there.
        let last = if stretch.to.is_none() { last.max(first) } else { last };
        let feed = self.tables.changes(&pinned, first, last).await.map_err(of_table)?;
        let ids = feed.last().ids_in(&pinned).ok_or_else(|| {
            let message = format!("table `{}` is another one since that version", table.name);
            Error::new(Condition::VersionNotFound, message)
        })?;
        let throughout = feed.throughout().clone();
        let opened = OpenedTable {
            provider: feed.provider(),
            version: Some(pinned.version()),
            mark: pinned.mark(),
            field_ids: ids.columns,
            inner_ids: ids.inside,
            numbers: Arc::new(FeedNumbers(feed)),
            identified: None,
        };
        Ok(OpenedChanges { opened, own: CHANGE_COLUMNS.to_vec(), throughout })
    }
}

/// A failure of a table's storage, with its name.
fn about(table: &Table, error: weir_scan::Error) -> Error {
    Error::from(error).about(&format!("table `{}`", table.name))
}

fn opened(pinned: PinnedTable, ids: ColumnIds) -> OpenedTable {
    OpenedTable {
        provider: pinned.provider(),
        version: Some(pinned.version()),
        mark: pinned.mark(),
        field_ids: ids.columns,
        inner_ids: ids.inside,
        numbers: Arc::new(DeltaNumbers(pinned)),
        // Nobody changes rows of the past.
        identified: None,
    }
}

/// The rows of one snapshot, each known by its file and place.
#[derive(Debug)]
struct DeltaRows(PinnedTable);

impl IdentifyRows for DeltaRows {
    fn rows(&self) -> Result<Arc<dyn TableProvider>, OpenError> {
        Ok(self.0.identified())
    }
}

/// Counts the files of scans of changes.
#[derive(Debug)]
struct FeedNumbers(ChangeFeed);

impl ScanNumbers for FeedNumbers {
    fn planned(&self, inner: &Arc<dyn ExecutionPlan>) -> PlannedFiles {
        told(self.0.numbers(inner))
    }

    fn rows_read(&self, inner: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        self.0.rows_read(inner)
    }
}

fn told(files: weir_scan::PlannedFiles) -> PlannedFiles {
    PlannedFiles {
        files_pruned: files.files_pruned,
        bytes_pruned: files.bytes_pruned,
        files_read: files.files_read,
        bytes_read: files.bytes_read,
    }
}

/// Counts the files of scans of one snapshot.
#[derive(Debug)]
struct DeltaNumbers(PinnedTable);

impl ScanNumbers for DeltaNumbers {
    fn planned(&self, inner: &Arc<dyn ExecutionPlan>) -> PlannedFiles {
        told(scan_numbers(inner, &self.0))
    }

    fn rows_read(&self, inner: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        rows_read(inner, &self.0)
    }

    fn in_order(
        &self,
        inner: &Arc<dyn ExecutionPlan>,
        column: &str,
        descending: bool,
    ) -> Option<Arc<dyn ExecutionPlan>> {
        in_order(inner, column, descending)
    }
}
