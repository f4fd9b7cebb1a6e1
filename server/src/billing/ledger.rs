//! [`Ledger`]: where records become entries, and entries go from the journal to the archive.
//!
//! Writing: a record's entry is appended to the journal; its receipt resolves when it is on
//! disk. Flushing: the ended statements of closed segments are appended to the archive under the
//! segment's number, which the archive remembers; then the segment is removed. A flush repeated
//! after a crash finds the number and does nothing.
//!
//! Reading: [`Ledger::pending`] *first*, then the archive; entries of segments whose number the
//! archive has not yet seen are what it lacks. In that order nothing is missing and nothing is
//! double, also while a flush runs.
//!
//! Every entry stays in memory until it is flushed: with many of them in the journal it is flushed before its time. An
//! archive that cannot be reached for long shows in the log with each try.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::entry::{Account, Entry};
use super::journal::{Journal, LockedJournal, Segment, SegmentNumber};
use super::{Config, Error};
use crate::query::history::FinishedRecord;
use crate::query::record::{Receipt, RecordSink};

/// A segment under its name in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentName {
    /// The journal it is of.
    pub journal: Uuid,
    /// Its number: later segments have greater ones.
    pub number: SegmentNumber,
}

impl SegmentName {
    /// The application id under which `journal` appends to Delta tables.
    pub fn application_id(journal: Uuid) -> String {
        format!("weir-ledger-{journal}")
    }
}

/// Where entries end up.
#[async_trait]
pub trait Archive: std::fmt::Debug + Send + Sync {
    /// Makes `ended` part of the archive, as a whole or for the part that is missing. Does
    /// nothing for a segment it has seen, or one older than that.
    async fn append(&self, segment: SegmentName, ended: &[Arc<Entry>]) -> Result<(), Error>;

    /// The greatest number of `journal` that any part of the archive has seen.
    async fn newest(&self, journal: Uuid) -> Result<Option<SegmentNumber>, Error>;
}

/// The books.
#[derive(Debug)]
pub struct Ledger {
    journal: Journal,
    archive: Arc<dyn Archive>,
    config: Config,
    flushing: Mutex<()>,
}

impl Ledger {
    /// Opens the books with their journal in `dir`. Statements that ran when a former server
    /// stopped are entered as FAILED, with what they had used by their latest checkpoint.
    pub async fn open(dir: &Path, archive: Arc<dyn Archive>, config: Config) -> Result<Self, Error> {
        let dir = dir.to_owned();
        let locked = blocking(move || LockedJournal::take(&dir)).await?;
        let interrupted = locked.interrupted();
        let archived = archive.newest(locked.id()).await?;
        let segment_bytes_max = config.segment_bytes_max;
        let journal = blocking(move || locked.start(archived, segment_bytes_max)).await?;
        for entry in interrupted {
            let statement = entry.record.statement_id;
            tracing::warn!(%statement, "the server stopped while a statement ran");
            journal.append(entry.interrupted()).wait().await?;
        }
        Ok(Self { journal, archive, config, flushing: Mutex::new(()) })
    }

    /// The id of the journal, under which the archive knows its segments.
    pub fn journal_id(&self) -> Uuid {
        self.journal.id()
    }

    /// What stands on every row of this server.
    pub fn account(&self) -> Account {
        self.config.account()
    }

    /// Segments that may not be in the archive yet. To be asked *before* the archive is.
    pub async fn pending(&self) -> Result<Vec<Segment>, Error> {
        Ok(self.journal.pending().wait().await?)
    }

    /// Statements that run, as of their latest checkpoint.
    pub async fn running(&self) -> Result<Vec<Arc<Entry>>, Error> {
        Ok(self.journal.running().wait().await?)
    }

    /// Brings every statement that has ended into the archive.
    pub async fn flush(&self) -> Result<(), Error> {
        let _one_at_a_time = self.flushing.lock().await;
        for segment in self.journal.rotate().wait().await? {
            let name = SegmentName { journal: self.journal.id(), number: segment.number };
            if !segment.ended.is_empty() {
                self.archive.append(name, &segment.ended).await?;
            }
            self.journal.remove(segment.number).wait().await?;
        }
        Ok(())
    }

    /// Flushes again and again until `stop`, and a last time then; before its time when the journal holds much. After a
    /// flush that failed the next one waits for its time.
    pub async fn keep_flushed(&self, stop: CancellationToken) {
        let pause = self.config.flush_interval;
        let mut may_be_early = true;
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(pause) => false,
                () = self.journal.holds_beyond(self.config.held_bytes_max), if may_be_early => false,
            };
            let flushed = self.flush().await;
            may_be_early = flushed.is_ok();
            if let Err(error) = flushed {
                tracing::error!(%error, cause = ?error, "the books stay in the journal");
            }
            if stopped {
                return;
            }
        }
    }
}

impl RecordSink for Ledger {
    fn recorded(&self, record: FinishedRecord) -> Receipt {
        let written = self.journal.append(Entry::new(record, &self.config));
        async move { written.wait().await.map_err(|error| Error::from(error).into()) }.boxed()
    }

    fn checkpoint(&self, record: FinishedRecord) {
        self.journal.append(Entry::new(record, &self.config)).unattended();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, super::journal::Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.unwrap_or(Err(super::journal::Error::Closed))?)
}

#[cfg(test)]
mod tests;
