//! [`OwnCommit`]: a log store that knows its own commit again.
//!
//! A store may have kept a commit and still answer that it did not: its client asks again, and is told that somebody was first. Who
//! believed that would carry the change out twice. So what is there is compared with what was to be written, in which each
//! commit differs from all others by its statement and the names of its files.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::DeltaResult;
use deltalake::kernel::Version;
use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::{CommitOrBytes, LogStore, LogStoreConfig, LogStoreRef};
use object_store::ObjectStore;
use uuid::Uuid;

/// Does as the log store within does.
pub(crate) struct OwnCommit {
    within: LogStoreRef,
}

impl OwnCommit {
    pub(crate) fn new(within: LogStoreRef) -> Arc<Self> {
        Arc::new(Self { within })
    }
}

#[async_trait]
impl LogStore for OwnCommit {
    fn name(&self) -> String {
        self.within.name()
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        self.within.read_commit_entry(version).await
    }

    async fn write_commit_entry(
        &self,
        version: Version,
        commit: CommitOrBytes,
        operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        let wanted = match &commit {
            CommitOrBytes::LogBytes(bytes) => Some(bytes.clone()),
            CommitOrBytes::TmpCommit(_) => None,
        };
        let Err(failure) = self.within.write_commit_entry(version, commit, operation_id).await else {
            return Ok(());
        };
        let Some(wanted) = wanted else { return Err(failure) };
        match self.within.read_commit_entry(version).await {
            Ok(Some(there)) if there == wanted => Ok(()),
            Ok(Some(_)) => Err(failure),
            // Whose commit the version is cannot be told, and nobody is to try again who may have been the one.
            Ok(None) | Err(_) if matches!(failure, TransactionError::VersionAlreadyExists(_)) => {
                let msg = format!("version {version} was committed, and whose it is cannot be read");
                Err(TransactionError::LogStoreError { source: msg.clone().into(), msg })
            }
            Ok(None) | Err(_) => Err(failure),
        }
    }

    async fn abort_commit_entry(
        &self,
        version: Version,
        commit: CommitOrBytes,
        operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        self.within.abort_commit_entry(version, commit, operation_id).await
    }

    async fn get_latest_version(&self, start_version: Version) -> DeltaResult<Version> {
        self.within.get_latest_version(start_version).await
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use deltalake::logstore::{StorageConfig, default_logstore};
    use object_store::memory::InMemory;
    use url::Url;

    use super::*;

    /// Writes, and says that somebody else was first; of version 3 nothing can be read.
    struct Forgetful(LogStoreRef);

    #[async_trait]
    impl LogStore for Forgetful {
        fn name(&self) -> String {
            self.0.name()
        }

        async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
            match version {
                3 => Err(deltalake::DeltaTableError::Generic("no answer".to_owned())),
                _ => self.0.read_commit_entry(version).await,
            }
        }

        async fn write_commit_entry(
            &self,
            version: Version,
            commit: CommitOrBytes,
            operation_id: Uuid,
        ) -> Result<(), TransactionError> {
            self.0.write_commit_entry(version, commit, operation_id).await?;
            Err(TransactionError::VersionAlreadyExists(version))
        }

        async fn abort_commit_entry(
            &self,
            version: Version,
            commit: CommitOrBytes,
            operation_id: Uuid,
        ) -> Result<(), TransactionError> {
            self.0.abort_commit_entry(version, commit, operation_id).await
        }

        async fn get_latest_version(&self, start_version: Version) -> DeltaResult<Version> {
            self.0.get_latest_version(start_version).await
        }

        fn object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
            self.0.object_store(operation_id)
        }

        fn root_object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
            self.0.root_object_store(operation_id)
        }

        fn config(&self) -> &LogStoreConfig {
            self.0.config()
        }
    }

    #[tokio::test]
    async fn a_commit_is_known_again_and_anothers_is_not_taken_for_it() {
        let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let place = Url::parse("memory:///t/").unwrap();
        let store = default_logstore(Arc::clone(&memory), memory, &place, &StorageConfig::default());
        let log = OwnCommit::new(Arc::new(Forgetful(store)));
        let write = |version, text: &'static str| {
            let commit = CommitOrBytes::LogBytes(Bytes::from_static(text.as_bytes()));
            log.write_commit_entry(version, commit, Uuid::nil())
        };
        write(1, "ours").await.unwrap();
        let refused = write(1, "another's").await;
        assert!(matches!(refused, Err(TransactionError::VersionAlreadyExists(1))), "{refused:?}");
        assert_eq!(log.read_commit_entry(1).await.unwrap().unwrap(), "ours");
        let unknown = write(3, "ours").await;
        assert!(
            matches!(unknown, Err(TransactionError::LogStoreError { .. })),
            "no conflict, to be tried again: {unknown:?}"
        );
    }
}
