//! Opens, creates and extends tables. Each open gives the newest version at that moment.
//!
//! The newest known snapshot of a table stays in memory. It is the newest one still if its own commit is unchanged on
//! storage and the commit after it does not exist: commits are numbered without gaps and are cleaned up oldest first. So an
//! open asks for two files however long the log is. A commit that changed means that another table came to the place, and
//! the snapshot is dropped.
//!
//! ```text
//! none ──load──▶ known ──next commit exists──▶ incremental update ──▶ known
//!   ▲              │ own commit changed or gone
//!   └──────────────┘
//! ```
//!
//! Versions before the newest stay in memory as well, for as long as somebody reads them again and again. Both take memory within
//! a budget ([`SnapshotBudget`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datafusion::error::DataFusionError;
use deltalake::kernel::Action;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::logstore::{LogStoreRef, StorageConfig, commit_uri_from_version, default_logstore};
use deltalake::protocol::DeltaOperation;
use deltalake::{DeltaTable, DeltaTableError};
use futures::{StreamExt, stream};
use moka::ops::compute::Op;
use moka::sync::Cache;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::{Mutex, RwLock};
use tokio::time::Instant;

use crate::config::Config;
use crate::error::{self, Error, Result};
use crate::location::TableLocation;
use crate::own_commit::OwnCommit;
use crate::own_files::{self, OwnFolder};
use crate::pinned_table::PinnedTable;
use crate::protocol;
use crate::router::Router;
use crate::snapshot_budget::{SnapshotBudget, bytes_of};

/// How many files are looked at together when a failed read is explained.
const DIAGNOSED_AT_ONCE: usize = 16;
/// Every Parquet file ends with this.
const PARQUET_MAGIC: &[u8] = b"PAR1";
/// A version before the newest that nobody has read for so long is forgotten.
const PAST_IDLE: Duration = Duration::from_secs(300);

/// The tables of all storage roots.
#[derive(Debug)]
pub struct DeltaTables {
    router: Arc<Router>,
    slots: Cache<TableLocation, Arc<Slot>>,
    past: Cache<PastKey, PinnedTable>,
    begun: Instant,
}

/// A version before the newest, and the entity tag of its commit.
type PastKey = (TableLocation, u64, String);

/// What is known of one table.
#[derive(Debug, Default)]
struct Slot {
    known: RwLock<Option<PinnedTable>>,
    /// When it was last seen that what is known is the newest, in microseconds of [`DeltaTables::now`]; 0 for never.
    seen_at: AtomicU64,
    /// What is known takes so much memory, about.
    bytes: AtomicU64,
    /// Held while the table is loaded or updated, so that this happens once however many wait.
    turn: Mutex<()>,
}

enum Freshness {
    Newest,
    Behind,
    Replaced,
}

impl DeltaTables {
    /// The tables that the router reaches.
    pub fn new(router: Arc<Router>, config: Config) -> Self {
        let tables = config.snapshot_cache_tables;
        let newest = SnapshotBudget::new(config.snapshot_cache_bytes, tables);
        let past = SnapshotBudget::new(config.past_snapshot_cache_bytes, tables);
        Self {
            router,
            slots: newest.cache(None, |slot: &Arc<Slot>| slot.bytes.load(Ordering::Relaxed)),
            past: past.cache(Some(PAST_IDLE), bytes_of),
            begun: Instant::now(),
        }
    }

    /// The router.
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Tables whose newest snapshot is kept in memory, about.
    pub fn known(&self) -> u64 {
        self.slots.entry_count()
    }

    /// Versions before the newest that are kept in memory.
    pub(crate) fn past(&self) -> &Cache<PastKey, PinnedTable> {
        &self.past
    }

    /// A version that was the newest of a table at some moment not longer than `age` ago. Storage is asked where that is not
    /// known.
    pub async fn open_within(&self, location: &TableLocation, age: Duration) -> Result<PinnedTable> {
        if let Some(slot) = self.slots.get(location)
            && self.is_within(&slot, age)
            && let Some(known) = slot.known.read().await.as_ref()
        {
            return Ok(known.clone());
        }
        self.open(location).await
    }

    fn is_within(&self, slot: &Slot, age: Duration) -> bool {
        let seen_at = slot.seen_at.load(Ordering::Relaxed);
        seen_at > 0 && u128::from(self.now().saturating_sub(seen_at)) < age.as_micros()
    }

    /// Microseconds since there are these tables, and one.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The next open asks storage, whatever age it takes: somebody else changed the table.
    pub(crate) fn doubt(&self, location: &TableLocation) {
        if let Some(slot) = self.slots.get(location) {
            slot.seen_at.store(0, Ordering::Relaxed);
        }
    }

    /// The newest version of a table.
    pub async fn open(&self, location: &TableLocation) -> Result<PinnedTable> {
        let slot = self.slots.get_with(location.clone(), Arc::default);
        let asked_at = self.now();
        let table = self.newest(location, &slot).await?;
        slot.seen_at.fetch_max(asked_at, Ordering::Relaxed);
        Ok(table)
    }

    async fn newest(&self, location: &TableLocation, slot: &Arc<Slot>) -> Result<PinnedTable> {
        if let Some(table) = self.newest_known(slot).await? {
            return Ok(table);
        }
        let _turn = slot.turn.lock().await;
        if let Some(table) = self.newest_known(slot).await? {
            return Ok(table);
        }
        let known = slot.known.read().await.clone();
        let table = match known {
            Some(known) => match self.freshness(&known).await? {
                Freshness::Newest => known,
                Freshness::Behind => self.update(known).await?,
                Freshness::Replaced => {
                    self.router.forget(location);
                    self.load(location).await?
                }
            },
            None => self.load(location).await?,
        };
        self.remember(slot, table.clone()).await?;
        Ok(table)
    }

    /// Drops what is kept in memory of a table, after it was dropped.
    pub fn forget(&self, location: &TableLocation) {
        self.slots.invalidate(location);
        self.router.forget(location);
    }

    /// Drops what is kept in memory of all tables.
    pub fn clear(&self) {
        self.slots.invalidate_all();
        self.past.invalidate_all();
        self.router.clear();
    }

    /// Says why reading a table failed, by looking at its files: the first that is missing, has another size than the log
    /// says, or does not end like a Parquet file.
    pub async fn diagnose(&self, table: &PinnedTable, failure: DataFusionError) -> Error {
        let location = table.location();
        let Ok(snapshot) = table.snapshot().await else { return error::read_failure(location, failure) };
        let Ok(files) = snapshot.try_log_data() else { return error::read_failure(location, failure) };
        let mounted = location.mounted_path();
        let files: Vec<(Path, u64)> = files
            .iter()
            .map(|file| {
                let path = mounted.parts().chain(file.object_store_path().parts()).collect();
                (path, u64::try_from(file.size()).unwrap_or(0))
            })
            .collect();
        let checks = stream::iter(files).map(|(path, size)| self.check_file(path, size));
        let mut found = std::pin::pin!(checks.buffered(DIAGNOSED_AT_ONCE));
        while let Some(state) = found.next().await {
            match state {
                FileState::Sound => {}
                FileState::Missing(path) => {
                    return Error::MissingFile { path: path.to_string(), source: Box::new(failure) };
                }
                FileState::Damaged(path) => {
                    return Error::CorruptFile { path: Some(path.to_string()), source: Box::new(failure) };
                }
            }
        }
        error::read_failure(location, failure)
    }

    async fn check_file(&self, path: Path, size: u64) -> FileState {
        match self.router.head(&path).await {
            Err(object_store::Error::NotFound { .. }) => FileState::Missing(path),
            Ok(found) if found.size != size => FileState::Damaged(path),
            Ok(found) => {
                let tail = found.size.saturating_sub(4)..found.size;
                match self.router.get_range(&path, tail).await {
                    Ok(bytes) if bytes.as_ref() != PARQUET_MAGIC => FileState::Damaged(path),
                    _ => FileState::Sound,
                }
            }
            // A store that does not answer says nothing about the file.
            Err(_) => FileState::Sound,
        }
    }

    pub(crate) fn log_store(&self, location: &TableLocation) -> Result<LogStoreRef> {
        let root = OwnFolder::of(location, Arc::clone(&self.router) as _);
        let table = PrefixStore::new(Arc::clone(&root), location.mounted_path());
        let log = default_logstore(Arc::new(table), root, &location.url()?, &StorageConfig::default());
        Ok(OwnCommit::new(log))
    }

    /// Keeps a version that was just committed, unless a newer one is known already, and looks after its log.
    pub(crate) async fn committed(&self, table: PinnedTable) {
        let slot = self.slots.get_with(table.location().clone(), Arc::default);
        let turn = slot.turn.lock().await;
        let newer = slot.known.read().await.as_ref().is_some_and(|known| known.version() >= table.version());
        // reason: the commit is made; where storage does not answer, the next open asks it
        if !newer && self.remember(&slot, table.clone()).await.is_err() {
            self.doubt(table.location());
        }
        drop(turn);
        self.keep_log(&table).await;
    }

    /// Commits on `table` without what delta-rs does afterwards, which goes through all files. Gives the number of its version, and the newest
    /// then; the commit is made where that cannot be read.
    pub(crate) async fn commit(
        &self,
        table: &PinnedTable,
        actions: Vec<Action>,
        properties: CommitProperties,
        operation: DeltaOperation,
    ) -> Result<(u64, Result<PinnedTable>)> {
        let (location, snapshot) = (table.location(), table.snapshot().await?);
        own_files::check_named(location, &actions)?;
        let commit = CommitBuilder::from(properties).with_actions(actions).build(
            Some(snapshot.as_ref()),
            table.log_store(),
            operation,
        );
        let committed = async { commit.into_prepared_commit_future().await?.await };
        let version = match committed.await {
            Ok(committed) => committed.version,
            Err(failure) => {
                self.doubt(location);
                return Err(error::commit_failure(location, failure));
            }
        };
        let newest = self.open(location).await;
        match &newest {
            Ok(table) => self.keep_log(table).await,
            Err(_) => self.doubt(location),
        }
        Ok((version, newest))
    }

    async fn remember(&self, slot: &Arc<Slot>, table: PinnedTable) -> Result<()> {
        let commit_tag = self.commit_tag(&table, table.version()).await?;
        table.tagged(commit_tag.as_deref());
        let location = table.location().clone();
        slot.bytes.store(bytes_of(&table), Ordering::Relaxed);
        *slot.known.write().await = Some(table);
        self.weigh(&location, slot);
        Ok(())
    }

    /// Has a slot weighed anew, unless the table was forgotten meanwhile or has another one.
    fn weigh(&self, location: &TableLocation, slot: &Arc<Slot>) {
        self.slots.entry_by_ref(location).and_compute_with(|known| match known {
            Some(known) if Arc::ptr_eq(known.value(), slot) => Op::Put(Arc::clone(slot)),
            _ => Op::Nop,
        });
    }

    async fn newest_known(&self, slot: &Slot) -> Result<Option<PinnedTable>> {
        let known = slot.known.read().await.clone();
        match known {
            Some(known) => match self.freshness(&known).await? {
                Freshness::Newest => Ok(Some(known)),
                Freshness::Behind | Freshness::Replaced => Ok(None),
            },
            None => Ok(None),
        }
    }

    async fn freshness(&self, known: &PinnedTable) -> Result<Freshness> {
        let version = known.version();
        let (own, following) = futures::try_join!(
            self.commit_tag(known, version),
            self.commit_tag(known, version.saturating_add(1)),
        )?;
        Ok(match (known.tag(), own) {
            (Some(before), Some(now)) if before == now => {
                if following.is_some() {
                    Freshness::Behind
                } else {
                    Freshness::Newest
                }
            }
            _ => Freshness::Replaced,
        })
    }

    /// The entity tag of a commit, if it exists.
    pub(crate) async fn commit_tag(&self, table: &PinnedTable, version: u64) -> Result<Option<String>> {
        match self.router.head(&commit_path(table.location(), version)).await {
            // A store without tags still tells a commit by size and time.
            Ok(found) => {
                let fallback = || format!("{}-{}", found.size, found.last_modified.timestamp_micros());
                Ok(Some(found.e_tag.clone().unwrap_or_else(fallback)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error::from_store(table.location(), error)),
        }
    }

    async fn load(&self, location: &TableLocation) -> Result<PinnedTable> {
        let mut table = DeltaTable::new(self.log_store(location)?);
        match table.load().await {
            Ok(()) => PinnedTable::new(location.clone(), table),
            Err(failure) if self.has_log(location).await? => Err(self.explain(location, failure).await),
            Err(_) => Err(Error::NoDeltaLog { table: location.clone() }),
        }
    }

    async fn update(&self, table: PinnedTable) -> Result<PinnedTable> {
        if let Some(table) = self.followed(&table).await {
            return Ok(table);
        }
        let location = table.location().clone();
        let mut delta = table.log().begun();
        match delta.update_incremental(None).await {
            Ok(()) => PinnedTable::new(location, delta),
            Err(failure) => Err(self.explain(&location, failure).await),
        }
    }

    pub(crate) async fn explain(&self, location: &TableLocation, failure: DeltaTableError) -> Error {
        match error::from_delta(location, failure) {
            damaged @ Error::CorruptLog { .. } => {
                protocol::unsupported(&self.router, location).await.unwrap_or(damaged)
            }
            other => other,
        }
    }

    /// Whether a commit or a checkpoint lies at the location.
    async fn has_log(&self, location: &TableLocation) -> Result<bool> {
        let log = location.log_path();
        let mut files = self.router.list(Some(&log));
        while let Some(file) = files.next().await {
            let file = file.map_err(|failure| error::from_store(location, failure))?;
            let name = file.location.filename().unwrap_or_default();
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where a commit lies within the router.
pub(crate) fn commit_path(location: &TableLocation, version: u64) -> Path {
    let file = commit_uri_from_version(Some(version));
    location.mounted_path().parts().chain(file.parts()).collect()
}

enum FileState {
    Sound,
    Missing(Path),
    Damaged(Path),
}
