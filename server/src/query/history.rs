//! What history knows of one statement: who ran what, how it ended, and what it cost to run.
//!
//! Plain data without behaviour towards the outside. [`FinishedRecord`] is filled step by step
//! by the [`QueryRecord`](super::record::QueryRecord) and told to its sinks; the system table
//! `system.query.history` and the books are both made from it, so they cannot disagree.

use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use opentelemetry::trace::SpanContext;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::query::decisions::Decisions;

pub(crate) mod kept_text;
#[cfg(test)]
pub(crate) mod sample;

/// The family of a statement, as the reference names it in history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each variant is the first word of its statements")]
pub enum StatementType {
    Alter,
    Analyze,
    Comment,
    Copy,
    Create,
    Delete,
    Describe,
    Drop,
    Explain,
    Grant,
    Insert,
    Merge,
    Optimize,
    Refresh,
    Replace,
    Revoke,
    Select,
    Set,
    Show,
    Truncate,
    Update,
    Use,
    /// Anything else.
    Other,
}

impl StatementType {
    /// Every family.
    pub const ALL: [Self; 23] = [
        Self::Alter,
        Self::Analyze,
        Self::Comment,
        Self::Copy,
        Self::Create,
        Self::Delete,
        Self::Describe,
        Self::Drop,
        Self::Explain,
        Self::Grant,
        Self::Insert,
        Self::Merge,
        Self::Optimize,
        Self::Refresh,
        Self::Replace,
        Self::Revoke,
        Self::Select,
        Self::Set,
        Self::Show,
        Self::Truncate,
        Self::Update,
        Self::Use,
        Self::Other,
    ];

    /// The family that the first word of an accepted statement names; comments do not count.
    pub fn of_text(text: &str) -> Self {
        let statement = without_comments_in_front(text);
        let word = statement.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        match word.to_ascii_uppercase().as_str() {
            "WITH" | "VALUES" | "TABLE" | "FROM" => Self::Select,
            "DESC" => Self::Describe,
            "RESET" => Self::Set,
            word => Self::ALL.into_iter().find(|family| family.name() == word).unwrap_or(Self::Other),
        }
    }

    /// The name as it stands in history.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alter => "ALTER",
            Self::Analyze => "ANALYZE",
            Self::Comment => "COMMENT",
            Self::Copy => "COPY",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Describe => "DESCRIBE",
            Self::Drop => "DROP",
            Self::Explain => "EXPLAIN",
            Self::Grant => "GRANT",
            Self::Insert => "INSERT",
            Self::Merge => "MERGE",
            Self::Optimize => "OPTIMIZE",
            Self::Refresh => "REFRESH",
            Self::Replace => "REPLACE",
            Self::Revoke => "REVOKE",
            Self::Select => "SELECT",
            Self::Set => "SET",
            Self::Show => "SHOW",
            Self::Truncate => "TRUNCATE",
            Self::Update => "UPDATE",
            Self::Use => "USE",
            Self::Other => "OTHER",
        }
    }
}

fn without_comments_in_front(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '(');
        let end = if rest.starts_with("--") {
            rest.split_once('\n')
        } else if rest.starts_with("/*") {
            rest.split_once("*/")
        } else {
            return rest;
        };
        rest = end.map(|(_, behind)| behind).unwrap_or_default();
    }
}

/// How a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// It runs; the numbers are those so far. Never shown in history.
    Running,
    /// It ended and the client has everything.
    Finished,
    /// It ended in an error.
    Failed,
    /// Somebody stopped it, or its reader went away.
    Canceled,
}

impl ExecutionStatus {
    /// The name as it stands in history.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether nothing more comes after it.
    pub fn is_terminal(self) -> bool {
        self != Self::Running
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much the caller is told of scans below a barrier; the strictest of a statement's tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// The caller sees the nine numbers.
    #[default]
    Standard,
    /// The caller sees rows and bytes output only.
    Strict,
}

impl Protection {
    /// The name as it stands in history and in table properties.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

/// The nine numbers of a scan, summed over all scans of a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanTotals {
    /// `total remote execution time`: time spent filtering.
    pub filtering_time: Duration,
    /// `rows output`: rows that remained after filtering.
    pub rows_output: u64,
    /// `rows output size`: their sliced Arrow size.
    pub rows_output_bytes: u64,
    /// `files pruned`.
    pub files_pruned: u64,
    /// `size of files pruned`.
    pub files_pruned_bytes: u64,
    /// `files read`.
    pub files_read: u64,
    /// `size of files read`.
    pub files_read_bytes: u64,
    /// `cache hits size`.
    pub cache_hit_bytes: u64,
    /// `cache misses size`.
    pub cache_miss_bytes: u64,
}

impl AddAssign for ScanTotals {
    fn add_assign(&mut self, other: Self) {
        self.filtering_time += other.filtering_time;
        self.rows_output += other.rows_output;
        self.rows_output_bytes += other.rows_output_bytes;
        self.files_pruned += other.files_pruned;
        self.files_pruned_bytes += other.files_pruned_bytes;
        self.files_read += other.files_read;
        self.files_read_bytes += other.files_read_bytes;
        self.cache_hit_bytes += other.cache_hit_bytes;
        self.cache_miss_bytes += other.cache_miss_bytes;
    }
}

/// What running a statement cost and gave, cumulative from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readings {
    /// Rows of the result handed to the client.
    pub rows_produced: u64,
    /// Their sliced Arrow size.
    pub bytes_produced: u64,
    /// The nine numbers, summed over all scans.
    pub scans: ScanTotals,
    /// CPU time inside sealed leaves that filter or mask. Exclusive: no instant of it stands in
    /// `other_cpu` too.
    pub filtering_cpu: Duration,
    /// All other CPU time of the statement.
    pub other_cpu: Duration,
    /// Time in which the result waited for its client.
    pub result_fetch: Duration,
    /// Time in which the statement waited for its turn.
    #[serde(default)]
    pub waiting_at_capacity: Duration,
    /// Bytes spilled to local disk.
    pub spilled_bytes: u64,
    /// Rows written to tables.
    pub rows_written: u64,
    /// Files written to tables.
    pub files_written: u64,
    /// Bytes written to tables.
    pub bytes_written: u64,
}

/// One governed table of a statement at the version it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernedTable {
    /// Three-part name.
    pub name: String,
    /// The pinned Delta version; none for tables without versions.
    pub version: Option<u64>,
}

/// Everything the books and history know of one statement. While the statement runs it carries
/// [`ExecutionStatus::Running`] and the readings so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedRecord {
    /// The statement's id.
    #[serde(with = "uuid_text")]
    pub statement_id: Uuid,
    /// The text as it came in; of a long one its beginning.
    #[serde(with = "kept_text")]
    pub statement_text: Arc<str>,
    /// Its family; none when the text could not be parsed.
    pub statement_type: Option<StatementType>,
    /// The user whose rights held.
    pub run_as: String,
    /// The id of that principal.
    pub run_as_id: String,
    /// The service principal that acted for the user, if one did.
    pub run_by: Option<String>,
    /// What the client says of itself.
    pub client: Option<String>,
    /// How it stands.
    pub status: ExecutionStatus,
    /// The public text of the error it ended in.
    pub error_message: Option<String>,
    /// When it came in.
    pub started_at: DateTime<Utc>,
    /// When it ended; for a running one when these readings were taken.
    pub ended_at: DateTime<Utc>,
    /// Parsing, planning and governing.
    pub compilation: Duration,
    /// Running, without waiting for the client.
    pub execution: Duration,
    /// Which policies held, as a digest.
    pub policy_digest: Option<String>,
    /// The tables read and their versions. For operators: users may not know all of them.
    pub governed_tables: Vec<GovernedTable>,
    /// The strictest protection of these tables.
    pub protection: Protection,
    /// What it cost and gave.
    pub readings: Readings,
    /// The address it came from.
    #[serde(default)]
    pub client_address: Option<String>,
    /// What was decided in it.
    #[serde(default)]
    pub decisions: Decisions,
    /// Whether its rows came from the result cache.
    #[serde(default)]
    pub from_result_cache: bool,
    /// The span of the client in which it came in. For traces alone: the books and history do not keep it.
    #[serde(skip)]
    pub client_span: Option<SpanContext>,
}

impl FinishedRecord {
    /// From the statement's coming in to its end, without waiting for the client.
    pub fn total_duration(&self) -> Duration {
        elapsed(self.started_at, self.ended_at).saturating_sub(self.readings.result_fetch)
    }
}

/// Wall time from `start` to `end`; zero when the clock was set back.
pub(crate) fn elapsed(start: DateTime<Utc>, end: DateTime<Utc>) -> Duration {
    (end - start).to_std().unwrap_or(Duration::ZERO)
}

/// UUIDs as text in journal lines.
pub(crate) mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(crate) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::parse_str(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_of_a_statement_is_its_first_word() {
        for (text, family) in [
            ("-- of ann\n /* SET */ (select 1)", StatementType::Select),
            ("WITH a AS (SELECT 1) SELECT * FROM a", StatementType::Select),
            ("desc t", StatementType::Describe),
            ("GRANT SELECT ON TABLE t TO ann", StatementType::Grant),
            ("-- nothing", StatementType::Other),
            ("", StatementType::Other),
        ] {
            assert_eq!(StatementType::of_text(text), family, "{text}");
        }
    }

    #[test]
    fn families_have_unlike_names() {
        let names: std::collections::BTreeSet<_> =
            StatementType::ALL.into_iter().map(StatementType::name).collect();
        assert_eq!(names.len(), StatementType::ALL.len());
    }
}
