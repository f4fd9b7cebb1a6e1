//! `[storage]`: where tables may lie, and the caches in front of them.

use std::path::PathBuf;

use super::bucket::Bucket;
use super::quantity::Size;
use super::refused;
use super::section::section;
use crate::error::Result;

section! {
    /// Where tables may lie, and the caches in front of them.
    Storage {
        /// Directory of managed tables. Without it: `tables` in the data directory.
        data_root: Option<PathBuf> = None => "\"weir-data/tables\"",
        /// Directories under which external tables may be registered. Absolute paths; nothing outside them
        /// is ever read, whatever a path in a statement says.
        external_roots: Vec<PathBuf> = Vec::new(),
        /// Memory for byte ranges of data files.
        range_cache_bytes: Size = Size::mebibytes(256),
        /// Disk for byte ranges of data files in buckets, behind those in memory. Nothing is kept across a start.
        range_cache_disk_bytes: Size = Size::new(0),
        /// Directory of those, this server's alone. Without it: `ranges` in the data directory.
        range_cache_directory: Option<PathBuf> = None => "\"weir-data/ranges\"",
        /// Memory for footers of data files, which tell what lies where in them.
        footer_cache_bytes: Size = Size::mebibytes(64),
        /// Tables whose newest snapshot (list of files and their statistics) is kept in memory.
        snapshot_cache_tables: u64 = 1024,
        /// Memory for these snapshots, by the number of their files. One that takes more than half counts as half.
        snapshot_cache_bytes: Size = Size::gibibytes(1),
        /// Memory for snapshots of versions before the newest, for time travel; each for five minutes after it was last read.
        past_snapshot_cache_bytes: Size = Size::mebibytes(256),
        /// Places in S3-compatible buckets under which external tables may be registered, each a table of its own.
        buckets: Vec<Bucket> = Vec::new(),
    }
}

impl Storage {
    pub(super) fn check(&self) -> Result<()> {
        for root in &self.external_roots {
            if !root.is_absolute() {
                return Err(refused(format!(
                    "`storage.external_roots` names `{}`, which is not an absolute path",
                    root.display()
                )));
            }
        }
        self.buckets.iter().try_for_each(Bucket::check)
    }
}
