//! [`SystemArchive`]: the books' archive is the system tables themselves.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::SystemTableName;
use super::store::TableStore;
use crate::billing::journal::SegmentNumber;
use crate::billing::{Archive, Entry, Error, SegmentName};

/// Writes entries as rows of every system table.
#[derive(Debug, Clone)]
pub struct SystemArchive {
    store: Arc<dyn TableStore>,
}

impl SystemArchive {
    /// An archive in `store`; makes the tables that are not there.
    pub async fn open(store: Arc<dyn TableStore>) -> Result<Self, Error> {
        for table in SystemTableName::ALL {
            store.create_if_absent(table).await?;
        }
        Ok(Self { store })
    }
}

#[async_trait]
impl Archive for SystemArchive {
    async fn append(&self, segment: SegmentName, ended: &[Arc<Entry>]) -> Result<(), Error> {
        let application = SegmentName::application_id(segment.journal);
        for table in SystemTableName::ALL {
            let seen = self.store.open(table, &application).await?.seen;
            if seen.is_some_and(|seen| seen >= segment.number) {
                continue;
            }
            let rows = table.rows(ended).map_err(|error| Error::Archive(Box::new(error)))?;
            self.store.append(table, rows, &application, segment.number).await?;
        }
        Ok(())
    }

    async fn newest(&self, journal: Uuid) -> Result<Option<SegmentNumber>, Error> {
        let application = SegmentName::application_id(journal);
        let mut newest = None;
        for table in SystemTableName::ALL {
            newest = newest.max(self.store.open(table, &application).await?.seen);
        }
        Ok(newest)
    }
}
