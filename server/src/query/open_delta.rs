//! Raw Delta tables for the enforcer: one pinned snapshot each.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use weir_catalog::Table;
use weir_enforce::open_table::OpenError;
use weir_enforce::{OpenTable, OpenedTable, PlannedFiles, ScanNumbers};
use weir_scan::{DeltaTables, PinnedTable, rows_read, scan_numbers};

use crate::error::Error;
use crate::location::Locations;

/// Opens Delta tables where the catalog says they lie.
#[derive(Debug)]
pub struct OpenDelta {
    tables: Arc<DeltaTables>,
    locations: Arc<Locations>,
}

impl OpenDelta {
    /// An opener for tables at `locations`.
    pub fn new(tables: Arc<DeltaTables>, locations: Arc<Locations>) -> Self {
        Self { tables, locations }
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
        Ok(OpenedTable {
            provider: pinned.provider(),
            version: Some(pinned.version()),
            field_ids: pinned.field_ids().clone(),
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
