//! [`WalIndex`]: whether anybody, in whichever process, has committed since somebody last looked.
//!
//! In write-ahead logging a commit counts from the moment on at which its writer puts another header into the index that all processes
//! share (SQLite's documentation, "WAL-mode File Format", section 2): the header holds a counter of changes, the last valid
//! frame, its checksums and the log's salt. SQLite begins each read by comparing that header; so does this, without SQLite.
//!
//! The file is opened once and never closed: a process that closes a file loses every lock that it has on it, whoever in it asked for
//! them (SQLite's documentation, "How To Corrupt An SQLite Database File", section 2.2), and SQLite's are on this one.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use tokio::sync::watch;

/// The header as it lies in the file, in the machine's own order of bytes.
pub(super) type Header = [u8; HEADER_BYTES];

const HEADER_BYTES: usize = 48;
/// The only version of the index there is.
const VERSION: u32 = 3_007_000;
/// Where it says that the header is one.
const IS_INITIALISED: usize = 12;

/// The files that this process has open. Only those that were deleted are closed: nobody else can open them, so that no lock on
/// them keeps anybody away.
static OPENED: LazyLock<watch::Sender<Files>> = LazyLock::new(watch::Sender::default);

type Files = Vec<(PathBuf, Arc<File>)>;

/// The index beside a database file.
#[derive(Debug, Clone)]
pub(super) struct WalIndex {
    path: PathBuf,
    file: Arc<OnceLock<Arc<File>>>,
}

impl WalIndex {
    pub(super) fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-shm");
        Self { path: path.into(), file: Arc::default() }
    }

    /// The header now; none where it cannot be read or is being written.
    pub(super) fn header(&self) -> Option<Header> {
        let mut copies = [0; 2 * HEADER_BYTES];
        // reason: without a header the database is asked
        self.file().and_then(|file| file.read_exact_at(&mut copies, 0)).ok()?;
        let (header, copy) = copies.split_first_chunk::<HEADER_BYTES>()?;
        let version = header.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
        let is_whole = header.as_slice() == copy
            && version == Some(VERSION)
            && header.get(IS_INITIALISED).is_some_and(|initialised| *initialised == 1);
        is_whole.then_some(*header)
    }

    fn file(&self) -> io::Result<Arc<File>> {
        if let Some(file) = self.file.get()
            && is_there(file)
        {
            return Ok(Arc::clone(file));
        }
        let file = opened(&self.path)?;
        // One in the place of a deleted one is looked up with each call.
        self.file.get_or_init(|| Arc::clone(&file));
        Ok(file)
    }
}

/// Whether the file still has a name.
fn is_there(file: &File) -> bool {
    file.metadata().is_ok_and(|known| known.nlink() > 0)
}

/// The file, opened by whoever comes first.
fn opened(path: &Path) -> io::Result<Arc<File>> {
    let mut found = Err(io::ErrorKind::NotFound.into());
    OPENED.send_modify(|files| {
        files.retain(|(_, file)| is_there(file));
        found = match files.iter().find(|(known, _)| known == path) {
            Some((_, file)) => Ok(Arc::clone(file)),
            None => File::open(path).map(|file| {
                let file = Arc::new(file);
                files.push((path.to_owned(), Arc::clone(&file)));
                file
            }),
        };
    });
    found
}
