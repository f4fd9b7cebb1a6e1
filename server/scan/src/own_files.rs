//! A table is made of files of its own folder, whatever its log says.
//!
//! A log names files by paths that are taken relative to the table's folder, by RFC 3986: `../other/part.parquet`, `/other/…` and
//! `file:///…` are names of files elsewhere. Whoever may write to a folder writes its log as well, and could read through it what
//! lies beside. So three things are held to the folder, each by itself:
//!
//! * what a snapshot names, when it is made ([`check`]), and what a commit is to name ([`check_named`]);
//! * what delta-rs reads of log and checkpoints ([`OwnFolder`]);
//! * what a plan reads, before it leaves this crate ([`only_own`]).
//!
//! A path is decoded once, and is the name that a store is asked for then. What is encoded still is part of the name: the folder
//! of the value `a/b` is `p=a%2Fb`, which a log spells `p=a%252Fb`, and its slash leads nowhere.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::internal_err;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use deltalake::kernel::{Action, EagerSnapshot, StorageType};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result as StoreResult,
};

use crate::caught_panic::vector_of;
use crate::error::{self, Error, Result};
use crate::location::{MOUNT, TableLocation};
use crate::vector_reach::{self, ROWS_MAX, Reach};

/// Characters of a deletion vector's name that tell its number; the folder stands before them (Delta Transaction Log
/// Protocol, "Deletion Vector Descriptor Schema").
const VECTOR_NUMBER: usize = 20;

/// Refuses a snapshot that names files outside the folder of the table, as a shallow clone's does, and one whose log holds a
/// deletion vector that reaches further than its file can. Gives how many rows the masks of all deletion vectors may have.
pub(crate) fn check(location: &TableLocation, snapshot: &EagerSnapshot) -> Result<u64> {
    let elsewhere = || Error::UnsupportedFeature {
        table: location.clone(),
        features: vec!["files outside the table's own folder".to_owned()],
    };
    let corrupt = |what: &'static str| Error::CorruptLog { table: location.clone(), source: what.into() };
    let folder = location.url()?;
    let mut masked: u64 = 0;
    let files = snapshot.try_log_data().map_err(|source| error::from_delta(location, source))?;
    for file in files.iter() {
        if file.size() < 0 {
            return Err(corrupt("a file has a size below zero"));
        }
        // Decoded once, as a store is asked for it.
        if !is_below(&file.path()) {
            return Err(elsewhere());
        }
        let Some(vector) = vector_of(&file).map_err(corrupt)? else { continue };
        let place = vector.path_or_inline_dv.as_str();
        let own = match vector.storage_type {
            StorageType::Inline => true,
            StorageType::UuidRelativePath => {
                let prefix = place.len().checked_sub(VECTOR_NUMBER).and_then(|end| place.get(..end));
                prefix.is_some_and(is_spelled_below)
            }
            StorageType::AbsolutePath => place.strip_prefix(folder.as_str()).is_some_and(is_spelled_below),
        };
        if !own {
            return Err(elsewhere());
        }
        let rows = file.num_records().map(|rows| u64::try_from(rows).unwrap_or(u64::MAX));
        masked = masked.saturating_add(match vector.storage_type {
            StorageType::Inline => mask_rows(place, rows).map_err(corrupt)?,
            StorageType::AbsolutePath if !is_of_vectors(place) => {
                return Err(corrupt("a deletion vector lies in a file that is not one of such"));
            }
            // What stands in files is looked at when they are read.
            StorageType::AbsolutePath | StorageType::UuidRelativePath => rows.unwrap_or(0).min(ROWS_MAX),
        });
    }
    Ok(masked)
}

/// How many rows the mask of a vector has that stands in the log, for a file that is told to have so many.
fn mask_rows(vector: &str, rows: Option<u64>) -> Result<u64, &'static str> {
    match Reach::of_inline(vector) {
        Some(Reach::Nowhere) => Ok(0),
        Some(Reach::Block(begin)) if begin < rows.unwrap_or(ROWS_MAX) => {
            Ok(rows.unwrap_or(begin).min(ROWS_MAX))
        }
        Some(Reach::Block(_) | Reach::TooFar) => Err("a deletion vector marks rows that no file has"),
        None => Err("a deletion vector cannot be read"),
    }
}

/// Whether the file at a URL is one of those that are looked at for vectors when they are read.
fn is_of_vectors(url: &str) -> bool {
    url.ends_with(vector_reach::FILE_SUFFIX) && !url.contains(['?', '#'])
}

/// Refuses a commit that would name files which [`check`] refuses. Values cannot bring that about, as they are encoded in the names of
/// folders; names of columns are not, and `a:b=1/part.parquet` is a URL.
pub(crate) fn check_named(location: &TableLocation, actions: &[Action]) -> Result<()> {
    let is_own = |action: &Action| match action {
        Action::Add(file) => is_below(&file.path),
        Action::Cdc(file) => is_below(&file.path),
        _ => true,
    };
    match actions.iter().all(is_own) {
        true => Ok(()),
        false => {
            let features = vec!["partitions by a column whose name leads out of its folder".to_owned()];
            Err(Error::UnsupportedWrite { table: location.clone(), features })
        }
    }
}

/// Whether a path stays below the folder that it is relative to. It is one of a log, decoded once.
fn is_below(path: &str) -> bool {
    let is_scheme = |before: &str| {
        before.starts_with(|first: char| first.is_ascii_alphabetic())
            && before.chars().all(|part| part.is_ascii_alphanumeric() || "+-.".contains(part))
    };
    let names_a_store = path.split_once(':').is_some_and(|(before, _)| is_scheme(before));
    !path.starts_with(['/', '\\'])
        // A URL is trimmed before it is read.
        && path.trim() == path
        && !names_a_store
        && !path.chars().any(char::is_control)
        && !path.split(['/', '\\']).any(is_up)
}

/// The same of a path as a log spells it.
fn is_spelled_below(path: &str) -> bool {
    let is_decoded_below = || Path::from_url_path(path).is_ok_and(|path| is_below(path.as_ref()));
    is_below(path) && (!path.contains('%') || is_decoded_below())
}

/// Whether a part of a path means the folder above, or would to somebody who decodes it once more. Folders of values have the name of
/// their column before that.
fn is_up(part: &str) -> bool {
    // In a URL these end the path.
    let part = part.split(['?', '#']).next().unwrap_or(part);
    behind_dot(part).and_then(behind_dot) == Some("")
}

/// What of a part stands behind a dot at its beginning, however often that is encoded.
fn behind_dot(part: &str) -> Option<&str> {
    if let Some(rest) = part.strip_prefix('.') {
        return Some(rest);
    }
    let mut encoded = part.strip_prefix('%')?;
    while let Some(within) = encoded.strip_prefix("25") {
        encoded = within;
    }
    encoded.strip_prefix("2e").or_else(|| encoded.strip_prefix("2E"))
}

/// `plan`, which reads files of the table's folder and nothing else.
pub(crate) fn only_own(
    plan: Arc<dyn ExecutionPlan>,
    location: &TableLocation,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    match reads_own(&plan, &location.mounted_path()) {
        true => Ok(plan),
        false => internal_err!("a scan of a table reads files outside the table's own folder"),
    }
}

fn reads_own(plan: &Arc<dyn ExecutionPlan>, folder: &Path) -> bool {
    let own = match plan.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source) {
        None => true,
        Some(source) if source.downcast_ref::<MemorySourceConfig>().is_some() => true,
        Some(source) => source.downcast_ref::<FileScanConfig>().is_some_and(|scan| {
            let mut files = scan.file_groups.iter().flat_map(|group| group.iter());
            in_mount(scan) && files.all(|file| file.object_meta.location.prefix_matches(folder))
        }),
    };
    own && plan.children().into_iter().all(|child| reads_own(child, folder))
}

/// Whether a scan is of files behind the router.
pub(crate) fn in_mount(scan: &FileScanConfig) -> bool {
    scan.object_store_url.as_str().trim_end_matches('/') == MOUNT
}

/// A store in which there is nothing but one folder.
#[derive(Debug, Clone)]
pub(crate) struct OwnFolder {
    folder: Path,
    store: Arc<dyn ObjectStore>,
}

impl OwnFolder {
    /// The folder of the table at `location` in `store`.
    pub(crate) fn of(location: &TableLocation, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Self { folder: location.mounted_path(), store })
    }

    fn own<'a>(&self, path: &'a Path) -> StoreResult<&'a Path> {
        match path.prefix_matches(&self.folder) {
            true => Ok(path),
            false => Err(self.nothing(path)),
        }
    }

    fn nothing(&self, path: &Path) -> StoreError {
        StoreError::NotFound { path: path.to_string(), source: "it is outside the table's folder".into() }
    }

    fn own_prefix(&self, prefix: Option<&Path>) -> StoreResult<()> {
        prefix.map_or_else(|| Err(self.nothing(&Path::default())), |prefix| self.own(prefix).map(drop))
    }
}

impl fmt::Display for OwnFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("folder of a table")
    }
}

#[async_trait]
#[warn(clippy::missing_trait_methods)]
impl ObjectStore for OwnFolder {
    async fn put_opts(&self, to: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.store.put_opts(self.own(to)?, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(self.own(to)?, options).await
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.store.get_opts(self.own(from)?, options).await
    }

    async fn get_ranges(&self, from: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.store.get_ranges(self.own(from)?, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        let folder = self.clone();
        let own = paths.map(move |path| path.and_then(|path| folder.own(&path).cloned()));
        self.store.delete_stream(own.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        match self.own_prefix(prefix) {
            Ok(()) => self.store.list(prefix),
            Err(refused) => stream::iter([Err(refused)]).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        match self.own_prefix(prefix) {
            Ok(()) => self.store.list_with_offset(prefix, offset),
            Err(refused) => stream::iter([Err(refused)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.own_prefix(prefix)?;
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.store.copy_opts(self.own(from)?, self.own(to)?, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.store.rename_opts(self.own(from)?, self.own(to)?, options).await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    /// What is no path below a table's folder, as a log spells it.
    const ELSEWHERE: [&str; 25] = [
        "../t/part.parquet",
        "a/../../t/part.parquet",
        "..",
        " ../t/part.parquet",
        " /data/t/part.parquet",
        " file:///etc/passwd",
        "a\\..\\..\\t",
        "%2e%2e/t/part.parquet",
        "%2E./t/part.parquet",
        "a%2f..%2f..%2ft",
        ".\t./t/part.parquet",
        "/data/t/part.parquet",
        "//mount/data/t/part.parquet",
        "\\\\mount\\t",
        "gov://mount/data/t/part.parquet",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE://localhost/etc/passwd",
        "s3a://bucket/part.parquet",
        "file%3A/etc/passwd",
        "%252e%252e/t/part.parquet",
        "a/%25252E./t/part.parquet",
        "a/.%252E/t/part.parquet",
        "..?x",
        "a/..#/t/part.parquet",
    ];

    #[test]
    fn a_path_of_a_log_stays_in_its_folder_or_is_none() {
        for own in [
            "part-0.parquet",
            "a=1/b=x%20y/part-0.parquet",
            "t=2024-01-01 00:00:00/part.parquet",
            "t=2024-01-01%2000%3A00%3A00/part.parquet",
            "a..b/..c/d..",
            "_change_data/cdc-1.parquet",
            "",
        ] {
            assert!(is_spelled_below(own), "{own}");
        }
        for other in ELSEWHERE {
            assert!(!is_spelled_below(other), "{other}");
            // As delta-rs hands it on.
            let decoded = other
                .replace("%2e", ".")
                .replace("%2E", ".")
                .replace("%2f", "/")
                .replace("%3A", ":")
                .replace("%25", "%");
            assert!(!is_below(&decoded), "{other}: {decoded}");
        }
    }

    #[test]
    fn what_is_encoded_still_is_part_of_a_name() {
        for own in [
            "p=%2F/part.parquet",
            "p=%2F%2F/part.parquet",
            "p=http%3A%2F%2Fx/part.parquet",
            "p=x%2F..%2Fy/part.parquet",
            "p=..%2F..%2F..%2Fetc/part.parquet",
            "p=../part.parquet",
            "p=%252e%252e/part.parquet",
            "p=%0A%09%0D%01%7F/part.parquet",
            "_change_data/p=%2F/part.parquet",
        ] {
            assert!(is_below(own), "{own}");
            let spelled = own.replace('%', "%25");
            assert!(is_spelled_below(&spelled), "{spelled}");
        }
    }

    #[test]
    fn a_commit_names_no_file_that_would_be_refused() {
        use deltalake::kernel::{Add, AddCDCFile};

        use crate::location::RootName;

        let location = TableLocation::new(RootName::new("main").unwrap(), "t").unwrap();
        let add = |path: &str| Action::Add(Add { path: path.to_owned(), ..Add::default() });
        let cdc = |path: &str| Action::Cdc(AddCDCFile { path: path.to_owned(), ..AddCDCFile::default() });
        check_named(&location, &[add("p=%2F/part.parquet"), cdc("_change_data/p=%2F/part.parquet")]).unwrap();
        for named in [add("a:b=1/part.parquet"), cdc("../part.parquet")] {
            let refused = check_named(&location, &[add("part.parquet"), named]);
            assert!(matches!(refused, Err(Error::UnsupportedWrite { .. })), "{refused:?}");
        }
    }
}
