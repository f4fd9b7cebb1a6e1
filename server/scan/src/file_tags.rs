//! [`FileTags`]: whether a file that never changes was changed after all.
//!
//! Ranges and footers of a file are kept as long as there is room. Were another file written in its place, what is kept and
//! what is read would be of two files, and rows could come of it that neither has. So the entity tag of the first read is
//! held against those of all others.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, OBJECT_STORE_COALESCE_DEFAULT, ObjectStore, ObjectStoreExt, Result,
    coalesce_ranges,
};

/// How many files keep their entity tag in memory.
const FILES: u64 = 100_000;

/// Entity tags of files, as they were first read.
#[derive(Debug, Clone)]
pub(crate) struct FileTags(Cache<Path, Arc<str>>);

impl FileTags {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(FILES).support_invalidation_closures().build())
    }

    /// Reads ranges of the file that is `location` here and `inner` in `store`. A store that is `near` tells the tag for
    /// next to nothing; of others it comes with each answer.
    ///
    /// # Errors
    /// `Precondition` for a file that is not the one that was read first.
    pub(crate) async fn read(
        &self,
        store: &dyn ObjectStore,
        near: bool,
        (location, inner): (&Path, &Path),
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        if near {
            let bytes = store.get_ranges(inner, ranges).await?;
            self.check(location, store.head(inner).await?.e_tag)?;
            return Ok(bytes);
        }
        let one = |range: Range<u64>| async move {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
            let answer = store.get_opts(inner, options).await?;
            self.check(location, answer.meta.e_tag.clone())?;
            answer.bytes().await
        };
        coalesce_ranges(ranges, one, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn check(&self, location: &Path, tag: Option<String>) -> Result<()> {
        // A store without tags tells nothing of a change.
        let Some(tag) = tag else { return Ok(()) };
        let first = self.0.get_with_by_ref(location, || Arc::from(tag.as_str()));
        match *first == *tag {
            true => Ok(()),
            false => Err(Error::Precondition {
                path: location.to_string(),
                source: "another file was written in its place".into(),
            }),
        }
    }

    /// Forgets the files below a path.
    pub(crate) fn forget(&self, below: Path) {
        // Fails only without support for closures, which `new` asks for.
        let _predicate_id = self.0.invalidate_entries_if(move |path, _| path.prefix_matches(&below));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.0.invalidate_all();
    }
}
