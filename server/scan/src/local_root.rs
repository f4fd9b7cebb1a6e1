//! A storage root that is a directory of this machine.
//!
//! Differs from the plain file system store in four ways: no symbolic link leads out of the root, neither for reading nor
//! for writing nor for listing; listings come sorted by path, as cloud stores give them and as the Delta kernel relies on;
//! entries before a listing's offset are not even looked at; and reads run in blocking tasks whose CPU is charged to the
//! meter of whoever asked.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

const STORE: &str = "storage root";

/// A directory as an object store.
#[derive(Clone, Debug)]
pub(crate) struct LocalRoot(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    /// Without symbolic links.
    path: PathBuf,
    files: LocalFileSystem,
}

impl LocalRoot {
    /// The directory must exist.
    pub(crate) fn new(directory: &FilePath) -> Result<Self> {
        let path = std::fs::canonicalize(directory)
            .map_err(|source| Error::Generic { store: STORE, source: Box::new(source) })?;
        if !path.is_dir() {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(Error::Generic { store: STORE, source: Box::new(source) });
        }
        let files = LocalFileSystem::new_with_prefix(&path)?;
        Ok(Self(Arc::new(Directory { path, files })))
    }

    /// The directory, without symbolic links.
    pub(crate) fn directory(&self) -> &FilePath {
        &self.0.path
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let directory = Arc::clone(&self.0);
        tokio::task::spawn_blocking(weir_meter::inherit(move || work(&directory))).await?
    }

    async fn check_writable(&self, location: &Path) -> Result<()> {
        let location = location.clone();
        self.blocking(move |directory| directory.resolve_parent(&location)).await
    }
}

impl Directory {
    /// The real path of an existing object; refused when it lies outside of the root.
    fn resolve(&self, location: &Path) -> Result<PathBuf> {
        let path = self.files.path_to_filesystem(location)?;
        let real = std::fs::canonicalize(&path).map_err(|source| unreadable(location, source))?;
        if real.starts_with(&self.path) { Ok(real) } else { Err(outside(location)) }
    }

    /// The same of a file. Anything else is no object: to open a pipe is to wait for who writes to it.
    fn resolve_file(&self, location: &Path) -> Result<(PathBuf, Metadata)> {
        let path = self.resolve(location)?;
        let found = std::fs::metadata(&path).map_err(|source| unreadable(location, source))?;
        if found.is_file() { Ok((path, found)) } else { Err(no_file(location)) }
    }

    /// Checks that the nearest existing directory above a location lies inside the root.
    fn resolve_parent(&self, location: &Path) -> Result<()> {
        let path = self.files.path_to_filesystem(location)?;
        for ancestor in path.ancestors().skip(1) {
            match std::fs::canonicalize(ancestor) {
                Ok(real) if real.starts_with(&self.path) => return Ok(()),
                Ok(_) => return Err(outside(location)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(location, error)),
            }
        }
        Err(outside(location))
    }

    fn read_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (path, _) = self.resolve_file(location)?;
        let file = File::open(path).map_err(|source| unreadable(location, source))?;
        let opened = file.metadata().map_err(|source| unreadable(location, source))?;
        if !opened.is_file() {
            return Err(no_file(location));
        }
        ranges.iter().map(|range| read_range(&file, range)).collect::<io::Result<_>>().map_err(|source| {
            match source.kind() {
                io::ErrorKind::UnexpectedEof => Error::Generic {
                    store: STORE,
                    source: Box::new(io::Error::new(
                        source.kind(),
                        format!("{location} is shorter than expected"),
                    )),
                },
                _ => unreadable(location, source),
            }
        })
    }

    /// Everything below a prefix and after an offset, sorted.
    fn list(&self, prefix: &Path, offset: Option<&Path>, depth: Depth) -> Result<ListResult> {
        let mut listing = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        let mut pending = vec![prefix.clone()];
        while let Some(below) = pending.pop() {
            let directory = self.path.join(below.as_ref());
            let real = match std::fs::canonicalize(&directory) {
                Ok(real) => real,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(&below, error)),
            };
            if !real.starts_with(&self.path) {
                return Err(outside(&below));
            }
            if !real.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&real).map_err(|source| unreadable(&below, source))? {
                let entry = entry.map_err(|source| unreadable(&below, source))?;
                self.visit(&entry, &below, offset, depth, &mut listing, &mut pending)?;
            }
        }
        listing.objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        listing.common_prefixes.sort_unstable();
        Ok(listing)
    }

    fn visit(
        &self,
        entry: &std::fs::DirEntry,
        below: &Path,
        offset: Option<&Path>,
        depth: Depth,
        listing: &mut ListResult,
        pending: &mut Vec<Path>,
    ) -> Result<()> {
        let name = entry.file_name();
        // What has no name in an object store cannot be part of a table.
        let Some(location) = name.to_str().and_then(|name| Path::parse(format!("{below}/{name}")).ok())
        else {
            return Ok(());
        };
        let kind = entry.file_type().map_err(|source| unreadable(&location, source))?;
        if kind.is_dir() {
            match depth {
                Depth::All => pending.push(location),
                Depth::One => listing.common_prefixes.push(location),
            }
            return Ok(());
        }
        if offset.is_some_and(|offset| location <= *offset) || is_unfinished(&location) {
            return Ok(());
        }
        let inside = !kind.is_symlink() || self.resolve(&location).is_ok();
        match std::fs::metadata(entry.path()) {
            Ok(found) if found.is_file() && inside => listing.objects.push(object_meta(location, &found)),
            // Directories behind links are not followed; a file may vanish while it is listed.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&location, error)),
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Depth {
    One,
    All,
}

fn read_range(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    // A range beyond the file must not make us reserve memory for it.
    if file.metadata()?.len() < range.end {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, range.start)?;
    Ok(buffer.into())
}

/// A file that a writer has not finished: `name#1`.
fn is_unfinished(location: &Path) -> bool {
    location
        .filename()
        .and_then(|name| name.split_once('#'))
        .is_some_and(|(_, suffix)| !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit()))
}

fn object_meta(location: Path, found: &Metadata) -> ObjectMeta {
    use std::os::unix::fs::MetadataExt;
    let last_modified = found.modified().map_or_else(|_| chrono::DateTime::UNIX_EPOCH, Into::into);
    let e_tag = format!("{:x}-{:x}-{:x}-{:x}", found.ino(), found.mtime(), found.mtime_nsec(), found.len());
    ObjectMeta { location, last_modified, size: found.len(), e_tag: Some(e_tag), version: None }
}

fn unreadable(location: &Path, source: io::Error) -> Error {
    let path = location.to_string();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::NotFound { path, source: Box::new(source) }
        }
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: Box::new(source) },
        _ => Error::Generic { store: STORE, source: Box::new(source) },
    }
}

fn no_file(location: &Path) -> Error {
    unreadable(location, io::ErrorKind::NotFound.into())
}

fn outside(location: &Path) -> Error {
    Error::PermissionDenied { path: location.to_string(), source: "it leads out of its storage root".into() }
}

impl fmt::Display for LocalRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

#[async_trait]
#[warn(clippy::missing_trait_methods)]
impl ObjectStore for LocalRoot {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.check_writable(location).await?;
        self.0.files.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check_writable(location).await?;
        self.0.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let wanted = location.clone();
        if options.head {
            let preconditions = options.clone();
            let meta = self
                .blocking(move |directory| {
                    let (_, found) = directory.resolve_file(&wanted)?;
                    Ok(object_meta(wanted, &found))
                })
                .await?;
            preconditions.check_preconditions(&meta)?;
            let range = 0..meta.size;
            let payload = object_store::GetResultPayload::Stream(stream::empty().boxed());
            return Ok(GetResult { payload, meta, range, attributes: object_store::Attributes::default() });
        }
        self.blocking(move |directory| directory.resolve_file(&wanted)).await?;
        self.0.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (location, ranges) = (location.clone(), ranges.to_vec());
        self.blocking(move |directory| directory.read_ranges(&location, &ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let root = self.clone();
        let checked = locations.then(move |location| {
            let root = root.clone();
            async move {
                let location = location?;
                root.check_writable(&location).await?;
                Ok(location)
            }
        });
        self.0.files.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        self.blocking(move |directory| directory.list(&prefix, None, Depth::One)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let wanted = from.clone();
        self.blocking(move |directory| directory.resolve(&wanted)).await?;
        self.check_writable(to).await?;
        self.0.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let wanted = from.clone();
        self.blocking(move |directory| directory.resolve(&wanted)).await?;
        self.check_writable(to).await?;
        self.0.files.rename_opts(from, to, options).await
    }
}

impl LocalRoot {
    fn list_after(
        &self,
        prefix: Option<&Path>,
        offset: Option<Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let root = self.clone();
        let prefix = prefix.cloned().unwrap_or_default();
        let listing = async move {
            let listed =
                root.blocking(move |directory| directory.list(&prefix, offset.as_ref(), Depth::All)).await;
            match listed {
                Ok(listing) => listing.objects.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        stream::once(listing).flat_map(stream::iter).boxed()
    }
}
