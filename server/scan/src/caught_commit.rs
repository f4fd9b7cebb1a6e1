//! [`CaughtCommit`]: a log store in which nothing is committed. delta-rs writes files into it with all of its checks
//! (NOT NULL, constraints, generated columns, column mapping); what it would have committed becomes part of another commit.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::DeltaResult;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{Action, Add, Version};
use deltalake::logstore::{CommitOrBytes, LogStore, LogStoreConfig, LogStoreRef, get_actions};
use object_store::ObjectStore;
use tokio::sync::Mutex;
use uuid::Uuid;

/// Reads as the log store within does, and keeps what was to be committed.
pub(crate) struct CaughtCommit {
    within: LogStoreRef,
    caught: Mutex<Option<Bytes>>,
}

impl CaughtCommit {
    pub(crate) fn new(within: LogStoreRef) -> Arc<Self> {
        Arc::new(Self { within, caught: Mutex::new(None) })
    }

    /// The files that were to be added; `None` where it did not come to a commit.
    pub(crate) async fn added(&self) -> DeltaResult<Option<Vec<Add>>> {
        let Some(bytes) = self.caught.lock().await.take() else { return Ok(None) };
        let added = get_actions(0, &bytes)?.into_iter().filter_map(|action| match action {
            Action::Add(add) => Some(add),
            _ => None,
        });
        Ok(Some(added.collect()))
    }
}

#[async_trait]
impl LogStore for CaughtCommit {
    fn name(&self) -> String {
        self.within.name()
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        self.within.read_commit_entry(version).await
    }

    /// Never succeeds: the writer ends here.
    async fn write_commit_entry(
        &self,
        _version: Version,
        commit: CommitOrBytes,
        _operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        let msg = match commit {
            CommitOrBytes::LogBytes(bytes) => {
                *self.caught.lock().await = Some(bytes);
                "caught".to_owned()
            }
            CommitOrBytes::TmpCommit(_) => "a log store that renames files".to_owned(),
        };
        Err(TransactionError::LogStoreError { source: msg.clone().into(), msg })
    }

    async fn abort_commit_entry(
        &self,
        _version: Version,
        _commit: CommitOrBytes,
        _operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        Ok(())
    }

    async fn get_latest_version(&self, start_version: Version) -> DeltaResult<Version> {
        // A commit is caught whatever others have committed: whoever commits it looks for conflicts.
        Ok(start_version)
    }

    fn object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.within.object_store(operation_id)
    }

    fn root_object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.within.root_object_store(operation_id)
    }

    fn config(&self) -> &LogStoreConfig {
        self.within.config()
    }
}
