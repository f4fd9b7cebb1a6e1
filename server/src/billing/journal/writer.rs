//! The thread that owns the journal's files. It takes whatever orders have queued up, writes
//! their lines in one go, syncs once and answers all of them: many statements that end at the
//! same time cost one sync.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::held::Held;
use super::segment::{self, SegmentFile};
use super::{Error, LockedJournal, Segment, SegmentNumber, line};
use crate::billing::entry::Entry;

/// The most lines written under one sync.
const BATCH_LINES_MAX: usize = 1024;
/// And their bytes, about.
const BATCH_BYTES_MAX: usize = 4 << 20;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the writer can be asked to do.
#[derive(Debug)]
pub(super) enum Order {
    Append { entry: Arc<Entry>, line: Vec<u8>, answer: Reply<()> },
    Rotate { answer: Reply<Vec<Segment>> },
    Pending { answer: Reply<Vec<Segment>> },
    Running { answer: Reply<Vec<Arc<Entry>>> },
    Remove { number: SegmentNumber, answer: Reply<()> },
}

/// An entry on its way to the disk.
struct Append {
    entry: Arc<Entry>,
    line: Vec<u8>,
    answer: Reply<()>,
}

pub(super) struct Writer {
    id: Uuid,
    dir: PathBuf,
    /// Held for its lock.
    _lock: File,
    segment_bytes_max: u64,
    /// The number the newest segment has; the following one's is greater by one.
    newest: SegmentNumber,
    open: Option<SegmentFile>,
    /// Ended statements by segment, the open one included.
    ended: BTreeMap<SegmentNumber, Vec<Arc<Entry>>>,
    /// Bytes of the lines of those that ended since the journal was opened.
    ended_bytes: BTreeMap<SegmentNumber, u64>,
    held: Arc<Held>,
    running: HashMap<Uuid, Arc<Entry>>,
}

impl Writer {
    pub(super) fn open(
        journal: LockedJournal,
        archived: SegmentNumber,
        segment_bytes_max: u64,
        held: Arc<Held>,
    ) -> Result<Self, Error> {
        let LockedJournal { id, dir, lock, leftovers } = journal;
        let newest_left = leftovers.segments.keys().next_back().copied().unwrap_or(0);
        let mut writer = Self {
            id,
            dir,
            _lock: lock,
            segment_bytes_max,
            newest: newest_left.max(archived),
            open: None,
            ended: leftovers.segments,
            ended_bytes: BTreeMap::new(),
            held,
            running: leftovers.running.into_iter().collect(),
        };
        writer.opened()?;
        Ok(writer)
    }

    /// Works until nobody can give orders any more.
    pub(super) fn run(mut self, inbox: &mpsc::Receiver<Order>) {
        while let Ok(first) = inbox.recv() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            let mut following = Some(first);
            while let Some(order) = following {
                if let Some(append) = self.dispatch(order, &mut batch) {
                    bytes += append.line.len();
                    batch.push(append);
                }
                let takes_more = batch.len() < BATCH_LINES_MAX && bytes < BATCH_BYTES_MAX;
                // reason: an empty inbox ends the batch
                following = if takes_more { inbox.try_recv().ok() } else { None };
            }
            self.commit(&mut batch);
        }
    }

    /// Appends join the batch; everything else sees what was ordered before it on disk.
    fn dispatch(&mut self, order: Order, batch: &mut Vec<Append>) -> Option<Append> {
        if let Order::Append { entry, line, answer } = order {
            return Some(Append { entry, line, answer });
        }
        self.commit(batch);
        match order {
            Order::Append { .. } => {}
            Order::Rotate { answer } => reply(answer, self.rotate()),
            Order::Pending { answer } => reply(answer, Ok(self.segments_up_to(self.newest))),
            Order::Running { answer } => reply(answer, Ok(self.running.values().cloned().collect())),
            Order::Remove { number, answer } => reply(answer, self.remove(number)),
        }
        None
    }

    fn commit(&mut self, batch: &mut Vec<Append>) {
        if batch.is_empty() {
            return;
        }
        let lines: Vec<u8> = batch.iter().flat_map(|append| append.line.iter().copied()).collect();
        let written = self.write(&lines);
        if let Err(error) = &written {
            tracing::error!(%error, cause = ?error, entries = batch.len(), "the journal cannot be written");
        }
        for Append { entry, line, answer } in batch.drain(..) {
            if let Ok(number) = written {
                self.remember(number, entry, u64::try_from(line.len()).unwrap_or(u64::MAX));
            }
            reply(answer, written.clone().map(|_| ()));
        }
        let full = self.open.as_ref().is_some_and(|open| open.bytes() >= self.segment_bytes_max);
        if full {
            self.open = None;
            if let Err(error) = self.opened() {
                tracing::error!(%error, cause = ?error, "the journal cannot begin another segment");
            }
        }
    }

    /// Writes to the open segment, or once more to a fresh one if that takes no more.
    fn write(&mut self, lines: &[u8]) -> Result<SegmentNumber, Error> {
        let open = self.opened()?;
        if let Err(error) = open.append(lines) {
            tracing::warn!(%error, cause = ?error, "a journal segment takes no more lines");
            self.open = None;
            self.opened()?.append(lines).inspect_err(|_| self.open = None)?;
        }
        Ok(self.newest)
    }

    fn remember(&mut self, number: SegmentNumber, entry: Arc<Entry>, bytes: u64) {
        let statement = entry.record.statement_id;
        if entry.is_final() {
            self.running.remove(&statement);
            self.ended.entry(number).or_default().push(entry);
            *self.ended_bytes.entry(number).or_default() += bytes;
            self.held.add(bytes);
        } else {
            self.running.insert(statement, entry);
        }
    }

    /// The open segment; a new one begins with the lines of the running statements.
    fn opened(&mut self) -> Result<&mut SegmentFile, Error> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        Ok(self.open.insert(open))
    }

    fn begin(&mut self) -> Result<SegmentFile, Error> {
        // A number is spent also when the segment comes to nothing.
        self.newest += 1;
        let mut lines = Vec::new();
        for entry in self.running.values() {
            lines.extend(line::encode(entry).map_err(|error| Error::Line(Arc::new(error)))?);
        }
        let mut begun = SegmentFile::create(&self.dir, self.id, self.newest)?;
        self.ended.insert(begun.number, Vec::new());
        if !lines.is_empty() {
            begun.append(&lines)?;
        }
        Ok(begun)
    }

    fn rotate(&mut self) -> Result<Vec<Segment>, Error> {
        let open = self.opened()?.number;
        if self.ended.get(&open).is_some_and(|ended| !ended.is_empty()) {
            self.open = None;
        }
        // INVARIANT: a segment is reported as closed only when a later one holds what runs.
        let open = self.opened()?.number;
        Ok(self.segments_up_to(open - 1))
    }

    fn segments_up_to(&self, number: SegmentNumber) -> Vec<Segment> {
        let segments = self.ended.range(..=number);
        segments.map(|(number, ended)| Segment { number: *number, ended: ended.clone() }).collect()
    }

    fn remove(&mut self, number: SegmentNumber) -> Result<(), Error> {
        // The open segment keeps the numbering and what runs.
        if self.open.as_ref().is_none_or(|open| number >= open.number) || !self.ended.contains_key(&number) {
            return Ok(());
        }
        segment::remove(&self.dir, self.id, number)?;
        self.ended.remove(&number);
        self.held.remove(self.ended_bytes.remove(&number).unwrap_or(0));
        Ok(())
    }
}

fn reply<T>(answer: Reply<T>, result: Result<T, Error>) {
    // Whoever asked may have gone away; the work is done all the same.
    if answer.send(result).is_err() {
        tracing::trace!("an answer of the journal found nobody");
    }
}
