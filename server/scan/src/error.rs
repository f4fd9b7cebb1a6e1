//! What can go wrong between a table's name and its rows.
//!
//! `Display` is for users: it says what is the matter, never a type, a backtrace or a path. Where a table lies is for those who
//! administer it, and a path below it says what its rows have in common: of a file the last part alone is told. The place is in
//! [`Error::place`] and the cause from below in `source()`, for the log.

use std::error::Error as StdError;

use crate::column_changes::{ColumnChange, Obstacle};
use crate::location::TableLocation;
use crate::text_length::TooLong;

mod cause;

pub(crate) use cause::{commit_failure, from_datafusion, from_delta, from_store, read_failure};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The cause from below.
type Cause = Box<dyn StdError + Send + Sync>;

/// Why a table could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is no name of a storage root.
    #[error("storage root name `{name}` is invalid: use lower-case letters, digits, `-` and `_`")]
    InvalidRootName {
        /// What was given.
        name: String,
    },
    /// A text that is no path of a table under its root.
    #[error("table path `{path}` is invalid: {reason}")]
    InvalidPath {
        /// What was given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The directory of a storage root cannot be used.
    #[error("storage root `{root}` is not a usable directory")]
    UnusableRoot {
        /// The root's name.
        root: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The credential of a place in a bucket cannot be used.
    #[error("storage root `{root}` cannot be used: {flaw}")]
    UnusableSecret {
        /// The root's name.
        root: String,
        /// What is wrong, in words that hold nothing of the secret.
        flaw: &'static str,
    },
    /// A storage root of that name is there already and means another directory.
    #[error("storage root `{root}` is already defined")]
    DuplicateRoot {
        /// The root's name.
        root: String,
    },
    /// The query runtime could not be built from its settings.
    #[error("the query runtime cannot be set up with these memory and spill settings")]
    Runtime(#[source] Cause),
    /// Nothing at this location is a Delta table.
    #[error("there is no Delta table at `{table}`")]
    NoDeltaLog {
        /// Where.
        table: TableLocation,
    },
    /// The table's log is there but cannot be understood.
    #[error("the table's Delta log is damaged or incomplete")]
    CorruptLog {
        /// Where.
        table: TableLocation,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The table needs features that are not there for reading.
    #[error("the table uses Delta features that are not supported for reading: {}", .features.join(", "))]
    UnsupportedFeature {
        /// Where.
        table: TableLocation,
        /// Their names as the Delta protocol spells them.
        features: Vec<String>,
    },
    /// The table needs features that are not there for writing.
    #[error("the table uses Delta features that are not supported for writing: {}", .features.join(", "))]
    UnsupportedWrite {
        /// Where.
        table: TableLocation,
        /// Their names as the Delta protocol spells them.
        features: Vec<String>,
    },
    /// The table's protocol version is newer than what can be read.
    #[error(
        "the table needs Delta reader version {reader} and writer version {writer}, which are not supported"
    )]
    UnsupportedProtocol {
        /// Where.
        table: TableLocation,
        /// Required reader version.
        reader: i64,
        /// Required writer version.
        writer: i64,
    },
    /// A file that the log names is not on storage.
    #[error("file `{}` is missing from storage though the table's log names it", last(path))]
    MissingFile {
        /// Root, table and file.
        path: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A file that should never change was written anew.
    #[error(
        "file `{}` was overwritten after it had been read: files of a Delta table never change",
        last(path)
    )]
    ChangedFile {
        /// Root, table and file.
        path: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A file cannot be read as what it should be.
    #[error("{}", match path { Some(path) => format!("file `{}` is damaged", last(path)), None => "a file of the table is damaged".to_owned() })]
    CorruptFile {
        /// Root, table and file, where known.
        path: Option<String>,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A version that is not in the table's log.
    #[error("there is no version {version}: those from {earliest} to {latest} can be read")]
    VersionNotFound {
        /// As asked for.
        version: u64,
        /// The first that can be read.
        earliest: u64,
        /// The newest.
        latest: u64,
    },
    /// A moment before the first version that the log still has.
    #[error("there is no version of that moment{}", match earliest {
        Some(earliest) => format!(": the first that can be read is of {earliest}"),
        None => String::new(),
    })]
    BeforeFirstVersion {
        /// The time of the first version that can be read.
        earliest: Option<String>,
    },
    /// Changes from a version to an earlier one.
    #[error("changes from version {first} to version {last}: the first must not come after the last")]
    ChangeRange {
        /// As asked for.
        first: u64,
        /// As asked for.
        last: u64,
    },
    /// A version at which the table kept no change data feed.
    #[error("the table kept no change data feed at version {version}")]
    NoChangeData {
        /// The version.
        version: u64,
    },
    /// A version whose columns do not go together with those before.
    #[error(
        "a column has another type or meaning from version {version} on: changes before and after cannot be read together"
    )]
    ChangedColumns {
        /// The version.
        version: u64,
    },
    /// A table is there already.
    #[error("there is already a Delta table at `{table}`")]
    AlreadyExists {
        /// Where.
        table: TableLocation,
    },
    /// Somebody else changed the table in a way that the write cannot follow.
    #[error("the table was changed at the same time in a conflicting way; try again")]
    Conflict {
        /// Where.
        table: TableLocation,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Rows break a NOT NULL, a CHECK constraint or an invariant, or do not fit the table's columns.
    #[error("rows do not fit the table: {reason}")]
    InvalidRows {
        /// Where.
        table: TableLocation,
        /// What does not fit.
        reason: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A value that partitions the table, and with which a file would have a longer name than storage takes.
    #[error("a new value of a column that partitions the table is too long to be the name of a folder")]
    LongName {
        /// Where.
        table: TableLocation,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A text that is longer than its column takes.
    #[error(transparent)]
    TextTooLong(#[from] TooLong),
    /// New values of a column whose declared lengths are not kept here.
    #[error("column `{column}` was declared as {declared}, of which no new values are written here")]
    UnwrittenText {
        /// The column.
        column: String,
        /// As the log has it.
        declared: String,
    },
    /// Two rows of a source are to change one and the same row.
    #[error("one row was to be changed by more than one row of the source")]
    ChangedTwice,
    /// A column that cannot be renamed or dropped.
    #[error("column `{column}` cannot be {change}: {obstacle}")]
    ColumnChange {
        /// The column, as given.
        column: String,
        /// What was to be done.
        change: ColumnChange,
        /// Why it is not.
        obstacle: Obstacle,
    },
    /// A column's type has no counterpart in Delta.
    #[error("column `{column}` has type {data_type}, which a Delta table cannot hold")]
    UnsupportedType {
        /// The column.
        column: String,
        /// Its Arrow type.
        data_type: String,
    },
    /// A definition that Delta refuses.
    #[error("a table cannot be created with this definition")]
    InvalidDefinition {
        /// Where.
        table: TableLocation,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The query that produces the rows to write failed. Its own error is the source.
    #[error("the rows to write could not be produced")]
    Input(#[source] Cause),
    /// Storage did not answer as it should.
    #[error("storage cannot be read or written at the moment")]
    Io {
        /// Root and table or file.
        place: String,
        /// Why.
        #[source]
        source: Cause,
    },
}

/// The name of a file, without the folders, which tell the values that its rows have in common.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

impl Error {
    /// Where the table lies that the error is about, for the log.
    pub fn place(&self) -> Option<&TableLocation> {
        match self {
            Self::NoDeltaLog { table }
            | Self::CorruptLog { table, .. }
            | Self::UnsupportedFeature { table, .. }
            | Self::UnsupportedWrite { table, .. }
            | Self::UnsupportedProtocol { table, .. }
            | Self::AlreadyExists { table }
            | Self::Conflict { table, .. }
            | Self::InvalidRows { table, .. }
            | Self::LongName { table, .. }
            | Self::InvalidDefinition { table, .. } => Some(table),
            _ => None,
        }
    }
}
