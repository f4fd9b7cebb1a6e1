//! [`Entry`]: what the journal keeps of a statement: its record, its usage, and whose account it
//! went on. Rates and names are those of the time of writing, so a change of configuration
//! never changes what is already in the books.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quantity::Quantity;
use super::sku::Product;
use super::usage::Usage;
use super::{Config, meter};
use crate::query::history::{ExecutionStatus, FinishedRecord};

/// What stands on every row of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account.
    pub account_id: String,
    /// The workspace.
    pub workspace_id: String,
    /// The warehouse.
    pub warehouse_id: String,
    /// The cloud.
    pub cloud: String,
    /// Tags.
    pub custom_tags: BTreeMap<String, String>,
}

/// One statement in the books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The statement.
    pub record: FinishedRecord,
    /// Its usage, cumulative.
    pub usage: Vec<Usage>,
    /// Whose it is.
    pub account: Account,
}

impl Entry {
    /// The entry of `record` at the rates of `config`.
    pub fn new(record: FinishedRecord, config: &Config) -> Self {
        let usage = meter::usage(&record, config);
        Self { record, usage, account: config.account() }
    }

    /// Whether the statement has ended.
    pub fn is_final(&self) -> bool {
        self.record.status.is_terminal()
    }

    /// What the statement used of `product`.
    pub fn quantity(&self, product: Product) -> Quantity {
        self.usage.iter().filter(|usage| usage.product == product).map(|usage| usage.quantity).sum()
    }

    /// The statement as it stands when the server stopped under it.
    pub(crate) fn interrupted(&self) -> Self {
        let mut entry = self.clone();
        entry.record.status = ExecutionStatus::Failed;
        entry.record.error_message = Some("the server stopped while the statement ran".to_owned());
        entry
    }
}
