//! `[limits]`: what a statement may use.

use super::quantity::{Period, Size};
use super::refused;
use super::section::section;
use crate::error::Result;

section! {
    /// What a statement may use.
    Limits {
        /// Time after which a statement is stopped.
        statement_timeout: Period = Period::minutes(10),
        /// Memory that running statements share; sorts and aggregations spill before they fail.
        memory_bytes: Size = Size::gibibytes(2),
        /// What one of them may have of it.
        statement_memory_bytes: Size = Size::gibibytes(2),
        /// Statements that run at the same time; commands, which read no table, do not count. Further ones wait for
        /// their turn, in which each user stands once: many statements of one do not keep another's waiting.
        running_statements: usize = 64,
        /// How many of them may be one user's: a result that is not read to its end holds its turn, and one user's shall not
        /// hold all.
        running_statements_per_user: usize = 48,
        /// Statements that may wait; further ones are refused.
        waiting_statements: usize = 1024,
        /// How many of them may be one user's.
        waiting_statements_per_user: usize = 256,
        /// Results of one user that are not read to their end, listings and answers of commands among them.
        streams_per_user: u64 = 512,
        /// Changes and ingestions of one user under way, and what they gave until it is fetched.
        changes_per_user: u64 = 128,
        /// Memory for values that one user binds to prepared statements, of clients that go on with the first handle.
        bound_bytes_per_user: Size = Size::mebibytes(16),
        /// Longest text of a statement.
        statement_bytes: Size = Size::mebibytes(1),
        /// Disk that running statements share for spilling, in the data directory.
        temp_bytes: Size = Size::gibibytes(16),
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<()> {
        let least = [
            ("limits.memory_bytes", self.memory_bytes, Size::mebibytes(16)),
            ("limits.statement_memory_bytes", self.statement_memory_bytes, Size::mebibytes(16)),
            ("limits.statement_bytes", self.statement_bytes, Size::new(1024)),
        ];
        for (key, size, least) in least {
            if size < least {
                return Err(refused(format!("`{key}` is {size}; the least is {least}")));
            }
        }
        let never = [
            ("limits.running_statements", self.running_statements == 0),
            ("limits.running_statements_per_user", self.running_statements_per_user == 0),
            ("limits.streams_per_user", self.streams_per_user == 0),
            ("limits.changes_per_user", self.changes_per_user == 0),
        ];
        if let Some((key, _)) = never.iter().find(|(_, none)| *none) {
            return Err(refused(format!("`{key}` is 0: no statement could run")));
        }
        if self.statement_timeout.duration().is_zero() {
            return Err(refused("`limits.statement_timeout` is zero: no statement could run"));
        }
        Ok(())
    }
}
