//! From a finished record to DBUs, and the books that keep them.
//!
//! ```text
//!  query::record ──▶ Ledger ──▶ meter (CPU → usage) ──▶ journal (durable) ──flush──▶ Archive (Delta)
//! ```
//!
//! Promise: what was acknowledged survives `kill -9` of the server and is counted once. The
//! quantity of a statement and product is quantised once; its rows in `system.billing.usage`
//! add up to the value in `system.query.history` to the last digit. Not promised: the loss of
//! the disk the journal is on.
//!
//! Billing knows no Arrow and no Delta: it writes to an [`Archive`], which the `system` module
//! is. Prices and SKUs stand in [`rate`] and [`sku`].

use std::collections::BTreeMap;
use std::time::Duration;

pub mod entry;
pub mod journal;
pub mod ledger;
pub mod meter;
pub mod quantity;
pub mod rate;
pub mod sku;
pub mod usage;

pub use entry::{Account, Entry};
pub use ledger::{Archive, Ledger, SegmentName};
pub use quantity::Quantity;
pub use rate::Rate;
pub use sku::Product;
pub use usage::Usage;

/// How the books are kept; what the keys mean and their defaults stand in
/// [`config::Billing`](crate::config::Billing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The account named in `system.billing.usage` and `system.query.history`.
    pub account_id: String,
    /// The workspace named there.
    pub workspace_id: String,
    /// The warehouse named there.
    pub warehouse_id: String,
    /// The cloud named there.
    pub cloud: String,
    /// The end of SKU names: where the server stands.
    pub region: String,
    /// DBU for one core-hour of filtering.
    pub filtering_rate: Rate,
    /// DBU for one core-hour of everything else.
    pub sql_rate: Rate,
    /// Tags on every usage row.
    pub custom_tags: BTreeMap<String, String>,
    /// How often the journal is brought into the Delta tables.
    pub flush_interval: Duration,
    /// The journal begins another segment beyond this size.
    pub segment_bytes_max: u64,
    /// With more ended statements in the journal than these bytes it is brought into the Delta tables at once: they are in memory
    /// until then.
    pub held_bytes_max: u64,
}

/// Some ten thousand short statements, or five hundred of the longest that are kept.
const HELD_BYTES_MAX: u64 = 32 << 20;

impl TryFrom<&crate::config::Billing> for Config {
    type Error = crate::Error;

    fn try_from(section: &crate::config::Billing) -> crate::Result<Self> {
        let rate = |text: &String| {
            Rate::try_from(text.clone()).map_err(|refusal| {
                crate::Error::new(crate::Condition::InvalidConfiguration, format!("billing: {refusal}"))
            })
        };
        Ok(Self {
            account_id: section.account_id.clone(),
            workspace_id: section.workspace_id.clone(),
            warehouse_id: section.warehouse_id.clone(),
            cloud: section.cloud.clone(),
            region: section.region.clone(),
            filtering_rate: rate(&section.filtering_rate)?,
            sql_rate: rate(&section.sql_rate)?,
            custom_tags: section.custom_tags.clone(),
            flush_interval: section.flush_interval.duration(),
            segment_bytes_max: section.segment_bytes_max.bytes(),
            held_bytes_max: HELD_BYTES_MAX,
        })
    }
}

impl Config {
    /// The default configuration.
    #[cfg(test)]
    #[expect(clippy::unwrap_used, reason = "the defaults are known to be good")]
    pub(crate) fn sample() -> Self {
        Self::try_from(&crate::config::Billing::default()).unwrap()
    }

    /// What stands on every row.
    pub fn account(&self) -> Account {
        // The warehouse is the resource that used it; cost exports look for the resource's name
        // under this tag.
        let mut custom_tags = BTreeMap::from([("Name".to_owned(), self.warehouse_id.clone())]);
        custom_tags.extend(self.custom_tags.clone());
        Account {
            account_id: self.account_id.clone(),
            workspace_id: self.workspace_id.clone(),
            warehouse_id: self.warehouse_id.clone(),
            cloud: self.cloud.clone(),
            custom_tags,
        }
    }
}

/// What can go wrong with the books.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The tables behind the journal.
    #[error("cannot reach the system tables")]
    Archive(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        Self::new(crate::Condition::Unavailable, "the statement cannot be entered into the books")
            .with_hint("try again; if it stays, the operator finds the cause in the server's log")
            .caused_by(error)
    }
}
