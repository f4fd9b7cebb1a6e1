//! Whether a plan that was made in a scope is the one that would be made now.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::Scope;

impl Scope {
    /// Whether each table that was opened, for the statement or for a policy, is at a version that was its newest at some moment
    /// not longer than `age` ago. Never so of a scope that looked into the past, and not where that cannot be told.
    pub async fn is_newest(&self, age: Duration) -> bool {
        if self.reads_changes() || !self.past.lock().await.is_empty() {
            return false;
        }
        let opened: Vec<_> =
            self.opened.lock().await.iter().map(|(id, opened)| (*id, opened.clone())).collect();
        let looks = opened.into_iter().map(|(id, opened)| async move {
            let Some(table) = self.snapshot.table_by_id(id) else { return false };
            // reason: who plans anew is told why the table cannot be opened
            let Ok(now) = self.sources.tables.open_within(table, age).await else { return false };
            // One version of a table is opened once, and shared.
            Arc::ptr_eq(&now.provider, &opened.provider)
        });
        join_all(looks).await.into_iter().all(|is_newest| is_newest)
    }
}
