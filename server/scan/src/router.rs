//! The one object store of the process: the first segment of a path selects the storage root that answers.
//!
//! Promise: a path reaches only the root it names, an unknown root is *not found*, nothing is copied or renamed from one
//! root to another, and listings come sorted by path. Ranges of files that never change go through the [`RangeCache`].
//!
//! A root is a directory of this machine or a place in a bucket; each is behind `Arc<dyn ObjectStore>`, so another kind is
//! one more `add_…` method.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use moka::sync::Cache;
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, RenameTargetMode, Result,
};
use url::Url;

use crate::bucket_root::Bucket;
use crate::disk_ranges::DiskRanges;
use crate::file_tags::FileTags;
use crate::local_root::LocalRoot;
use crate::location::{RootName, TableLocation};
use crate::range_cache::{Fetched, FileKey, RangeCache};
use crate::{read_bound, vector_reach};

/// How many files keep their size and entity tag in memory.
const KNOWN_FILES: u64 = 100_000;

/// The longest name that a file has in a bucket, in bytes: the same with all three services. They answer otherwise that the request is no
/// good, each in its own words.
const KEY_BYTES_MAX: usize = 1024;

/// Routes paths to storage roots. Clones share everything.
#[derive(Clone)]
pub struct Router {
    roots: Arc<tokio::sync::watch::Sender<BTreeMap<RootName, Root>>>,
    ranges: RangeCache,
    /// Ranges of far stores.
    disk: Option<DiskRanges>,
    /// Size and time of files that never change.
    known: Cache<Path, ObjectMeta>,
    tags: FileTags,
}

#[derive(Clone)]
struct Root {
    /// What tells it from another root of the same name.
    place: String,
    store: Arc<dyn ObjectStore>,
    /// Whether it lies on this machine.
    near: bool,
}

/// What a path's name says about its contents.
enum Contents {
    /// Never changes, and the name is never used for anything else.
    Unique,
    /// Never changes while the table lives, but another table may come to the same place.
    PerTable,
    /// Anything else.
    Changing,
}

impl Router {
    /// A router without roots.
    pub fn new(cache: RangeCache) -> Self {
        let known = Cache::builder().max_capacity(KNOWN_FILES).support_invalidation_closures().build();
        Self {
            roots: Arc::new(tokio::sync::watch::Sender::default()),
            ranges: cache,
            disk: None,
            known,
            tags: FileTags::new(),
        }
    }

    /// The same with ranges of far stores kept on disk, behind those in memory.
    #[must_use]
    pub fn with_disk(self, disk: DiskRanges) -> Self {
        Self { disk: Some(disk), ..self }
    }

    /// Adds a directory of this machine as a storage root. It must exist. Adding the same one again changes nothing.
    pub fn add_local_root(&self, root: &RootName, directory: &FilePath) -> crate::Result<()> {
        let store = LocalRoot::new(directory).map_err(|source| crate::Error::UnusableRoot {
            root: root.to_string(),
            source: Box::new(source),
        })?;
        let place = store.directory().to_string_lossy().into_owned();
        self.add(root, Root { place, store: Arc::new(store), near: true })
    }

    /// Adds a place in a bucket as a storage root. It is not looked at. Adding the same one again changes nothing.
    pub fn add_bucket_root(&self, root: &RootName, bucket: &Bucket) -> crate::Result<()> {
        self.add(root, Root { place: bucket.place(), store: bucket.store(root.as_str())?, near: false })
    }

    /// Adds a store that counts as far.
    #[cfg(test)]
    pub(crate) fn add_far_root(&self, root: &RootName, store: Arc<dyn ObjectStore>) -> crate::Result<()> {
        self.add(root, Root { place: root.to_string(), store, near: false })
    }

    fn add(&self, root: &RootName, added: Root) -> crate::Result<()> {
        let mut conflict = false;
        self.roots.send_if_modified(|roots| match roots.get(root) {
            Some(there) => {
                conflict = there.place != added.place;
                false
            }
            None => {
                roots.insert(root.clone(), added);
                true
            }
        });
        if conflict { Err(crate::Error::DuplicateRoot { root: root.to_string() }) } else { Ok(()) }
    }

    /// The names of the roots, sorted.
    pub fn roots(&self) -> Vec<RootName> {
        self.roots.borrow().keys().cloned().collect()
    }

    /// The URL of a table.
    pub fn url(&self, root: &RootName, path: &str) -> crate::Result<Url> {
        TableLocation::new(root.clone(), path)?.url()
    }

    /// The cache of byte ranges.
    pub fn cache(&self) -> &RangeCache {
        &self.ranges
    }

    /// Byte ranges on disk, where some are kept.
    pub fn disk(&self) -> Option<&DiskRanges> {
        self.disk.as_ref()
    }

    /// Drops what the caches hold of a table, after it was dropped or replaced.
    pub fn forget(&self, location: &TableLocation) {
        let below = location.mounted_path();
        self.forget_ranges(&below);
        // Fails only without support for closures, which `new` asks for.
        let _predicate_id = self.known.invalidate_entries_if(move |path, _| path.prefix_matches(&below));
    }

    /// Drops the ranges of what lies at or below a path, and which files they were of.
    fn forget_ranges(&self, below: &Path) {
        self.ranges.forget(below.clone());
        if let Some(disk) = &self.disk {
            disk.forget(below.clone());
        }
        self.tags.forget(below.clone());
    }

    /// Drops what the caches hold.
    pub fn clear(&self) {
        self.ranges.clear();
        if let Some(disk) = &self.disk {
            disk.clear();
        }
        self.tags.clear();
        self.known.invalidate_all();
    }

    /// The store that a path names, and the path inside it.
    fn route(&self, location: &Path) -> Result<(RootName, Arc<dyn ObjectStore>, Path)> {
        let (name, root, inner) = self.root_of(location)?;
        Ok((name, root.store, inner))
    }

    fn root_of(&self, location: &Path) -> Result<(RootName, Root, Path)> {
        let unknown =
            || Error::NotFound { path: location.to_string(), source: "no such storage root".into() };
        let mut parts = location.parts();
        let name = parts.next().and_then(|part| RootName::new(part.as_ref()).ok()).ok_or_else(unknown)?;
        let root = self.roots.borrow().get(&name).cloned().ok_or_else(unknown)?;
        Ok((name, root, parts.collect()))
    }

    /// The store that takes a new file, and the path inside it.
    fn route_new(&self, location: &Path) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let (_, root, inner) = self.root_of(location)?;
        if !root.near && inner.as_ref().len() > KEY_BYTES_MAX {
            let source = Box::new(io::Error::from(io::ErrorKind::InvalidFilename));
            return Err(Error::Generic { store: "router", source });
        }
        Ok((root.store, inner))
    }

    /// Size and time of a file that never changes.
    async fn meta(&self, location: &Path, store: &dyn ObjectStore, inner: &Path) -> Result<ObjectMeta> {
        if let Some(meta) = self.known.get(location) {
            return Ok(meta);
        }
        let meta = ObjectMeta { location: location.clone(), ..store.head(inner).await? };
        self.known.insert(location.clone(), meta.clone());
        Ok(meta)
    }

    /// The key under which ranges of a file may be cached.
    async fn cache_key(
        &self,
        location: &Path,
        store: &dyn ObjectStore,
        inner: &Path,
    ) -> Result<Option<FileKey>> {
        let path = Arc::new(location.clone());
        Ok(match Contents::of(location) {
            Contents::Unique => Some(FileKey { path, e_tag: None }),
            // Always asked of storage: the tag is what tells two tables apart.
            Contents::PerTable => {
                store.head(inner).await?.e_tag.map(|tag| FileKey { path, e_tag: Some(tag.into()) })
            }
            Contents::Changing => None,
        })
    }

    async fn read_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        ranges.iter().try_for_each(|range| read_bound::check(location, range))?;
        let (_, root, inner) = self.root_of(location)?;
        let key = self
            .cache_key(location, root.store.as_ref(), &inner)
            .await
            .map_err(|error| at(location, error))?;
        let read = match key {
            Some(key) => {
                let fetch = |missing| self.fetched(&key, (location, &root, &inner), missing);
                self.ranges.read(&key, ranges, fetch).await
            }
            None => root.store.get_ranges(&inner, ranges).await,
        };
        read.map_err(|error| at(location, error))
    }

    /// Ranges that are not in memory: of a far store from disk, where they are kept there, else from the store.
    async fn fetched(
        &self,
        key: &FileKey,
        (location, root, inner): (&Path, &Root, &Path),
        missing: Vec<Range<u64>>,
    ) -> Result<Vec<Fetched>> {
        let from_storage = |missing: Vec<Range<u64>>| async move {
            let bytes = match key.e_tag {
                // The tag of a checkpoint is in its key already.
                Some(_) => root.store.get_ranges(inner, &missing).await?,
                None => self.tags.read(root.store.as_ref(), root.near, (location, inner), &missing).await?,
            };
            let shared = !root.near && bytes.len() > 1;
            Ok(if shared { bytes.into_iter().map(of_its_own).collect() } else { bytes })
        };
        if let Some(disk) = self.disk.as_ref().filter(|_| !root.near) {
            return disk.read(key, &missing, from_storage).await;
        }
        let bytes = from_storage(missing).await?;
        Ok(bytes.into_iter().map(|bytes| Fetched { bytes, is_from_storage: true }).collect())
    }

    /// A plain bounded read of a file that never changes.
    async fn read_cached(&self, location: &Path, range: Range<u64>) -> Result<GetResult> {
        let (_, store, inner) = self.route(location)?;
        let meta = self.meta(location, store.as_ref(), &inner).await.map_err(|error| at(location, error))?;
        let range = range.start..range.end.min(meta.size);
        if range.is_empty() {
            let source = format!("range starts at {}, the file has {} bytes", range.start, meta.size);
            return Err(Error::Generic { store: "router", source: source.into() });
        }
        let mut read = self.read_ranges(location, std::slice::from_ref(&range)).await?;
        let bytes = read.pop().unwrap_or_default();
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }
}

/// The same file, whose deletion vectors reach no further than can be held as masks.
async fn within_reach(file: GetResult) -> Result<GetResult> {
    let (meta, range, attributes) = (file.meta.clone(), file.range.clone(), file.attributes.clone());
    let bytes = file.bytes().await?;
    let looked_at = bytes.clone();
    let look = weir_meter::inherit(move || vector_reach::reaches_too_far(&looked_at));
    if tokio::task::spawn_blocking(look).await? {
        return Err(read_bound::too_large("a deletion vector marks rows that no file has"));
    }
    let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
    Ok(GetResult { payload, meta, range, attributes })
}

/// The same bytes in memory of their own. Ranges near each other come from a far store in one answer, of which each would keep all
/// in memory, what lies between them too.
fn of_its_own(bytes: Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}

impl Contents {
    fn of(location: &Path) -> Self {
        let name = location.filename().unwrap_or_default();
        let in_log = location.parts().any(|part| part.as_ref() == "_delta_log");
        if in_log {
            if name.ends_with(".parquet") { Self::PerTable } else { Self::Changing }
        } else if name.ends_with(".parquet") || name.ends_with(".bin") {
            Self::Unique
        } else {
            Self::Changing
        }
    }
}

/// The range of a read that asks for bytes between two positions and for nothing else.
fn plain_range(options: &GetOptions) -> Option<Range<u64>> {
    let GetOptions {
        if_match,
        if_none_match,
        if_modified_since,
        if_unmodified_since,
        range,
        version,
        head,
        ..
    } = options;
    let conditional = if_match.is_some()
        || if_none_match.is_some()
        || if_modified_since.is_some()
        || if_unmodified_since.is_some();
    match range {
        Some(GetRange::Bounded(range)) if !conditional && version.is_none() && !head => Some(range.clone()),
        _ => None,
    }
}

fn mounted(root: &RootName, path: Path) -> Path {
    Path::from(root.as_str()).parts().chain(path.parts()).collect()
}

/// The same error with the path that the caller used.
fn at(location: &Path, error: Error) -> Error {
    match error {
        Error::NotFound { source, .. } => Error::NotFound { path: location.to_string(), source },
        Error::PermissionDenied { source, .. } => {
            Error::PermissionDenied { path: location.to_string(), source }
        }
        other => other,
    }
}

/// The client for Google's service takes the two modes of copying for each other (object_store 0.13.2), and what must not be there
/// yet would be overwritten. Files are put there on condition instead.
fn on_condition() -> Error {
    Error::NotSupported { source: "in a bucket nothing is copied or moved on condition".into() }
}

fn across_roots() -> Error {
    Error::NotSupported { source: "objects cannot be copied or moved between storage roots".into() }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("roots", &self.roots()).finish_non_exhaustive()
    }
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("router")
    }
}

#[async_trait]
#[warn(clippy::missing_trait_methods)]
impl ObjectStore for Router {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (store, inner) = self.route_new(location)?;
        store.put_opts(&inner, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let (store, inner) = self.route_new(location)?;
        store.put_multipart_opts(&inner, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some(range) = plain_range(&options)
            && matches!(Contents::of(location), Contents::Unique)
        {
            return self.read_cached(location, range).await;
        }
        let (_, store, inner) = self.route(location)?;
        let head = options.head;
        let mut result = store.get_opts(&inner, options).await.map_err(|error| at(location, error))?;
        result.meta.location = location.clone();
        if head {
            return Ok(result);
        }
        read_bound::check(location, &result.range)?;
        match location.filename().is_some_and(|name| name.ends_with(vector_reach::FILE_SUFFIX)) {
            true => within_reach(result).await,
            false => Ok(result),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let router = self.clone();
        let deleted = locations.then(move |location| {
            let router = router.clone();
            async move {
                let location = location?;
                let (_, store, inner) = router.route(&location)?;
                store.delete(&inner).await?;
                router.forget_ranges(&location);
                router.known.invalidate(&location);
                Ok(location)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        if prefix.as_ref().is_empty() {
            let common_prefixes = self.roots().iter().map(|root| Path::from(root.as_str())).collect();
            return Ok(ListResult { common_prefixes, objects: Vec::new() });
        }
        let (root, store, inner) = self.route(&prefix)?;
        let listed = store.list_with_delimiter(Some(&inner)).await?;
        let mut common_prefixes: Vec<_> =
            listed.common_prefixes.into_iter().map(|path| mounted(&root, path)).collect();
        let mut objects: Vec<_> = listed
            .objects
            .into_iter()
            .map(|meta| ObjectMeta { location: mounted(&root, meta.location), ..meta })
            .collect();
        common_prefixes.sort_unstable();
        objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok(ListResult { common_prefixes, objects })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from_root, store, from) = self.route(from)?;
        let (to_root, _, to) = self.route(to)?;
        if from_root != to_root {
            return Err(across_roots());
        }
        if options.mode == CopyMode::Create && self.is_far(&to_root) {
            return Err(on_condition());
        }
        store.copy_opts(&from, &to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (from_root, store, from) = self.route(from)?;
        let (to_root, _, to) = self.route(to)?;
        if from_root != to_root {
            return Err(across_roots());
        }
        if options.target_mode == RenameTargetMode::Create && self.is_far(&to_root) {
            return Err(on_condition());
        }
        store.rename_opts(&from, &to, options).await
    }
}

impl Router {
    fn is_far(&self, root: &RootName) -> bool {
        self.roots.borrow().get(root).is_some_and(|root| !root.near)
    }

    /// Lists below a prefix, which must name a root: there is no listing over all of them.
    fn list_after(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned().unwrap_or_default();
        let (root, store, inner) = match self.route(&prefix) {
            Ok(routed) => routed,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        // An offset under another root is before or after everything here.
        let below_root = Path::from(root.as_str());
        let inner_offset = match offset {
            Some(offset) => match offset.prefix_match(&below_root) {
                Some(inside) => Some(inside.collect::<Path>()),
                None if *offset > below_root => return stream::empty().boxed(),
                None => None,
            },
            None => None,
        };
        let listed = match &inner_offset {
            Some(offset) => store.list_with_offset(Some(&inner), offset),
            None => store.list(Some(&inner)),
        };
        let sorted = listed.try_collect::<Vec<_>>().map(move |listed| match listed {
            Ok(mut objects) => {
                // There are servers that know no offset and list from the beginning.
                if let Some(offset) = &inner_offset {
                    objects.retain(|object| object.location > *offset);
                }
                objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
                let mount =
                    move |meta: ObjectMeta| ObjectMeta { location: mounted(&root, meta.location), ..meta };
                objects.into_iter().map(|meta| Ok(mount(meta))).collect()
            }
            Err(error) => vec![Err(error)],
        });
        stream::once(sorted).flat_map(stream::iter).boxed()
    }
}
