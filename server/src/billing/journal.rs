//! The journal: statements on local disk before anyone is told they ended.
//!
//! An append-only log in segments `<journal id>.<number>.jsonl`, one line for each entry, each
//! line under a checksum. Entries are cumulative: the latest line of a statement wins, and one
//! that has ended stays ended. One thread owns the files; it writes whatever has queued up and
//! syncs once for all of it (group commit).
//!
//! ```text
//!   LockedJournal ──start──▶ Journal ◀── append │ rotate │ pending │ remove
//!   (lock, leftovers)          └─ the writer's thread: open segment · closed segments · running
//! ```
//!
//! INVARIANT: segment numbers only grow, over restarts too, for the archive remembers them.
//! INVARIANT: before a segment may be removed, the newest line of every running statement
//! stands in a later one.
//! A lock file keeps a second server off; the operating system releases it when a server dies.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::entry::Entry;

mod held;
mod line;
mod recovery;
mod segment;
mod writer;

use held::Held;
use writer::{Order, Writer};

const LOCK_FILE: &str = "journal.lock";
const ID_FILE: &str = "journal.id";

/// What can go wrong with the journal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {what} journal file {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// Another server has it.
    #[error("the journal in {} is in use by another server", _0.display())]
    InUse(PathBuf),
    /// A file that is not of this journal.
    #[error("{} is no segment of the journal it lies in", _0.display())]
    Foreign(PathBuf),
    /// An entry that cannot be written as a line.
    #[error("cannot write an entry as a line")]
    Line(#[source] Arc<serde_json::Error>),
    /// The writer's thread is gone.
    #[error("the journal is closed")]
    Closed,
}

impl Error {
    fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source: Arc::new(source) }
    }
}

/// A segment's number, growing over the journal's life; the version of its transaction in the
/// archive.
pub type SegmentNumber = i64;

/// The ended statements of one segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its number.
    pub number: SegmentNumber,
    /// Statements whose end stands in it.
    pub ended: Vec<Arc<Entry>>,
}

/// A journal nobody else has, before anything is written to it.
#[derive(Debug)]
pub struct LockedJournal {
    id: Uuid,
    dir: PathBuf,
    lock: File,
    leftovers: recovery::Leftovers,
}

impl LockedJournal {
    /// Takes the journal in `dir`, which is made if need be, and reads what a former server
    /// left there. Blocks on the disk.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
        let lock_path = dir.join(LOCK_FILE);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(Error::file("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", &lock_path)(source)),
        }
        let id = read_or_make_id(dir)?;
        let leftovers = recovery::read(dir, id)?;
        Ok(Self { id, dir: dir.to_owned(), lock, leftovers })
    }

    /// The journal's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Statements that ran when the server stopped, as of their latest line.
    pub fn interrupted(&self) -> Vec<Arc<Entry>> {
        self.leftovers.running.values().cloned().collect()
    }

    /// Opens for writing, with segments numbered above `archived`. Leftover segments count as
    /// closed ones, interrupted statements as running. Blocks on the disk.
    pub fn start(self, archived: Option<SegmentNumber>, segment_bytes_max: u64) -> Result<Journal, Error> {
        let id = self.id;
        let held = Arc::new(Held::default());
        let writer = Writer::open(self, archived.unwrap_or(0), segment_bytes_max, Arc::clone(&held))?;
        let (orders, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("weir-journal".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|source| Error::File {
                what: "start the writer of",
                path: PathBuf::new(),
                source: Arc::new(source),
            })?;
        Ok(Journal { id, held, orders: Some(orders), writer: Some(thread) })
    }
}

fn read_or_make_id(dir: &Path) -> Result<Uuid, Error> {
    let path = dir.join(ID_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Uuid::parse_str(text.trim()).map_err(|_| Error::Foreign(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = Uuid::new_v4();
            // Written aside and renamed, so that a crash leaves a whole id or none.
            let draft = dir.join("journal.id.draft");
            fs::write(&draft, id.to_string()).map_err(Error::file("write", &draft))?;
            File::open(&draft).and_then(|file| file.sync_all()).map_err(Error::file("sync", &draft))?;
            fs::rename(&draft, &path).map_err(Error::file("write", &path))?;
            segment::sync_dir(dir)?;
            Ok(id)
        }
        Err(error) => Err(Error::file("read", &path)(error)),
    }
}

/// A journal open for writing.
#[derive(Debug)]
pub struct Journal {
    id: Uuid,
    held: Arc<Held>,
    orders: Option<mpsc::Sender<Order>>,
    writer: Option<JoinHandle<()>>,
}

impl Journal {
    /// The journal's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Until more than so many bytes of statements have ended since it was opened and are still in it.
    pub async fn holds_beyond(&self, bytes: u64) {
        self.held.beyond(bytes).await;
    }

    /// Appends `entry`. It is handed over when this returns, and durable when the answer comes.
    pub fn append(&self, entry: Entry) -> Answer<()> {
        match line::encode(&entry) {
            Ok(line) => self.order(|answer| Order::Append { entry: Arc::new(entry), line, answer }),
            Err(error) => Answer::refused(Error::Line(Arc::new(error))),
        }
    }

    /// Closes the open segment if a statement ended in it, and returns all closed ones, oldest
    /// first.
    pub fn rotate(&self) -> Answer<Vec<Segment>> {
        self.order(|answer| Order::Rotate { answer })
    }

    /// All segments not removed yet, the open one included, oldest first.
    pub fn pending(&self) -> Answer<Vec<Segment>> {
        self.order(|answer| Order::Pending { answer })
    }

    /// The latest lines of statements that have not ended.
    pub fn running(&self) -> Answer<Vec<Arc<Entry>>> {
        self.order(|answer| Order::Running { answer })
    }

    /// Removes a closed segment, whose entries stand in the archive.
    pub fn remove(&self, number: SegmentNumber) -> Answer<()> {
        self.order(|answer| Order::Remove { number, answer })
    }

    fn order<T>(&self, make: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Order) -> Answer<T> {
        let (answer, receiver) = oneshot::channel();
        match &self.orders {
            Some(orders) if orders.send(make(answer)).is_ok() => Answer(Ok(receiver)),
            _ => Answer::refused(Error::Closed),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The writer ends when the channel closes, after everything in it is on disk.
        self.orders = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the journal's writer panicked");
        }
    }
}

/// The writer's answer, to be waited for or not.
#[derive(Debug)]
#[must_use = "whether it is durable is known when the answer comes"]
pub struct Answer<T>(Result<oneshot::Receiver<Result<T, Error>>, Error>);

impl<T> Answer<T> {
    fn refused(error: Error) -> Self {
        tracing::error!(%error, cause = ?error, "an order did not reach the journal");
        Self(Err(error))
    }

    /// Waits for it.
    pub async fn wait(self) -> Result<T, Error> {
        self.0?.await.unwrap_or(Err(Error::Closed))
    }

    /// Does not wait; a failure stands in the log.
    pub fn unattended(self) {
        drop(self.0);
    }
}

#[cfg(test)]
mod tests;
