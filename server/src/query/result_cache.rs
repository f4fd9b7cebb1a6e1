//! [`ResultCache`]: small results, kept in memory and given again to whoever would get the same rows.
//!
//! The key is the statement's [mark](StatementMark): everything that the rows depend on, by value. So two users with the same
//! effective policies share a result, and a commit, a grant, a group or a policy that changes what one sees makes another
//! key. What is looked up has been authorised, planned and governed like any statement; the cache spares the running alone.
//!
//! Statements that ask for the time or for chance, that read tables without versions (the books), or that opted out are
//! neither answered from it nor kept.

use std::fmt;
use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use moka::sync::Cache;
use weir_enforce::{GovernedPlan, ScannedLeaf};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::digest::Mark;
use crate::query::statement_mark::StatementMark;

/// What an entry takes beside its rows: the key, and what the cache keeps about it.
const ENTRY_BYTES: u64 = 512;

/// What is kept of one leaf.
const LEAF_BYTES: u64 = 24;

/// What a batch takes beside its columns' buffers.
const BATCH_BYTES: u64 = 256;

/// Small results by what they depend on.
#[derive(Clone)]
pub struct ResultCache {
    results: Option<Cache<Mark, Arc<KeptResult>>>,
    result_bytes_max: u64,
}

/// Rows that were given, in the types of the wire.
#[derive(Debug)]
pub struct KeptResult {
    batches: Vec<RecordBatch>,
    /// What each leaf looked at and let pass, in the order of the plan.
    leaves: Vec<(Option<u64>, u64)>,
    bytes: u64,
}

/// A result on its way out, as long as it is small enough to be kept.
#[derive(Debug)]
pub struct Collected {
    cache: ResultCache,
    key: Mark,
    batches: Vec<RecordBatch>,
    bytes: u64,
}

impl fmt::Debug for ResultCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultCache")
            .field("result_bytes_max", &self.result_bytes_max)
            .finish_non_exhaustive()
    }
}

impl ResultCache {
    /// A cache of `bytes` at most, of results of `result_bytes_max` each at most. Zero keeps nothing.
    pub fn new(bytes: u64, result_bytes_max: u64) -> Self {
        let results = (bytes > 0 && result_bytes_max > 0).then(|| {
            Cache::builder()
                .max_capacity(bytes)
                // reason: a result beyond four gigabytes weighs as much as the whole of most caches
                .weigher(|_, kept: &Arc<KeptResult>| u32::try_from(kept.bytes).unwrap_or(u32::MAX))
                .build()
        });
        Self { results, result_bytes_max }
    }

    /// The key of a query that comes to `mark`; none where it is not to be answered by what is kept.
    pub fn key(&self, context: &Context, mark: Option<StatementMark>) -> Option<Mark> {
        let wanted = context.takes_kept_results && context.session.use_cached_result;
        let mark = mark.filter(|mark| self.results.is_some() && wanted && mark.reads_tables)?;
        Some(mark.mark)
    }

    /// What is kept under `key`.
    pub fn get(&self, key: &Mark) -> Option<Arc<KeptResult>> {
        self.results.as_ref()?.get(key)
    }

    /// A result that is to be kept under `key` once it is whole.
    pub fn collecting(&self, key: Mark) -> Collected {
        Collected { cache: self.clone(), key, batches: Vec::new(), bytes: ENTRY_BYTES }
    }

    /// Keeps nothing of what was given so far.
    pub fn clear(&self) {
        if let Some(results) = &self.results {
            results.invalidate_all();
        }
    }

    /// The bytes that the cache holds now.
    pub fn bytes(&self) -> u64 {
        self.results.as_ref().map_or(0, |results| {
            results.run_pending_tasks();
            results.weighted_size()
        })
    }
}

impl KeptResult {
    /// What the leaves of `plan`, which is the same plan for its caller, let pass when the rows were read.
    pub fn passed(&self, plan: &GovernedPlan) -> Vec<ScannedLeaf> {
        let mut leaves = plan.scanned();
        if leaves.len() == self.leaves.len() {
            for (leaf, (rows_in, rows_out)) in leaves.iter_mut().zip(&self.leaves) {
                (leaf.rows_in, leaf.rows_out) = (*rows_in, *rows_out);
            }
        }
        leaves
    }

    /// Its rows, which have this schema.
    pub fn rows(&self, schema: &SchemaRef) -> SendableRecordBatchStream {
        let batches: Vec<_> = self.batches.iter().cloned().map(Ok).collect();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), futures::stream::iter(batches)))
    }
}

impl Collected {
    /// Takes one more batch; nothing comes back when the result has become too large to be kept.
    pub fn with(mut self, batch: &RecordBatch) -> Option<Self> {
        // reason: what cannot be copied is not kept, and goes out all the same
        let batch = alone(batch).ok()?;
        self.bytes = self.bytes.saturating_add(batch.get_array_memory_size() as u64 + BATCH_BYTES);
        if self.bytes > self.cache.result_bytes_max {
            return None;
        }
        self.batches.push(batch);
        Some(self)
    }

    /// The result is whole; `leaves` are those of the plan that gave it.
    pub fn keep(self, leaves: &[ScannedLeaf]) {
        let Self { cache, key, batches, bytes } = self;
        let leaves: Vec<_> = leaves.iter().map(|leaf| (leaf.rows_in, leaf.rows_out)).collect();
        let bytes = bytes.saturating_add(LEAF_BYTES.saturating_mul(leaves.len() as u64));
        if let Some(results) = &cache.results {
            results.insert(key, Arc::new(KeptResult { batches, leaves, bytes }));
        }
    }
}

/// The rows without the rest of the buffers that they may be a small part of.
fn alone(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut used = 0_usize;
    for column in batch.columns() {
        used = used.saturating_add(column.to_data().get_slice_memory_size().map_err(Error::internal)?);
    }
    if batch.get_array_memory_size() <= used.saturating_mul(2) {
        return Ok(batch.clone());
    }
    // a single batch would be passed through uncopied
    let nothing = batch.slice(0, 0);
    concat_batches(batch.schema_ref(), [&nothing, batch]).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::hash::Hash;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::query::digest::Marker;

    fn batch(rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    fn mark(name: &str) -> Mark {
        let mut marker = Marker::default();
        name.hash(&mut marker);
        marker.mark()
    }

    #[test]
    fn a_result_is_kept_under_its_key_when_it_is_whole() {
        let cache = ResultCache::new(1 << 20, 1 << 16);
        let collected = cache.collecting(mark("a")).with(&batch(3)).unwrap();
        assert!(cache.get(&mark("a")).is_none());
        collected.keep(&[]);
        assert_eq!(cache.get(&mark("a")).unwrap().batches, [batch(3)]);
        assert!(cache.get(&mark("b")).is_none());
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_the_whole_is_bounded() {
        let cache = ResultCache::new(40_000, 10_000);
        assert!(cache.collecting(mark("large")).with(&batch(2_000)).is_none());
        for number in 0..100 {
            cache.collecting(mark(&number.to_string())).with(&batch(1_000)).unwrap().keep(&[]);
        }
        let bytes = cache.bytes();
        assert!(bytes > 0 && bytes <= 40_000, "{bytes}");
    }

    #[test]
    fn a_small_part_of_a_large_batch_is_kept_by_itself() {
        let cache = ResultCache::new(1 << 20, 10_000);
        let part = batch(1_000_000).slice(17, 5);
        let collected = cache.collecting(mark("part")).with(&part).unwrap();
        assert!(collected.bytes < 2_000, "{}", collected.bytes);
        collected.keep(&[]);
        assert_eq!(cache.get(&mark("part")).unwrap().batches, [part]);
    }

    #[test]
    fn a_cache_without_room_keeps_nothing() {
        let cache = ResultCache::new(0, 10_000);
        cache.collecting(mark("a")).with(&batch(1)).unwrap().keep(&[]);
        assert!(cache.get(&mark("a")).is_none());
        assert_eq!(cache.bytes(), 0);
    }
}
