//! Raw Delta tables for the enforcer: one pinned snapshot each.
//!
//! The catalog is looked at before the table's log is. A column that the log has and the catalog did not know may have
//! come, with its mask and tags, between the two looks: then the statement is told to try again, so that nobody reads
//! a column without what came with it.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use weir_catalog::{Metastore, Table};
use weir_enforce::open_table::OpenError;
use weir_enforce::{OpenTable, OpenedTable, PlannedFiles, ScanNumbers};
use weir_scan::{DeltaTables, PinnedTable, rows_read, scan_numbers};

use crate::error::{Condition, Error};
use crate::location::Locations;

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
    async fn open(&self, table: &Table) -> Result<OpenedTable, OpenError> {
        let location = self.locations.of(table)?;
        let location = location.ok_or_else(|| Error::internal("a view has no files"))?;
        let pinned = self
            .tables
            .open(&location)
            .await
            .map_err(|error| Error::from(error).about(&format!("table `{}`", table.name)))?;
        self.check_known(table, &pinned).await?;
        Ok(OpenedTable {
            provider: pinned.provider(),
            version: Some(pinned.version()),
            field_ids: pinned.field_ids().clone(),
            identified: Some(pinned.identified()?),
            numbers: Arc::new(DeltaNumbers(pinned)),
        })
    }
}

/// Counts the files of scans of one snapshot.
#[derive(Debug)]
struct DeltaNumbers(PinnedTable);

impl ScanNumbers for DeltaNumbers {
    fn planned(&self, inner: &Arc<dyn ExecutionPlan>) -> PlannedFiles {
        let files = scan_numbers(inner, &self.0);
        PlannedFiles {
            files_pruned: files.files_pruned,
            bytes_pruned: files.bytes_pruned,
            files_read: files.files_read,
            bytes_read: files.bytes_read,
        }
    }

    fn rows_read(&self, inner: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        rows_read(inner, &self.0)
    }
}
