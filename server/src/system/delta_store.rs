//! [`DeltaStore`]: system tables as Delta tables under the system root, for any engine to read.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use futures::stream;
use weir_scan::{DeltaTables, NewTable, RootName, TableLocation};

use super::SystemTableName;
use super::store::{StoredTable, TableStore};
use crate::billing::Error;
use crate::billing::journal::SegmentNumber;

/// Keeps system tables in Delta, through the same router and caches as all tables.
#[derive(Debug, Clone)]
pub struct DeltaStore {
    tables: Arc<DeltaTables>,
    root: RootName,
    runtime: Arc<RuntimeEnv>,
}

impl DeltaStore {
    /// A store under `root`, which nobody else writes to; `runtime` gives memory for writing.
    pub fn new(tables: Arc<DeltaTables>, root: RootName, runtime: Arc<RuntimeEnv>) -> Self {
        Self { tables, root, runtime }
    }

    fn location(&self, table: SystemTableName) -> Result<TableLocation, Error> {
        TableLocation::new(self.root.clone(), table.folder()).map_err(unreachable)
    }
}

#[async_trait]
impl TableStore for DeltaStore {
    async fn create_if_absent(&self, table: SystemTableName) -> Result<(), Error> {
        let location = self.location(table)?;
        match self.tables.open(&location).await {
            Ok(_) => return Ok(()),
            Err(weir_scan::Error::NoDeltaLog { .. }) => {}
            Err(error) => return Err(unreachable(error)),
        }
        let definition = NewTable {
            schema: table.arrow_schema(),
            partition_columns: Vec::new(),
            properties: Vec::new(),
            comment: Some(table.meaning().to_owned()),
        };
        match self.tables.create_as(&location, definition, Vec::new()).await {
            Ok(_) | Err(weir_scan::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(unreachable(error)),
        }
    }

    async fn append(
        &self,
        table: SystemTableName,
        rows: RecordBatch,
        application: &str,
        version: SegmentNumber,
    ) -> Result<(), Error> {
        let session = SessionStateBuilder::new()
            .with_default_features()
            .with_config(SessionConfig::new().with_target_partitions(1))
            .with_runtime_env(Arc::clone(&self.runtime))
            .build();
        let schema = rows.schema();
        let input = RecordBatchStreamAdapter::new(schema, stream::iter([Ok(rows)]));
        let transaction = Some((application.to_owned(), version));
        self.tables
            .append(&self.location(table)?, &session, Box::pin(input), Vec::new(), transaction)
            .await
            .map_err(unreachable)?;
        Ok(())
    }

    async fn open(&self, table: SystemTableName, application: &str) -> Result<StoredTable, Error> {
        let pinned = self.tables.open(&self.location(table)?).await.map_err(unreachable)?;
        let seen = pinned.txn_version(application).await.map_err(unreachable)?;
        Ok(StoredTable { provider: pinned.provider(), seen })
    }
}

fn unreachable(error: weir_scan::Error) -> Error {
    Error::Archive(Box::new(error))
}

#[cfg(test)]
mod tests;
