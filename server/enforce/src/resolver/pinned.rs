//! [`Pinned`]: which version of which table a statement reads, by whatever way it came to be read: named in the
//! statement, below a view, or by a policy.

use weir_catalog::TableId;

use super::Scope;
use crate::open_table::{Moment, OpenedTable};
use crate::permit::place_of;

/// One table at the version that a statement reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The table.
    pub table: TableId,
    /// Its full name.
    pub name: String,
    /// The moment of time travel, where it was asked for one.
    pub moment: Option<Moment>,
    /// The Delta version, where there is one.
    pub version: Option<u64>,
    /// Where its files lie: a table that is replaced keeps its id and begins its versions anew.
    pub place: String,
    /// What tells it from another table that came to the place and has the same version.
    pub mark: String,
}

impl Scope {
    /// Everything that was opened so far, in an order of its own. For the books and for caches: the caller may
    /// not know of all of it.
    pub async fn pinned(&self) -> Vec<Pinned> {
        let pin = |table: TableId, moment, opened: &OpenedTable| {
            let known = self.snapshot.table_by_id(table);
            let name = known.map_or_else(|| table.to_string(), |table| table.name.to_string());
            let place = known.map_or_else(String::new, place_of);
            Pinned { table, name, moment, version: opened.version, place, mark: opened.mark.clone() }
        };
        let mut pinned: Vec<Pinned> = Vec::new();
        for (table, opened) in self.opened.lock().await.iter() {
            pinned.push(pin(*table, None, opened));
        }
        for ((table, moment), opened) in self.past.lock().await.iter() {
            pinned.push(pin(*table, Some(*moment), opened));
        }
        pinned.sort_by_key(|pinned| (pinned.name.clone(), pinned.version, format!("{:?}", pinned.moment)));
        pinned
    }
}
