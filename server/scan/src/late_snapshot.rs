//! [`LateSnapshot`]: delta-rs's snapshot of a version, brought up to it once somebody needs it.
//!
//! delta-rs goes through all files of a table for each version that it comes to. Where the commits since an earlier version are
//! known to have changed files alone, what an earlier snapshot says of columns and properties holds, and reading needs no more
//! than the list of files that is kept here.

use std::sync::Arc;

use datafusion::common::resources_err;
use datafusion::error::DataFusionError;
use deltalake::DeltaTable;
use deltalake::kernel::EagerSnapshot;
use deltalake::logstore::LogStoreRef;
use tokio::sync::OnceCell;

use crate::error::Result;
use crate::location::TableLocation;
use crate::{error, own_files};

/// A plan of delta-rs holds masks of at most so many rows in memory, a byte for each.
const MASK_ROWS_MAX: u64 = 1 << 32;

/// The snapshot of one version.
pub(crate) struct LateSnapshot {
    location: TableLocation,
    version: u64,
    /// A table at this version, or at an earlier one that describes itself as this does.
    begun: DeltaTable,
    described: Arc<EagerSnapshot>,
    /// Rows of the masks of its deletion vectors.
    masked: u64,
    /// The table at this version, where the one above is at an earlier one.
    own: OnceCell<(DeltaTable, Arc<EagerSnapshot>, u64)>,
}

impl LateSnapshot {
    /// Of the version that `table` has loaded.
    pub(crate) fn loaded(location: &TableLocation, table: DeltaTable) -> Result<Self> {
        let (described, masked) = own_snapshot(location, &table)?;
        let version = described.version();
        let (location, own) = (location.clone(), OnceCell::new());
        Ok(Self { location, version, begun: table, described, masked, own })
    }

    /// Of a later version, up to which commits changed files alone.
    pub(crate) fn followed_by(&self, version: u64) -> Self {
        let described = Arc::clone(&self.described);
        Self {
            location: self.location.clone(),
            version,
            begun: self.begun(),
            described,
            masked: self.masked,
            own: OnceCell::new(),
        }
    }

    /// Where the table lies.
    pub(crate) fn location(&self) -> &TableLocation {
        &self.location
    }

    /// Its version.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// A snapshot with the columns, properties and protocol of this version. Its files and its number may be an earlier one's.
    pub(crate) fn described(&self) -> &Arc<EagerSnapshot> {
        &self.described
    }

    /// Whether [`LateSnapshot::described`] is this version's in all.
    pub(crate) fn is_own(&self) -> bool {
        self.described.version() == self.version
    }

    /// The table at this version, or at an earlier one.
    pub(crate) fn begun(&self) -> DeltaTable {
        self.own.get().map_or(&self.begun, |(table, ..)| table).clone()
    }

    /// The table at this version.
    pub(crate) async fn table(&self) -> Result<DeltaTable> {
        match self.is_own() {
            true => Ok(self.begun.clone()),
            false => Ok(self.replayed().await?.0.clone()),
        }
    }

    /// The snapshot of this version.
    pub(crate) async fn snapshot(&self) -> Result<Arc<EagerSnapshot>> {
        match self.is_own() {
            true => Ok(Arc::clone(&self.described)),
            false => Ok(Arc::clone(&self.replayed().await?.1)),
        }
    }

    async fn replayed(&self) -> Result<&(DeltaTable, Arc<EagerSnapshot>, u64)> {
        let replay = || async {
            let mut table = self.begun.clone();
            let updated = table.update_incremental(Some(self.version)).await;
            updated.map_err(|failure| error::from_delta(&self.location, failure))?;
            let (snapshot, masked) = own_snapshot(&self.location, &table)?;
            Ok((table, snapshot, masked))
        };
        self.own.get_or_try_init(replay).await
    }

    /// The same, for those who make plans that read no deletion vectors but those that they bound themselves.
    pub(crate) async fn bounded(&self) -> Result<Arc<EagerSnapshot>, DataFusionError> {
        self.snapshot().await.map_err(|failure| DataFusionError::External(Box::new(failure)))
    }

    /// The same, for those who make plans over all files. Refused where the masks of deletion vectors take too much memory.
    pub(crate) async fn planned(&self) -> Result<Arc<EagerSnapshot>, DataFusionError> {
        let snapshot = self.bounded().await?;
        let masked = match self.is_own() {
            true => self.masked,
            false => self.own.get().map_or(0, |(.., masked)| *masked),
        };
        mask_fits(masked)?;
        Ok(snapshot)
    }

    pub(crate) fn log_store(&self) -> LogStoreRef {
        self.begun.log_store()
    }
}

/// Refuses masks of so many rows in one plan.
pub(crate) fn mask_fits(rows: u64) -> Result<(), DataFusionError> {
    match rows <= MASK_ROWS_MAX {
        true => Ok(()),
        false => resources_err!("the deletion vectors of the files that are read take too much memory"),
    }
}

/// What `table` has loaded, made of its own files, and how many rows the masks of its deletion vectors have.
fn own_snapshot(location: &TableLocation, table: &DeltaTable) -> Result<(Arc<EagerSnapshot>, u64)> {
    let state = table.snapshot().map_err(|failure| error::from_delta(location, failure))?;
    let masked = own_files::check(location, state.snapshot())?;
    Ok((Arc::new(state.snapshot().clone()), masked))
}
