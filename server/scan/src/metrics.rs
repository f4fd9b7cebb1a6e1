//! Every number of a filtered scan: its name, its unit and exactly what it counts.
//!
//! The names are those of the profile, `EXPLAIN ANALYZE` and the query history. Some numbers come from planning
//! ([`PlannedFiles`], here), some from running (a [`weir_meter::Meter`]), some from the sealed leaf itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;

use crate::location::TableLocation;
use crate::own_files::in_mount;
use crate::pinned_table::PinnedTable;

/// What a number counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A time span, kept in nanoseconds.
    Duration,
    /// Whole bytes.
    Bytes,
    /// Things.
    Count,
}

/// A number's name, unit and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// As shown everywhere.
    pub name: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// What exactly it counts, for manuals and tooltips.
    pub meaning: &'static str,
}

/// CPU time of filtering.
pub const TOTAL_REMOTE_EXECUTION_TIME: Number = Number {
    name: "total remote execution time",
    unit: Unit::Duration,
    meaning: "CPU time of everything inside the filtered scan, over all its threads: reading, decoding, row filter, column masks. Waiting is not counted. Zero where no policy holds for the caller: such a scan is the statement's own compute",
};
/// Rows that left the scan.
pub const ROWS_OUTPUT: Number = Number {
    name: "rows output",
    unit: Unit::Count,
    meaning: "rows that left the filtered scan, after row filter, column masks and admitted predicates",
};
/// Bytes that left the scan.
pub const ROWS_OUTPUT_SIZE: Number = Number {
    name: "rows output size",
    unit: Unit::Bytes,
    meaning: "size of the values of the rows output, however they lie in memory: each its own bytes, texts and lists four more",
};
/// Files not read.
pub const FILES_PRUNED: Number = Number {
    name: "files pruned",
    unit: Unit::Count,
    meaning: "files of the table's version that planning left out, by partition values and file statistics, because no row in them can pass the row filter and the admitted predicates. Answers from metadata alone prune every file",
};
/// Bytes not read.
pub const SIZE_OF_FILES_PRUNED: Number = Number {
    name: "size of files pruned",
    unit: Unit::Bytes,
    meaning: "size on storage of the files pruned",
};
/// Files planned to be read.
pub const FILES_READ: Number = Number {
    name: "files read",
    unit: Unit::Count,
    meaning: "files of the table's version that are planned to be read, each once however many tasks share it. Together with the files pruned they are all files of the version",
};
/// Bytes of the files planned to be read.
pub const SIZE_OF_FILES_READ: Number = Number {
    name: "size of files read",
    unit: Unit::Bytes,
    meaning: "size on storage of the files read. Row groups, pages and columns that are skipped inside a file are not taken off",
};
/// Bytes from the cache.
pub const CACHE_HITS_SIZE: Number = Number {
    name: "cache hits size",
    unit: Unit::Bytes,
    meaning: "bytes of data files and deletion vectors that were asked for and found in memory. Footers already parsed cost no read and are not counted",
};
/// Bytes from storage.
pub const CACHE_MISSES_SIZE: Number = Number {
    name: "cache misses size",
    unit: Unit::Bytes,
    meaning: "bytes of data files and deletion vectors that were asked for and fetched from storage",
};

/// The numbers of a filtered scan, in the order in which they are shown.
pub const NUMBERS: [Number; 9] = [
    TOTAL_REMOTE_EXECUTION_TIME,
    ROWS_OUTPUT,
    ROWS_OUTPUT_SIZE,
    FILES_PRUNED,
    SIZE_OF_FILES_PRUNED,
    FILES_READ,
    SIZE_OF_FILES_READ,
    CACHE_HITS_SIZE,
    CACHE_MISSES_SIZE,
];

/// What planning decided about the files of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlannedFiles {
    /// [`FILES_PRUNED`].
    pub files_pruned: u64,
    /// [`SIZE_OF_FILES_PRUNED`].
    pub bytes_pruned: u64,
    /// [`FILES_READ`].
    pub files_read: u64,
    /// [`SIZE_OF_FILES_READ`].
    pub bytes_read: u64,
}

/// Counts the files of `table` that `plan` reads and those it leaves out.
///
/// Files belong to the table when they lie at its location; scans of other tables in the plan are not counted. A plan that
/// reads the table twice counts each file once.
pub fn scan_numbers(plan: &Arc<dyn ExecutionPlan>, table: &PinnedTable) -> PlannedFiles {
    files_below(plan, table.location(), table.file_count(), table.total_bytes())
}

/// The same, of `count` files at `location` that have `bytes` together.
pub(crate) fn files_below(
    plan: &Arc<dyn ExecutionPlan>,
    location: &TableLocation,
    count: u64,
    bytes: u64,
) -> PlannedFiles {
    let mut files = BTreeMap::new();
    gather(plan, &location.mounted_path(), &mut files);
    let files_read = u64::try_from(files.len()).unwrap_or(u64::MAX);
    let bytes_read = files.values().sum();
    PlannedFiles {
        files_pruned: count.saturating_sub(files_read),
        bytes_pruned: bytes.saturating_sub(bytes_read),
        files_read,
        bytes_read,
    }
}

fn gather<'a>(plan: &'a Arc<dyn ExecutionPlan>, below: &Path, files: &mut BTreeMap<&'a Path, u64>) {
    if let Some(source) = plan.downcast_ref::<DataSourceExec>()
        && let Some(scan) = source.data_source().downcast_ref::<FileScanConfig>()
        && in_mount(scan)
    {
        let metas = scan.file_groups.iter().flat_map(|group| group.iter()).map(|file| &file.object_meta);
        let own = metas.filter(|meta| meta.location.prefix_matches(below));
        files.extend(own.map(|meta| (&meta.location, meta.size)));
    }
    for child in plan.children() {
        gather(child, below, files);
    }
}

/// Rows that scans of `table` in `plan` have read from its files so far: those they gave and those that
/// predicates threw away while reading. `None` before any was counted.
///
/// Rows of files, row groups and pages that statistics left out are not read; rows that a deletion vector
/// marks may be.
pub fn rows_read(plan: &Arc<dyn ExecutionPlan>, table: &PinnedTable) -> Option<u64> {
    let below = table.location().mounted_path();
    let mut rows = None;
    count_rows(plan, &below, &mut rows);
    rows
}

fn count_rows(plan: &Arc<dyn ExecutionPlan>, below: &Path, rows: &mut Option<u64>) {
    let mut files = BTreeMap::new();
    if plan.children().is_empty() {
        gather(plan, below, &mut files);
    }
    if !files.is_empty()
        && let Some(metrics) = plan.metrics()
    {
        let thrown = metrics.sum_by_name("pushdown_rows_pruned").map_or(0, |value| value.as_usize());
        let seen = metrics.output_rows().unwrap_or(0).saturating_add(thrown);
        *rows = Some(rows.unwrap_or(0).saturating_add(u64::try_from(seen).unwrap_or(u64::MAX)));
    }
    for child in plan.children() {
        count_rows(child, below, rows);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::NUMBERS;

    #[test]
    fn every_number_is_named_once() {
        let names: BTreeSet<_> = NUMBERS.iter().map(|number| number.name).collect();
        assert_eq!(names.len(), NUMBERS.len());
    }
}
