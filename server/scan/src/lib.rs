//! Cache-aware scans of Delta tables, with numbers of what was pruned, read and served from caches.
//!
//! Promise: a [`PinnedTable`] is one version of one table and never changes; a path given to the [`Router`] never reads
//! or writes outside the storage root it names; every byte range of a data file read through the router is counted on the
//! meter that is current ([`weir_meter::current`]), as a cache hit or as a miss.
//!
//! It knows no principal and no policy: caches hold table contents as they are stored, before any filtering, and are
//! private to the process.
//!
//! # The caches
//! * [`RangeCache`]: byte ranges of files that never change. Listings, `_last_checkpoint` and commit files are never in it.
//! * [`DiskRanges`], behind it, where the configuration asks for them: the same of far stores, on this machine's disk.
//! * Parquet footers: DataFusion's own cache in the [`runtime_env`], safe to share because a path begins with the name of
//!   its storage root. A footer found there costs no read and counts neither as hit nor as miss.
//! * Snapshots, inside [`DeltaTables`]: the newest known version of each table, checked against storage at every open.
//!
//! # How to add a number to the profile
//! 1. Give it a name, a unit and its exact meaning in `metrics.rs`.
//! 2. Count it where it happens: on the [`weir_meter::Meter`] if it comes from running, in [`PlannedFiles`] if from planning.
//! 3. Publish it where the sealed leaf publishes the others.
//! 4. Tie it to a table with known files in `tests`: `metrics::tests::every_number_is_named_once` fails on a duplicate.

mod bucket_root;
mod bucket_secret;
mod caught_commit;
mod caught_panic;
mod change_data;
mod change_feed;
mod change_range;
mod column_changes;
mod column_ids;
mod commit_info;
mod config;
mod delta_tables;
mod disk_ranges;
mod error;
mod file_blocks;
mod file_changes;
mod file_layout;
mod file_list;
mod file_order;
mod file_scan;
mod file_tags;
mod identified_table;
mod late_snapshot;
mod local_root;
mod location;
mod log_upkeep;
pub mod metrics;
mod null_twins;
mod own_commit;
mod own_files;
mod past_versions;
mod paths;
mod pinned_table;
mod protocol;
mod pruning;
mod range_cache;
mod read_bound;
mod rechecked_table;
mod router;
mod row_changes;
mod row_group_condition;
mod row_place_exec;
mod row_rewrite;
mod runtime;
mod selectivity;
mod snapshot_budget;
mod table_features;
mod table_history;
mod table_schema;
mod table_writer;
mod text_length;
mod true_statistics_exec;
mod vector_reach;
mod written_log;

pub use bucket_root::{AzureSecret, Bucket, Service};
pub use change_feed::{CHANGE_COLUMNS, ChangeFeed};
pub use column_changes::{ColumnChange, NewColumns, Obstacle};
pub use column_ids::ColumnIds;
pub use config::Config;
pub use delta_tables::DeltaTables;
pub use disk_ranges::DiskRanges;
pub use error::{Error, Result};
pub use file_order::in_order;
pub use identified_table::{FILE, PLACE};
pub use location::{RootName, TableLocation};
pub use metrics::{PlannedFiles, rows_read, scan_numbers};
pub use pinned_table::PinnedTable;
pub use range_cache::RangeCache;
pub use router::Router;
pub use row_changes::{CLAUSE, Clause, RowChanges};
pub use row_rewrite::{Rewritten, RowOperation};
pub use runtime::runtime_env;
pub use table_history::{Commit, TableDetail};
pub use table_writer::{Appended, Input as RowInput, NewTable};
pub use text_length::{DeclaredText, TextLengths, TooLong, bounded};

#[cfg(test)]
mod tests;
