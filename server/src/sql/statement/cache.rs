//! `CACHE query` and `CLEAR CACHE`.

use super::super::cursor::Cursor;
use super::query::begins_query;
use super::{Command, Statement};
use crate::error::Result;

/// What is done to the server's caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheCommand {
    /// CLEAR CACHE.
    Clear,
}

/// After CACHE.
pub(crate) fn cache(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if !begins_query(cursor) {
        return Err(cursor.unsupported("CACHE of anything but a query").with_hint("write CACHE SELECT …"));
    }
    Ok(Statement::Cache(cursor.query()?))
}

/// After CLEAR.
pub(crate) fn clear(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["CACHE"])?;
    Ok(Statement::Command(Command::Cache(CacheCommand::Clear)))
}
