//! [`TableStore`]: where the archived rows of system tables lie. One store is Delta; tests have
//! one in memory.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use super::SystemTableName;
use crate::billing::{Error, journal};

/// A stored table at one version.
#[derive(Debug, Clone)]
pub struct StoredTable {
    /// Its rows.
    pub provider: Arc<dyn TableProvider>,
    /// The greatest transaction version of the application asked about that this version of
    /// the table has seen.
    pub seen: Option<journal::SegmentNumber>,
}

/// Stores the rows of system tables.
#[async_trait]
pub trait TableStore: fmt::Debug + Send + Sync {
    /// Makes `table`, empty, if it is not there.
    async fn create_if_absent(&self, table: SystemTableName) -> Result<(), Error>;

    /// Appends `rows` and remembers `version` for `application`, both in one commit.
    async fn append(
        &self,
        table: SystemTableName,
        rows: RecordBatch,
        application: &str,
        version: journal::SegmentNumber,
    ) -> Result<(), Error>;

    /// Opens the newest version of `table`.
    async fn open(&self, table: SystemTableName, application: &str) -> Result<StoredTable, Error>;
}
