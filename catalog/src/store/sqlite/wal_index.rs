//! [`WalIndex`]: whether anybody, in whichever process, has committed since somebody last looked.
//!
//! In write-ahead logging a commit counts from the moment on at which its writer puts another header into the index that all processes
//! share (SQLite's documentation, "WAL-mode File Format", section 2): the header holds a counter of changes, the last valid
//! frame, its checksums and the log's salt. SQLite begins each read by comparing that header; so does this, without SQLite.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The header as it lies in the file, in the machine's own order of bytes.
pub(super) type Header = [u8; HEADER_BYTES];

const HEADER_BYTES: usize = 48;
/// The only version of the index there is.
const VERSION: u32 = 3_007_000;
/// Where it says that the header is one.
const IS_INITIALISED: usize = 12;

/// The index beside a database file.
#[derive(Debug, Clone)]
pub(super) struct WalIndex {
    path: PathBuf,
}

impl WalIndex {
    pub(super) fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-shm");
        Self { path: path.into() }
    }

    /// The header now; none where it cannot be read or is being written.
    pub(super) fn header(&self) -> Option<Header> {
        let mut copies = [0; 2 * HEADER_BYTES];
        // reason: without a header the database is asked
        File::open(&self.path).and_then(|mut file| file.read_exact(&mut copies)).ok()?;
        let (header, copy) = copies.split_first_chunk::<HEADER_BYTES>()?;
        let version = header.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
        let is_whole = header.as_slice() == copy
            && version == Some(VERSION)
            && header.get(IS_INITIALISED).is_some_and(|initialised| *initialised == 1);
        is_whole.then_some(*header)
    }
}
