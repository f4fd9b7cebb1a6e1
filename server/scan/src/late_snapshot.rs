//! [`LateSnapshot`]: delta-rs's snapshot of a version, brought up to it once somebody needs it.
//!
//! delta-rs goes through all files of a table for each version that it comes to. Where the commits since an earlier version are
//! known to have changed files alone, what an earlier snapshot says of columns and properties holds, and reading needs no more
//! than the list of files that is kept here.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use deltalake::kernel::EagerSnapshot;
use deltalake::logstore::LogStoreRef;
use deltalake::{DeltaTable, DeltaTableError};
use tokio::sync::OnceCell;

/// The snapshot of one version.
pub(crate) struct LateSnapshot {
    version: u64,
    /// A table at this version, or at an earlier one that describes itself as this does.
    begun: DeltaTable,
    described: Arc<EagerSnapshot>,
    /// The table at this version, where the one above is at an earlier one.
    own: OnceCell<DeltaTable>,
}

impl LateSnapshot {
    /// Of the version that `table` has loaded.
    pub(crate) fn loaded(table: DeltaTable) -> Result<Self, DeltaTableError> {
        let described = Arc::new(table.snapshot()?.snapshot().clone());
        let version = described.version();
        Ok(Self { version, begun: table, described, own: OnceCell::new() })
    }

    /// Of a later version, up to which commits changed files alone.
    pub(crate) fn followed_by(&self, version: u64) -> Self {
        let described = Arc::clone(&self.described);
        Self { version, begun: self.begun(), described, own: OnceCell::new() }
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
        self.own.get().unwrap_or(&self.begun).clone()
    }

    /// The table at this version.
    pub(crate) async fn table(&self) -> Result<DeltaTable, DeltaTableError> {
        if self.is_own() {
            return Ok(self.begun.clone());
        }
        let replayed = || async {
            let mut table = self.begun.clone();
            table.update_incremental(Some(self.version)).await?;
            Ok(table)
        };
        self.own.get_or_try_init(replayed).await.cloned()
    }

    /// The snapshot of this version.
    pub(crate) async fn snapshot(&self) -> Result<Arc<EagerSnapshot>, DeltaTableError> {
        if self.is_own() {
            return Ok(Arc::clone(&self.described));
        }
        Ok(Arc::new(self.table().await?.snapshot()?.snapshot().clone()))
    }

    /// The same, for those who make plans.
    pub(crate) async fn planned(&self) -> Result<Arc<EagerSnapshot>, DataFusionError> {
        self.snapshot().await.map_err(|failure| DataFusionError::External(Box::new(failure)))
    }

    pub(crate) fn log_store(&self) -> LogStoreRef {
        self.begun.log_store()
    }
}
