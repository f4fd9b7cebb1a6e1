//! [`DiskRanges`]: byte ranges of files in far stores, kept on this machine's disk behind those in memory.
//!
//! Each range is a file of its own; what is where is known in memory alone, so that nothing of it outlives the process: what
//! another left is removed when the folder is opened. A range that is not read back as it was written is fetched again, and a
//! disk that takes no more costs nothing but the ranges that are not kept.
//!
//! Contents are what storage holds, before any filtering: the folder is this user's alone. Forgetting is by place, as for
//! ranges in memory, which is why the files are ours and not those of a library that knows single keys.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use moka::future::Cache;
use object_store::path::Path;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::range_cache::{Fetched, FileKey, RangeKey};

/// How the names of its files end.
const SUFFIX: &str = "range";

/// Ranges that are written at once; what comes while so many are under way is not kept.
const WRITES: usize = 16;

/// What a range costs beyond its bytes: the rest of its last block.
const BLOCK_BYTES: u64 = 4096;

/// Ranges on disk, shared by its clones.
#[derive(Clone)]
pub struct DiskRanges {
    entries: Cache<RangeKey, Arc<RangeFile>>,
    folder: Arc<FilePath>,
    /// Begins the names of this process's files.
    process: Uuid,
    named: Arc<AtomicU64>,
    writes: Arc<Semaphore>,
    held_bytes: Arc<AtomicU64>,
    /// How often something was forgotten: what was fetched before is not kept after.
    forgotten: Arc<AtomicU64>,
}

/// A file that goes when it is evicted, at the latest when nobody knows it any more.
struct RangeFile {
    path: PathBuf,
    length: u64,
    digest: u64,
    is_there: AtomicBool,
    held_bytes: Arc<AtomicU64>,
}

impl DiskRanges {
    /// Keeps at most so many bytes in `folder`, which is made where it does not exist, and emptied of ranges that were kept
    /// before.
    ///
    /// # Errors
    /// A folder that cannot be made, read, or made private.
    pub fn open(folder: &FilePath, capacity_bytes: u64) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == SUFFIX) {
                std::fs::remove_file(path)?;
            }
        }
        // Weighed in blocks, so that files of more than 4 GiB would count too.
        let weigh = |_: &RangeKey, file: &Arc<RangeFile>| u32::try_from(file.blocks()).unwrap_or(u32::MAX);
        let entries = Cache::builder()
            .name("byte ranges on disk")
            .max_capacity(capacity_bytes / BLOCK_BYTES)
            .weigher(weigh)
            .support_invalidation_closures()
            // An evicted value may be dropped much later.
            .eviction_listener(|_, file: Arc<RangeFile>, _| file.remove())
            .build();
        Ok(Self {
            entries,
            folder: folder.into(),
            process: Uuid::new_v4(),
            named: Arc::default(),
            writes: Arc::new(Semaphore::new(WRITES)),
            held_bytes: Arc::default(),
            forgotten: Arc::default(),
        })
    }

    /// Bytes of disk held now.
    pub fn used_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }

    /// Forgets everything at or below a path.
    pub(crate) fn forget(&self, below: Path) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        // Fails only without support for closures, which `open` asks for.
        let _predicate_id =
            self.entries.invalidate_entries_if(move |key, _| key.file.path.prefix_matches(&below));
    }

    /// The ranges, in the order asked. `fetch` gets those that are not here, must answer in the same order, and what it brings is
    /// kept.
    pub(crate) async fn read<F>(
        &self,
        file: &FileKey,
        ranges: &[Range<u64>],
        fetch: impl FnOnce(Vec<Range<u64>>) -> F,
    ) -> object_store::Result<Vec<Fetched>>
    where
        F: Future<Output = object_store::Result<Vec<Bytes>>>,
    {
        let mut found = Vec::with_capacity(ranges.len());
        let mut missing = Vec::new();
        for range in ranges {
            let kept = self.get(&RangeKey::new(file, range)).await;
            if kept.is_none() {
                missing.push(range.clone());
            }
            found.push(kept);
        }
        let forgotten = self.forgotten.load(Ordering::SeqCst);
        let fetched = if missing.is_empty() { Vec::new() } else { fetch(missing).await? };
        let mut fetched = fetched.into_iter();
        let mut read = Vec::with_capacity(ranges.len());
        for (range, kept) in ranges.iter().zip(found) {
            match kept {
                Some(bytes) => read.push(Fetched { bytes, is_from_storage: false }),
                // Too few answers are told by whoever asked.
                None => {
                    let Some(bytes) = fetched.next() else { break };
                    self.keep(RangeKey::new(file, range), bytes.clone(), forgotten);
                    read.push(Fetched { bytes, is_from_storage: true });
                }
            }
        }
        Ok(read)
    }

    async fn get(&self, key: &RangeKey) -> Option<Bytes> {
        let file = self.entries.get(key).await?;
        // reason: what cannot be read from disk is fetched again, which is what the caller does without it.
        let read = tokio::fs::read(&file.path).await.ok().filter(|bytes| file.is(bytes));
        if read.is_none() {
            self.entries.invalidate(key).await;
        }
        read.map(Bytes::from)
    }

    /// Writes a range in the background, unless something was forgotten since it was asked for.
    fn keep(&self, key: RangeKey, bytes: Bytes, forgotten: u64) {
        let Ok(permit) = Arc::clone(&self.writes).try_acquire_owned() else { return };
        let number = self.named.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{}-{number}.{SUFFIX}", self.process));
        let (entries, counted) = (self.entries.clone(), Arc::clone(&self.forgotten));
        let held_bytes = Arc::clone(&self.held_bytes);
        tokio::spawn(async move {
            // Made before the file is, so that a file which is written in part goes too.
            let file = Arc::new(RangeFile::new(path, &bytes, held_bytes));
            let is_written = tokio::fs::write(&file.path, &bytes).await.is_ok();
            if is_written && counted.load(Ordering::SeqCst) == forgotten {
                entries.insert(key, file).await;
            }
            drop(permit);
        });
    }

    /// Waits until nothing is being written.
    #[cfg(test)]
    pub(crate) async fn settled(&self) {
        let mut all = Vec::with_capacity(WRITES);
        for _ in 0..WRITES {
            all.push(self.writes.acquire().await);
        }
        drop(all);
        self.entries.run_pending_tasks().await;
    }
}

impl RangeFile {
    fn new(path: PathBuf, bytes: &[u8], held_bytes: Arc<AtomicU64>) -> Self {
        let file = Self {
            path,
            length: bytes.len() as u64,
            digest: digest(bytes),
            is_there: AtomicBool::new(true),
            held_bytes,
        };
        file.held_bytes.fetch_add(file.blocks() * BLOCK_BYTES, Ordering::Relaxed);
        file
    }

    fn blocks(&self) -> u64 {
        self.length.div_ceil(BLOCK_BYTES)
    }

    fn remove(&self) {
        if self.is_there.swap(false, Ordering::SeqCst) {
            self.held_bytes.fetch_sub(self.blocks() * BLOCK_BYTES, Ordering::Relaxed);
            // reason: a file that is left takes room until the folder is opened again; nothing is read from it.
            drop(std::fs::remove_file(&self.path));
        }
    }

    fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.length && digest(bytes) == self.digest
    }
}

impl Drop for RangeFile {
    fn drop(&mut self) {
        self.remove();
    }
}

impl fmt::Debug for DiskRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskRanges").field("used_bytes", &self.used_bytes()).finish_non_exhaustive()
    }
}

/// Tells damage, not forgery: the folder is this process's own.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
