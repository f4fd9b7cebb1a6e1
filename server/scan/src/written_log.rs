//! [`WrittenLog`]: a Delta log that lies in memory in front of the files of a table, so that files which no version of the
//! table has together are read as one. Only for reading.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::DeltaTable;
use deltalake::logstore::{StorageConfig, default_logstore};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use serde_json::Value;

use crate::delta_tables::{DeltaTables, commit_path};
use crate::error;
use crate::location::TableLocation;
use crate::own_files::OwnFolder;
use crate::pinned_table::PinnedTable;
use crate::router::Router;

/// The log from memory, all else from the router.
#[derive(Debug, Clone)]
struct WrittenLog {
    log: Path,
    memory: Arc<InMemory>,
    router: Arc<Router>,
}

impl WrittenLog {
    fn of(&self, path: Option<&Path>) -> &dyn ObjectStore {
        match path.is_some_and(|path| path.prefix_matches(&self.log)) {
            true => self.memory.as_ref(),
            false => self.router.as_ref(),
        }
    }
}

impl DeltaTables {
    /// The table that the one commit `actions` makes of files at `location`.
    pub(crate) async fn table_of(
        &self,
        location: &TableLocation,
        actions: &[Value],
    ) -> error::Result<PinnedTable> {
        let memory = Arc::new(InMemory::new());
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        let put = memory.put(&commit_path(location, 0), PutPayload::from(text)).await;
        put.map_err(|failure| error::from_store(location, failure))?;
        let written = WrittenLog { log: location.log_path(), memory, router: Arc::clone(self.router()) };
        let root = OwnFolder::of(location, Arc::new(written));
        let files = PrefixStore::new(Arc::clone(&root), location.mounted_path());
        let log = default_logstore(Arc::new(files), root, &location.url()?, &StorageConfig::default());
        let mut table = DeltaTable::new(log);
        table.load().await.map_err(|failure| error::from_delta(location, failure))?;
        PinnedTable::new(location.clone(), table)
    }
}

impl fmt::Display for WrittenLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("written log")
    }
}

fn read_only() -> Error {
    Error::NotSupported { source: "a log in memory is only for reading".into() }
}

#[async_trait]
#[warn(clippy::missing_trait_methods)]
impl ObjectStore for WrittenLog {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.of(Some(location)).get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.of(Some(location)).get_ranges(location, ranges).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(read_only()) }.boxed()).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.of(prefix).list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.of(prefix).list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.of(prefix).list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }

    async fn rename_opts(&self, _: &Path, _: &Path, _: RenameOptions) -> Result<()> {
        Err(read_only())
    }
}
