//! Sizes of caches, memory and spill space. Plain values: who reads them from a file or the environment is elsewhere.

use std::path::PathBuf;

/// Settings of scanning and of the query runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Memory for byte ranges of data files, in bytes.
    pub range_cache_bytes: u64,
    /// Memory for parsed Parquet footers, in bytes.
    pub footer_cache_bytes: usize,
    /// How many tables keep their newest snapshot in memory.
    pub snapshot_cache_tables: u64,
    /// Memory for these snapshots together, in bytes, about.
    pub snapshot_cache_bytes: u64,
    /// Memory for snapshots of versions before the newest, in bytes, about.
    pub past_snapshot_cache_bytes: u64,
    /// Memory that operators of all queries together may hold, in bytes.
    pub memory_pool_bytes: usize,
    /// Disk space that spilling operators together may use, in bytes.
    pub spill_bytes: u64,
    /// Where operators spill; the system's temporary directory when absent.
    pub spill_directory: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            range_cache_bytes: 256 << 20,
            footer_cache_bytes: 64 << 20,
            snapshot_cache_tables: 1024,
            snapshot_cache_bytes: 1 << 30,
            past_snapshot_cache_bytes: 256 << 20,
            memory_pool_bytes: 2 << 30,
            spill_bytes: 16 << 30,
            spill_directory: None,
        }
    }
}
