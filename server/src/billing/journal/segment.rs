//! One segment's file: its name, reading it whole, appending to it durably.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::line::{self, Damage};
use super::{Error, SegmentNumber};
use crate::billing::entry::Entry;

const EXTENSION: &str = "jsonl";

/// A segment open for appending.
#[derive(Debug)]
pub(super) struct SegmentFile {
    pub(super) number: SegmentNumber,
    path: PathBuf,
    file: File,
    good_bytes: u64,
}

impl SegmentFile {
    /// A segment that did not exist; its name is durable when this returns.
    pub(super) fn create(dir: &Path, journal: Uuid, number: SegmentNumber) -> Result<Self, Error> {
        let path = path(dir, journal, number);
        let file = File::options()
            .create_new(true)
            .append(true)
            // Statements' texts are nobody else's business on this machine.
            .mode(0o600)
            .open(&path)
            .map_err(Error::file("create", &path))?;
        sync_dir(dir)?;
        Ok(Self { number, path, file, good_bytes: 0 })
    }

    /// Appends whole lines and syncs them. On failure nothing of them stays, as far as the disk
    /// lets itself be asked, and the segment takes no more.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), Error> {
        let written = self
            .file
            .write_all(lines)
            .map_err(Error::file("write", &self.path))
            .and_then(|()| self.file.sync_data().map_err(Error::file("sync", &self.path)));
        match written {
            Ok(()) => {
                self.good_bytes += u64::try_from(lines.len()).unwrap_or(u64::MAX);
                Ok(())
            }
            Err(error) => {
                let cut = self.file.set_len(self.good_bytes).and_then(|()| self.file.sync_data());
                if let Err(cause) = cut {
                    tracing::error!(path = %self.path.display(), %cause, "a torn journal segment stays");
                }
                Err(error)
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.good_bytes
    }
}

/// The segments in `dir`, oldest first.
pub(super) fn list(dir: &Path, journal: Uuid) -> Result<Vec<SegmentNumber>, Error> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(dir).map_err(Error::file("list", dir))? {
        let path = file.map_err(Error::file("list", dir))?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.split_once('.'))
            .filter(|(owner, _)| *owner == journal.to_string())
            // reason: what is no number is refused below
            .and_then(|(_, number)| number.parse().ok());
        numbers.push(number.ok_or(Error::Foreign(path))?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The entries of a segment in their order. Lines that a crash tore were never acknowledged and
/// are left out; damage before good lines is a fault of the disk and is logged as such.
pub(super) fn read(dir: &Path, journal: Uuid, number: SegmentNumber) -> Result<Vec<Entry>, Error> {
    let path = path(dir, journal, number);
    let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
    let mut entries = Vec::new();
    let mut damaged: Vec<(usize, Damage)> = Vec::new();
    for (index, text) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, text)| !text.is_empty()) {
        match line::decode(text) {
            Ok(entry) => {
                for (line, damage) in damaged.drain(..) {
                    tracing::error!(path = %path.display(), line, %damage, "the journal is damaged");
                }
                entries.push(entry);
            }
            Err(damage) => damaged.push((index + 1, damage)),
        }
    }
    if !damaged.is_empty() {
        tracing::info!(path = %path.display(), lines = damaged.len(), "left out a torn end of the journal");
    }
    Ok(entries)
}

pub(super) fn remove(dir: &Path, journal: Uuid, number: SegmentNumber) -> Result<(), Error> {
    let path = path(dir, journal, number);
    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
    sync_dir(dir)
}

/// Makes creations and removals in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::file("sync", dir))
}

fn path(dir: &Path, journal: Uuid, number: SegmentNumber) -> PathBuf {
    dir.join(format!("{journal}.{number:020}.{EXTENSION}"))
}
