//! Whose the rows of `system.query.history` are, and what of them is withheld.

use crate::query::history::Protection;
use crate::system::OwnerColumn;
use crate::system::joined_table::{Unless, Withheld};

/// A row belongs to the user whose rights held, also where an app executed the statement for
/// them: the app may serve many users and has no claim on their statements.
pub const OWNER: OwnerColumn = OwnerColumn { column: "executed_as", field: None };

/// The columns of texts that may be long.
pub(crate) const LONG_TEXTS: [&str; 2] = ["statement_text", "error_message"];

/// The columns that tell of rows below a strict barrier; rows and bytes output, and times, do not
/// count among them.
const BELOW_THE_BARRIER: [&str; 8] = [
    "pruned_files",
    "read_files",
    "read_bytes",
    "read_io_cache_percent",
    "pruned_files_bytes",
    "read_files_bytes",
    "read_cache_bytes",
    "read_remote_bytes",
];

/// What the user who ran a statement does not see of it.
pub(crate) fn withheld() -> Vec<Withheld> {
    BELOW_THE_BARRIER
        .into_iter()
        .map(|column| Withheld {
            column,
            decided_by: "protection",
            unless: Unless::Is(Protection::Standard.name()),
        })
        .collect()
}
