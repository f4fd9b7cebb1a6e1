//! [`SnapshotBudget`]: how much memory a cache of snapshots may take.
//!
//! A snapshot holds the list of all files of a version with their statistics, so snapshots are weighed by their files: a version of
//! twenty thousand files takes some 18 MB, one of ten a few kilobytes. What is evicted stays usable for whoever has it.

use std::hash::Hash;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::pinned_table::PinnedTable;

/// A snapshot without its files: columns, properties, and what delta-rs keeps beside them.
const SNAPSHOT_BYTES: u64 = 64 << 10;
/// A file: its path, its sizes, and its places in lists.
const FILE_BYTES: u64 = 512;
/// What the log tells of a column of a file, as it is written and as it is read.
const STATISTICS_BYTES: u64 = 256;
/// Of so many columns a log tells something, where its writer does as Delta's default is, and of some that partition.
const COLUMNS_TOLD: u64 = 40;
/// Another column of a file, of which nothing is told.
const UNTOLD_BYTES: u64 = 16;
/// Weights are of 32 bits; in these they reach.
const UNIT: u64 = 1 << 10;

/// Memory for some snapshots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SnapshotBudget {
    /// All of it, in units.
    all: u64,
    /// What each snapshot weighs at least, so that there are no more of them than were asked for.
    least: u64,
}

impl SnapshotBudget {
    /// For so many snapshots of so many bytes together, about. Either may be zero, which keeps none.
    pub(crate) fn new(bytes: u64, snapshots: u64) -> Self {
        let units = (bytes / UNIT).clamp(1, u64::from(u32::MAX));
        match units.checked_div(snapshots) {
            Some(least) if bytes > 0 => Self { all: units, least: least.max(1) },
            // What weighs more than there is, is not kept.
            _ => Self { all: 0, least: 1 },
        }
    }

    /// A cache of values that take so many bytes each when they are put there. What takes more than half of the budget counts
    /// as half: were it not kept, or alone, it would be made anew for each that asks. `idle` is for how long nobody may have asked for a value.
    pub(crate) fn cache<K, V>(
        self,
        idle: Option<Duration>,
        bytes_of: impl Fn(&V) -> u64 + Send + Sync + 'static,
    ) -> Cache<K, V>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let cache = Cache::<K, V>::builder()
            .max_capacity(self.all)
            .weigher(move |_: &K, value: &V| self.weight(bytes_of(value)))
            .eviction_policy(EvictionPolicy::lru());
        match idle {
            Some(idle) => cache.time_to_idle(idle).build(),
            None => cache.build(),
        }
    }

    fn weight(self, bytes: u64) -> u32 {
        // reason: all of the budget is within 32 bits
        u32::try_from((bytes / UNIT).min(self.all / 2).max(self.least)).unwrap_or(u32::MAX)
    }
}

/// What the snapshot of a version takes in memory, about.
pub(crate) fn bytes_of(table: &PinnedTable) -> u64 {
    let columns = u64::try_from(table.schema().fields().len()).unwrap_or(u64::MAX);
    let told = columns.min(COLUMNS_TOLD);
    let of_columns =
        told.saturating_mul(STATISTICS_BYTES).saturating_add((columns - told).saturating_mul(UNTOLD_BYTES));
    let of_file = of_columns.saturating_add(FILE_BYTES);
    table.file_count().saturating_mul(of_file).saturating_add(SNAPSHOT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn kept(budget: SnapshotBudget, bytes: &[u64]) -> Vec<u64> {
        let cache: Cache<usize, u64> = budget.cache(None, |bytes| *bytes);
        for (key, bytes) in bytes.iter().enumerate() {
            cache.insert(key, *bytes);
            cache.run_pending_tasks();
        }
        let mut kept: Vec<(usize, u64)> = cache.iter().map(|(key, bytes)| (*key, bytes)).collect();
        kept.sort_unstable();
        kept.into_iter().map(|(_, bytes)| bytes).collect()
    }

    #[test]
    fn what_was_asked_for_last_is_kept_within_the_budget() {
        let budget = SnapshotBudget::new(10 * MIB, 1000);
        assert_eq!(kept(budget, &[4 * MIB, 5 * MIB, 3 * MIB, 2 * MIB]), [5 * MIB, 3 * MIB, 2 * MIB]);
    }

    #[test]
    fn what_takes_more_than_the_budget_is_kept_beside_small_ones() {
        let budget = SnapshotBudget::new(10 * MIB, 1000);
        assert_eq!(kept(budget, &[4 * MIB, u64::MAX]), [4 * MIB, u64::MAX]);
        assert_eq!(kept(budget, &[u64::MAX, MIB]), [u64::MAX, MIB]);
        assert_eq!(kept(budget, &[u64::MAX, u64::MAX, u64::MAX]), [u64::MAX, u64::MAX]);
    }

    #[test]
    fn there_are_no_more_than_were_asked_for() {
        assert_eq!(kept(SnapshotBudget::new(10 * MIB, 2), &[1, 2, 3]), [2, 3]);
        assert!(kept(SnapshotBudget::new(10 * MIB, 0), &[1, 2]).is_empty());
        assert!(kept(SnapshotBudget::new(0, 10), &[1, 2]).is_empty());
    }
}
