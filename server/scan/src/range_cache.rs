//! Byte ranges of files that never change.
//!
//! Which files: Parquet data files and deletion vectors, whose names are never used twice, and checkpoints, which are
//! told apart by an entity tag as well because a dropped table may come back at the same path. Nothing else is ever in it.
//!
//! A range is looked up as it was asked for. All missing ranges of one read are fetched together; a range that somebody
//! else is fetching is waited for, not fetched twice. Who fetched from storage counts a miss, everybody else a hit.
//!
//! Contents are what storage holds, before any filtering.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::try_join_all;
use moka::future::Cache;
use object_store::path::Path;

/// What an entry costs beyond its bytes: key, pointers, bookkeeping.
const ENTRY_OVERHEAD_BYTES: usize = 256;

/// A cache of byte ranges, shared by its clones.
#[derive(Clone)]
pub struct RangeCache {
    entries: Cache<RangeKey, Bytes>,
}

/// A range of one file, as one version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RangeKey {
    pub(crate) file: FileKey,
    start: u64,
    end: u64,
}

impl RangeKey {
    pub(crate) fn new(file: &FileKey, range: &Range<u64>) -> Self {
        Self { file: file.clone(), start: range.start, end: range.end }
    }
}

/// A range that was not in memory.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    /// Else it came from this machine's disk, which is a hit.
    pub(crate) is_from_storage: bool,
}

/// A file that does not change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileKey {
    /// Root and path.
    pub(crate) path: Arc<Path>,
    /// Needed where a path may be used again for other contents.
    pub(crate) e_tag: Option<Arc<str>>,
}

/// An error that several waiting reads share.
type SharedError = Arc<object_store::Error>;

impl RangeCache {
    /// A cache that holds at most that many bytes; 0 keeps nothing.
    pub fn new(capacity_bytes: u64) -> Self {
        let weigh = |_: &RangeKey, bytes: &Bytes| {
            u32::try_from(bytes.len().saturating_add(ENTRY_OVERHEAD_BYTES)).unwrap_or(u32::MAX)
        };
        let entries = Cache::builder()
            .name("byte ranges")
            .max_capacity(capacity_bytes)
            .weigher(weigh)
            .support_invalidation_closures()
            .build();
        Self { entries }
    }

    /// Bytes held now, including bookkeeping. Eventually consistent.
    pub fn used_bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// Forgets everything at or below a path.
    pub(crate) fn forget(&self, below: Path) {
        // Fails only without support for closures, which `new` asks for.
        let _predicate_id =
            self.entries.invalidate_entries_if(move |key, _| key.file.path.prefix_matches(&below));
    }

    /// The ranges, in the order asked. `fetch` gets the missing ones and must answer in the same order.
    pub(crate) async fn read<F>(
        &self,
        file: &FileKey,
        ranges: &[Range<u64>],
        fetch: impl FnOnce(Vec<Range<u64>>) -> F,
    ) -> object_store::Result<Vec<Bytes>>
    where
        F: Future<Output = object_store::Result<Vec<Fetched>>>,
    {
        let meter = weir_meter::current();
        let mut found = Vec::with_capacity(ranges.len());
        let mut missing = Vec::new();
        let mut hit_bytes = 0;
        for range in ranges {
            let key = RangeKey::new(file, range);
            let bytes = self.entries.get(&key).await;
            match &bytes {
                Some(bytes) => hit_bytes += byte_count(bytes),
                None => missing.push((found.len(), key)),
            }
            found.push(bytes.unwrap_or_default());
        }

        let miss_bytes = AtomicU64::new(0);
        if !missing.is_empty() {
            let wanted: Vec<_> = missing.iter().map(|(_, key)| key.start..key.end).collect();
            let batch = fetch(wanted).map(|read| read.map(Arc::new).map_err(Arc::new)).shared();
            let reads = missing.into_iter().enumerate().map(|(position, (slot, key))| {
                let batch = batch.clone();
                let miss_bytes = &miss_bytes;
                let load = async move {
                    let fetched = take(batch.await?, position)?;
                    if fetched.is_from_storage {
                        miss_bytes.fetch_add(byte_count(&fetched.bytes), Ordering::Relaxed);
                    }
                    Ok::<_, SharedError>(fetched.bytes)
                };
                async move { self.entries.try_get_with(key, load).await.map(|bytes| (slot, bytes)) }
            });
            let read = try_join_all(reads).await.map_err(|error| own(Arc::unwrap_or_clone(error)))?;
            for (slot, bytes) in read {
                hit_bytes += byte_count(&bytes);
                if let Some(place) = found.get_mut(slot) {
                    *place = bytes;
                }
            }
        }

        if let Some(meter) = meter {
            let miss_bytes = miss_bytes.into_inner();
            meter.add_cache_hit(hit_bytes.saturating_sub(miss_bytes));
            meter.add_cache_miss(miss_bytes);
        }
        Ok(found)
    }
}

impl fmt::Debug for RangeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeCache").field("used_bytes", &self.used_bytes()).finish_non_exhaustive()
    }
}

fn byte_count(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn take(batch: Arc<Vec<Fetched>>, position: usize) -> Result<Fetched, SharedError> {
    batch.get(position).cloned().ok_or_else(|| {
        Arc::new(object_store::Error::Generic {
            store: "router",
            source: "a read returned too few ranges".into(),
        })
    })
}

/// Makes a shared error one's own again, keeping the kind that callers act on.
fn own(shared: SharedError) -> object_store::Error {
    match Arc::try_unwrap(shared) {
        Ok(error) => error,
        Err(shared) => match shared.as_ref() {
            object_store::Error::NotFound { path, .. } => {
                object_store::Error::NotFound { path: path.clone(), source: Box::new(shared) }
            }
            object_store::Error::PermissionDenied { path, .. } => {
                object_store::Error::PermissionDenied { path: path.clone(), source: Box::new(shared) }
            }
            object_store::Error::Precondition { path, .. } => {
                object_store::Error::Precondition { path: path.clone(), source: Box::new(shared) }
            }
            _ => object_store::Error::Generic { store: "router", source: Box::new(shared) },
        },
    }
}
