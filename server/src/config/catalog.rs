//! `[catalog]`: the catalog store and the first administrator.

use std::path::PathBuf;

use super::section::section;

section! {
    /// The catalog store: what exists, who is who, and who may see what.
    Catalog {
        /// SQLite file of the store. Without it: `catalog.sqlite` in the data directory.
        path: Option<PathBuf> = None => "\"weir-data/catalog.sqlite\"",
        /// Name of the first account administrator, made when the store is empty and ignored ever after.
        /// `weir catalog migrate --admin NAME` does the same by hand.
        initial_admin: Option<String> = None => "\"admin@example.com\"",
    }
}
